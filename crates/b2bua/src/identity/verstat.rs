//! The `verstat` parameter of a caller's number (3GPP TS 24.229 section 7.2A.20).

use attesta_sip::{NameAddr, Uri};
use attesta_stir::Verstat;

use crate::headers::address::pieces;

/// Removes every `verstat` of an address value. Then adds the given `verstat` if the URI has a telephone number. In a SIP
/// URI, `verstat` is part of the user part, before the `@`, because `verstat` belongs to the number (RFC 3261 section
/// 19.1.6). Returns `None` if the value is not an address: its claims are then unknown.
pub(crate) fn mark(address: &[u8], verstat: Option<Verstat>) -> Option<Vec<u8>> {
    let parsed = NameAddr::parse(address).ok()?;
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
        Uri::Absolute(_) => without(uri.as_bytes()),
    };
    let params = parsed.params();
    let has_verstat = pieces(params.as_bytes()).any(is_verstat);
    if marked == uri.as_bytes() && !has_verstat {
        return Some(address.to_vec());
    }
    let mut text = with_uri(address, &parsed, &marked);
    if has_verstat {
        // Some peers write `verstat` as a parameter of the header field.
        for param in pieces(params.as_bytes()).filter(|param| !is_verstat(param)) {
            text.push(b';');
            text.extend_from_slice(param.trim_ascii());
        }
    } else {
        text.extend_from_slice(params.as_bytes());
    }
    Some(text)
}

/// True if a value contains the word `verstat`, escaped or not. The value may have any form.
pub(crate) fn is_mentioned(value: &[u8]) -> bool {
    let plain: Vec<u8> = unescaped(value).collect();
    plain.windows(NAME.len()).any(|window| window.eq_ignore_ascii_case(NAME))
}

/// The subscriber of a URI with its parameters. Adds `verstat` if the subscriber is a number.
fn marked_number(subscriber: &[u8], verstat: Option<Verstat>) -> Vec<u8> {
    let mut text = without(subscriber);
    let is_number = text.first().is_some_and(|first| *first == b'+' || first.is_ascii_digit());
    if let Some(verstat) = verstat.filter(|_| is_number) {
        text.extend_from_slice(b";verstat=");
        text.extend_from_slice(verstat.as_str().as_bytes());
    }
    text
}

/// A part of a URI without its `verstat` parameters. An escaped semicolon separates parameters too: a reader that
/// decodes the escapes first sees a semicolon.
fn without(part: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(part.len() + 32);
    let (mut separator, mut rest) = (&b""[..], part);
    loop {
        let end = (0..rest.len()).find(|at| !separator_at(rest, *at).is_empty()).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        if separator.is_empty() || !is_verstat(piece) {
            text.extend_from_slice(separator);
            text.extend_from_slice(piece);
        } else {
            // The last parameter may be directly followed by the headers of the URI, after a `?`, or by the host, after an
            // `@`. Keep this text.
            text.extend(piece.iter().skip_while(|octet| !matches!(octet, b'?' | b'@')));
        }
        if tail.is_empty() {
            return text;
        }
        separator = separator_at(tail, 0);
        rest = tail.get(separator.len()..).unwrap_or_default();
    }
}

/// The semicolon at this place, escaped or not. Empty if this place has no semicolon.
fn separator_at(text: &[u8], place: usize) -> &[u8] {
    let rest = text.get(place..).unwrap_or_default();
    let length = match rest {
        [b';', ..] => 1,
        [b'%', b'3', b'B' | b'b', ..] => 3,
        _ => 0,
    };
    rest.get(..length).unwrap_or_default()
}

/// True if the parameter is named `verstat`. An escaped character equals the character itself (RFC 3261 section
/// 19.1.4).
fn is_verstat(piece: &[u8]) -> bool {
    let name = piece.split(|octet| matches!(octet, b'=' | b'?' | b'@')).next().unwrap_or_default();
    let name: Vec<u8> = unescaped(name.trim_ascii()).collect();
    name.eq_ignore_ascii_case(NAME)
}

/// The octets with each escape decoded once.
fn unescaped(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (octet, tail) = rest.split_first()?;
        let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (octet, tail) = match (octet, tail) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => ((high << 4) | low, after),
                (Some(_) | None, Some(_) | None) => (*octet, tail),
            },
            _ => (*octet, tail),
        };
        rest = tail;
        Some(octet)
    })
}

/// The address with another URI and without its parameters. An address without angle brackets gets them; otherwise the
/// parameters of its URI would count as header field parameters (RFC 3261 section 20.10).
fn with_uri(address: &[u8], parsed: &NameAddr<'_>, uri: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(address.len() + 40);
    let mut display = Vec::new();
    parsed.with_params(attesta_sip::Params::default()).write_to(&mut display);
    let head = display.len().saturating_sub(parsed.uri().as_bytes().len() + 1);
    text.extend(display.iter().take(head));
    text.extend_from_slice(uri);
    text.push(b'>');
    text
}

fn split_after(text: &[u8], mark: u8) -> (&[u8], &[u8]) {
    let end = text.iter().position(|octet| *octet == mark).map_or(text.len(), |position| position + 1);
    text.split_at(end)
}

const NAME: &[u8] = b"verstat";

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(address: &str, verstat: Option<Verstat>) -> String {
        String::from_utf8_lossy(&mark(address.as_bytes(), verstat).unwrap()).into_owned()
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
    fn the_verstat_of_the_caller_is_removed_in_any_place() {
        for (address, expected) in [
            ("<sip:+1215;VERSTAT=TN-Validation-Passed;npdi@h;user=phone>", "<sip:+1215;npdi@h;user=phone>"),
            ("<sip:+1215@h;verstat=TN-Validation-Passed;user=phone>", "<sip:+1215@h;user=phone>"),
            ("<tel:+1215;verstat>", "<tel:+1215>"),
            ("<sip:+1215@h;verstat=x?Subject=y>", "<sip:+1215@h?Subject=y>"),
            ("<sip:+1215;verst%61t=TN-Validation-Passed;npdi@h>", "<sip:+1215;npdi@h>"),
            ("<sip:+1215%3bverstat=TN-Validation-Passed;npdi@h>", "<sip:+1215;npdi@h>"),
            ("<tel:+1215>;x=\"a;b\";verstat=TN-Validation-Passed;tag=1", "<tel:+1215>;x=\"a;b\";tag=1"),
            ("sip:+1215@h;Verstat=TN-Validation-Passed;tag=1", "<sip:+1215@h>;tag=1"),
            ("<im:+1215;verstat=x@h>", "<im:+1215@h>"),
            ("\"verstat=x\" <sip:alice@h>;tag=verstat", "\"verstat=x\" <sip:alice@h>;tag=verstat"),
        ] {
            assert_eq!(marked(address, None), expected);
        }
        let failed = marked("<sip:+1215;verstat=TN-Validation-Passed@h>", Some(Verstat::TnValidationFailed));
        assert_eq!(failed, "<sip:+1215;verstat=TN-Validation-Failed@h>");
    }
}
