//! Decodes a PASSporT as far as possible.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value, json};

/// Decodes `token`, if it has the three parts of a PASSporT (RFC 8225 sections 6 and 7).
pub(super) fn decode(token: &[u8]) -> Option<Map<String, Value>> {
    let mut parts = token.split(|octet| *octet == b'.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let signature = BASE64URL.decode(signature).ok().filter(|signature| !signature.is_empty())?;
    let mut passport = Map::new();
    if header.is_empty() && payload.is_empty() {
        passport.insert("form".into(), json!("compact"));
    } else {
        passport.insert("form".into(), json!("full"));
        let (header, payload) = (part(header)?, part(payload)?);
        let canonical = header.canonical && payload.canonical;
        passport.insert("header".into(), header.value);
        passport.insert("payload".into(), payload.value);
        if !canonical {
            passport.insert("canonical".into(), json!(false));
        }
    }
    passport.insert("signature".into(), json!({ "octets": signature.len() }));
    Some(passport)
}

struct Part {
    value: Value,
    canonical: bool,
}

/// Decodes one part as JSON and keeps the order of the members. Other content is returned as text.
fn part(encoded: &[u8]) -> Option<Part> {
    let octets = BASE64URL.decode(encoded).ok()?;
    Some(match serde_json::from_slice::<Value>(&octets) {
        Ok(value) => {
            let mut sorted = value.clone();
            sorted.sort_all_objects();
            Part { canonical: serde_json::to_vec(&sorted).is_ok_and(|text| text == octets), value }
        }
        Err(_) => Part { value: json!(String::from_utf8_lossy(&octets)), canonical: false },
    })
}

/// This decoder accepts padding, because this command verifies nothing.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
