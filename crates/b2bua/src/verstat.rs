//! The `verstat` parameter of a caller's number (3GPP TS 24.229 section 7.2A.20).

use attesta_sip::{NameAddr, Uri};
use attesta_stir::Verstat;

/// A header field value of the form of an address, without any `verstat` it had, and with this one if its URI has a
/// telephone number: within a SIP URI it stands in the user part, before the `@`, since it belongs to the number there
/// (RFC 3261 section 19.1.6).
pub(crate) fn mark(address: &[u8], verstat: Option<Verstat>) -> Vec<u8> {
    let Ok(parsed) = NameAddr::parse(address) else { return address.to_vec() };
    let uri = parsed.uri();
    let marked = match &uri {
        Uri::Sip(sip) => {
            let (head, rest) = split_after(uri.as_bytes(), b':');
            match sip.user() {
                Some(user) => {
                    let rest = rest.get(user.len()..).unwrap_or_default();
                    [head, &marked_number(user, verstat)[..], &without(rest)[..]].concat()
                }
                None => [head, &without(rest)[..]].concat(),
            }
        }
        Uri::Tel(_) => {
            let (head, rest) = split_after(uri.as_bytes(), b':');
            [head, &marked_number(rest, verstat)[..]].concat()
        }
        Uri::Absolute(_) => return address.to_vec(),
    };
    if marked == uri.as_bytes() {
        return address.to_vec();
    }
    replaced(address, &parsed, &marked)
}

/// The subscriber of a URI with its parameters, marked if it is a number.
fn marked_number(subscriber: &[u8], verstat: Option<Verstat>) -> Vec<u8> {
    let mut text = without(subscriber);
    let is_number = text.first().is_some_and(|first| *first == b'+' || first.is_ascii_digit());
    if let Some(verstat) = verstat.filter(|_| is_number) {
        text.extend_from_slice(b";verstat=");
        text.extend_from_slice(verstat.as_str().as_bytes());
    }
    text
}

/// A part of a URI without its `verstat` parameters.
fn without(part: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(part.len() + 32);
    for (position, piece) in part.split(|octet| *octet == b';').enumerate() {
        if position == 0 {
            text.extend_from_slice(piece);
        } else if !is_verstat(piece) {
            text.push(b';');
            text.extend_from_slice(piece);
        } else {
            // What ends the parameters of a part may cling to the last of them: headers after a `?`.
            text.extend(piece.iter().skip_while(|octet| **octet != b'?'));
        }
    }
    text
}

fn is_verstat(piece: &[u8]) -> bool {
    let name = piece.split(|octet| matches!(octet, b'=' | b'?')).next().unwrap_or_default();
    name.eq_ignore_ascii_case(b"verstat")
}

/// The address with another URI in place of its own; an address without angle brackets gets them, since the parameters in
/// its URI would be taken for the header field's (RFC 3261 section 20.10).
fn replaced(address: &[u8], parsed: &NameAddr<'_>, uri: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(address.len() + 40);
    let mut display = Vec::new();
    parsed.with_params(attesta_sip::Params::default()).write_to(&mut display);
    let head = display.len().saturating_sub(parsed.uri().as_bytes().len() + 1);
    text.extend(display.iter().take(head));
    text.extend_from_slice(uri);
    text.push(b'>');
    text.extend_from_slice(parsed.params().as_bytes());
    text
}

fn split_after(text: &[u8], mark: u8) -> (&[u8], &[u8]) {
    let end = text.iter().position(|octet| *octet == mark).map_or(text.len(), |position| position + 1);
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(address: &str, verstat: Option<Verstat>) -> String {
        String::from_utf8_lossy(&mark(address.as_bytes(), verstat)).into_owned()
    }

    #[test]
    fn the_outcome_stands_before_the_at() {
        let passed = Some(Verstat::TnValidationPassed);
        for (address, expected) in [
            (
                "\"A\" <sip:+12155551212@h;user=phone>;tag=1",
                "\"A\" <sip:+12155551212;verstat=TN-Validation-Passed@h;user=phone>;tag=1",
            ),
            ("sip:+1215@h;tag=1", "<sip:+1215;verstat=TN-Validation-Passed@h>;tag=1"),
            ("<tel:+1215;cpc=ordinary>", "<tel:+1215;cpc=ordinary;verstat=TN-Validation-Passed>"),
            ("<sip:+1215:pw@h>", "<sip:+1215;verstat=TN-Validation-Passed:pw@h>"),
            ("<sip:alice@h>", "<sip:alice@h>"),
            ("<sip:h>", "<sip:h>"),
        ] {
            assert_eq!(marked(address, passed), expected);
        }
    }

    #[test]
    fn what_the_caller_says_of_itself_is_taken_out_wherever_it_stands() {
        for (address, expected) in [
            ("<sip:+1215;VERSTAT=TN-Validation-Passed;npdi@h;user=phone>", "<sip:+1215;npdi@h;user=phone>"),
            ("<sip:+1215@h;verstat=TN-Validation-Passed;user=phone>", "<sip:+1215@h;user=phone>"),
            ("<tel:+1215;verstat>", "<tel:+1215>"),
            ("<sip:+1215@h;verstat=x?Subject=y>", "<sip:+1215@h?Subject=y>"),
            ("\"verstat=x\" <sip:alice@h>;tag=verstat", "\"verstat=x\" <sip:alice@h>;tag=verstat"),
        ] {
            assert_eq!(marked(address, None), expected);
        }
        let failed = marked("<sip:+1215;verstat=TN-Validation-Passed@h>", Some(Verstat::TnValidationFailed));
        assert_eq!(failed, "<sip:+1215;verstat=TN-Validation-Failed@h>");
    }
}
