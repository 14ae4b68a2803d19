//! The canonical form of the header and the payload that we sign (RFC 8225 section 9): members in code point order, no white
//! space, sorted arrays. The types of identities and URLs exclude characters that JSON escapes.

use crate::attestation::{Attestation, OrigId};
use crate::identity::Identity;
use crate::passport::ppt::Ppt;
use rustls_pki_types::UnixTime;

/// The buffer for a JSON text.
pub(crate) type Json = Vec<u8>;

/// The canonical header of a PASSporT. RFC 8225 section 9 allows exactly one header for a type and a URL.
pub(crate) fn header(ppt: Ppt, x5u: &str) -> Json {
    let mut json = Json::new();
    push(&mut json, "{\"alg\":\"ES256\"");
    if ppt != Ppt::Base {
        push(&mut json, ",\"ppt\":\"");
        push(&mut json, ppt.as_str());
        push(&mut json, "\"");
    }
    push(&mut json, ",\"typ\":\"passport\",\"x5u\":\"");
    push(&mut json, x5u);
    push(&mut json, "\"}");
    json
}

/// The payload of a `shaken` PASSporT (RFC 8588 section 8).
pub(crate) fn shaken(
    attest: Attestation,
    dest: &[Identity],
    iat: UnixTime,
    orig: &Identity,
    origid: &OrigId,
    json: &mut Json,
) {
    push(json, "{\"attest\":\"");
    push(json, attest.as_str());
    push(json, "\",");
    push_base(json, dest, iat, orig);
    push(json, ",\"origid\":\"");
    json.extend_from_slice(&origid.text());
    push(json, "\"}");
}

/// The payload of a base PASSporT (RFC 8225 section 5).
pub(crate) fn base(dest: &[Identity], iat: UnixTime, orig: &Identity, json: &mut Json) {
    push(json, "{");
    push_base(json, dest, iat, orig);
    push(json, "}");
}

/// The payload of a base PASSporT. If there are keys, the payload has `mky`: the algorithms and digests of a session
/// description. The digests have no colons, and the entries are sorted without duplicates (RFC 8225 section 5.2.2).
pub(crate) fn compact_payload(
    dest: &[Identity],
    iat: UnixTime,
    keys: &[(&str, &str)],
    orig: &Identity,
    json: &mut Json,
) {
    push(json, "{");
    push_dest(json, dest);
    push(json, ",\"iat\":");
    push_number(json, iat.as_secs());
    let plain = |text: &str| text.bytes().all(|octet| octet.is_ascii_graphic() && !b"\"\\".contains(&octet));
    let mut entries: Vec<(&str, String)> = keys
        .iter()
        .filter(|(alg, dig)| plain(alg) && plain(dig))
        .map(|(alg, dig)| (*alg, dig.replace(':', "")))
        .collect();
    entries.sort();
    entries.dedup();
    for (place, (alg, dig)) in entries.iter().enumerate() {
        push(json, if place == 0 { ",\"mky\":[" } else { "," });
        push(json, &format!("{{\"alg\":\"{alg}\",\"dig\":\"{dig}\"}}"));
    }
    push(json, if entries.is_empty() { ",\"orig\":" } else { "],\"orig\":" });
    push_identity(json, orig);
    push(json, "}");
}

/// The payload of a `div` PASSporT (RFC 8946 section 3).
pub(crate) fn div(dest: &[Identity], diverted: &Identity, iat: UnixTime, orig: &Identity, json: &mut Json) {
    push(json, "{");
    push_dest(json, dest);
    push(json, ",\"div\":");
    push_identity(json, diverted);
    push_iat_and_orig(json, iat, orig);
    push(json, "}");
}

fn push_base(json: &mut Json, dest: &[Identity], iat: UnixTime, orig: &Identity) {
    push_dest(json, dest);
    push_iat_and_orig(json, iat, orig);
}

fn push_iat_and_orig(json: &mut Json, iat: UnixTime, orig: &Identity) {
    push(json, ",\"iat\":");
    push_number(json, iat.as_secs());
    push(json, ",\"orig\":");
    push_identity(json, orig);
}

fn push_identity(json: &mut Json, identity: &Identity) {
    let (name, value) = parts(identity);
    push(json, "{\"");
    push(json, name);
    push(json, "\":\"");
    json.extend_from_slice(value);
    push(json, "\"}");
}

/// Writes numbers before URIs. Each list is sorted and has no duplicates.
fn push_dest(json: &mut Json, dest: &[Identity]) {
    push(json, "\"dest\":{");
    let mut separate = false;
    for list in ["tn", "uri"] {
        let values = dest.iter().map(parts).filter(|(name, _)| *name == list).map(|(_, value)| value);
        let Some(mut least) = values.clone().min() else { continue };
        push(json, if separate { ",\"" } else { "\"" });
        push(json, list);
        push(json, "\":[\"");
        json.extend_from_slice(least);
        while let Some(next) = values.clone().filter(|value| *value > least).min() {
            push(json, "\",\"");
            json.extend_from_slice(next);
            least = next;
        }
        push(json, "\"]");
        separate = true;
    }
    push(json, "}");
}

fn parts(identity: &Identity) -> (&'static str, &[u8]) {
    match identity {
        Identity::Tn(number) => ("tn", number.as_bytes()),
        Identity::Uri(uri) => ("uri", uri.as_str().as_bytes()),
    }
}

fn push(json: &mut Json, text: &str) {
    json.extend_from_slice(text.as_bytes());
}

/// Writes decimal digits.
fn push_number(json: &mut Json, number: u64) {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut first = digits.len();
    for place in digits.iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        first -= 1;
        if rest == 0 {
            break;
        }
    }
    json.extend_from_slice(digits.get(first..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tn::DialPlan;

    fn identity(uri: &str) -> Identity {
        Identity::callee(uri.as_bytes(), &DialPlan::default()).unwrap()
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn written(write: impl FnOnce(&mut Json)) -> String {
        let mut json = Json::new();
        write(&mut json);
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn headers_name_their_type() {
        assert_eq!(
            written(|json| *json = header(Ppt::Shaken, "https://h/a")),
            r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://h/a"}"#
        );
        assert_eq!(
            written(|json| *json = header(Ppt::Base, "u")),
            r#"{"alg":"ES256","typ":"passport","x5u":"u"}"#
        );
    }

    #[test]
    fn dest_is_sorted_without_duplicates() {
        let dest = ["sip:b@h", "tel:+3", "tel:+20", "sip:a@h", "tel:+3", "urn:service:sos"].map(identity);
        assert_eq!(
            written(|json| base(&dest, at(1_443_208_345), &identity("tel:+1"), json)),
            r#"{"dest":{"tn":["20","3"],"uri":["sip:a@h","sip:b@h","urn:service:sos"]},"iat":1443208345,"orig":{"tn":"1"}}"#
        );
    }

    #[test]
    fn shaken_and_div_keep_the_order_of_their_members() {
        let origid = OrigId::from_random([0; 16]);
        let orig = identity("tel:+12155551212");
        let dest = [identity("tel:+12155551213")];
        assert_eq!(
            written(|json| shaken(Attestation::A, &dest, at(0), &orig, &origid, json)),
            r#"{"attest":"A","dest":{"tn":["12155551213"]},"iat":0,"orig":{"tn":"12155551212"},"origid":"00000000-0000-4000-8000-000000000000"}"#
        );
        assert_eq!(
            written(|json| div(&[identity("sip:b@h")], &identity("tel:+12155551213"), at(7), &orig, json)),
            r#"{"dest":{"uri":["sip:b@h"]},"div":{"tn":"12155551213"},"iat":7,"orig":{"tn":"12155551212"}}"#
        );
    }
}
