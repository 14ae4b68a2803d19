//! Distinguished names as text (RFC 4514).

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use smallvec::SmallVec;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::Name;

/// Returns the text of a name, equal to the text that x509-cert prints. x509-cert is slow, because it searches all known object
/// identifiers for each attribute. Every fetched certificate has two names.
pub(super) fn text(name: &Name) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for (place, part) in parts.iter().rev().enumerate() {
        for (inner, attribute) in part.iter().enumerate() {
            push_separator(&mut text, (place, inner));
            if !push(&mut text, attribute.oid.as_bytes(), attribute.value.to_ref()) {
                text.push_str(&attribute.to_string());
            }
        }
    }
    text
}

/// Reads a name and returns the same text for it.
pub(super) fn text_of_der(reader: &mut SliceReader<'_>) -> der::Result<String> {
    let mut parts: SmallVec<[&[u8]; 8]> = SmallVec::new();
    reader.sequence(|name| {
        while !name.is_finished() {
            let part = AnyRef::decode(name)?;
            part.tag().assert_eq(Tag::Set)?;
            parts.push(part.value());
        }
        Ok::<_, der::Error>(())
    })?;
    let mut text = String::with_capacity(64);
    for (place, part) in parts.iter().rev().enumerate() {
        let mut part = SliceReader::new(part)?;
        let mut inner = 0;
        while !part.is_finished() {
            let attribute = part.tlv_bytes()?;
            push_separator(&mut text, (place, inner));
            push_der(&mut text, attribute)?;
            inner += 1;
        }
    }
    Ok(text)
}

fn push_der(text: &mut String, attribute: &[u8]) -> der::Result<()> {
    let mut reader = SliceReader::new(attribute)?;
    let (oid, value) = reader.sequence(|fields| {
        let oid = AnyRef::decode(fields)?;
        oid.tag().assert_eq(Tag::ObjectIdentifier)?;
        Ok::<_, der::Error>((oid.value(), AnyRef::decode(fields)?))
    })?;
    if !push(text, oid, value) {
        text.push_str(&AttributeTypeAndValue::from_der(attribute)?.to_string());
    }
    Ok(())
}

fn push_separator(text: &mut String, place: (usize, usize)) {
    match place {
        (0, 0) => {}
        (_, 0) => text.push(','),
        (_, _) => text.push('+'),
    }
}

/// Writes one attribute. Returns false if x509-cert must print it, because the attribute has no short name or its value is not
/// a string.
fn push(text: &mut String, oid: &[u8], value: AnyRef<'_>) -> bool {
    let short = SHORT_NAMES.iter().find(|(known, _)| known.as_bytes() == oid).map(|(_, short)| *short);
    let readable = matches!(value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
    let value = std::str::from_utf8(value.value()).ok().filter(|_| readable);
    let (Some(short), Some(value)) = (short, value) else { return false };
    text.push_str(short);
    text.push('=');
    let inner = value.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b' ');
    if inner && value.trim_ascii().len() == value.len() {
        text.push_str(value);
        return true;
    }
    let last = value.chars().count().saturating_sub(1);
    for (place, character) in value.chars().enumerate() {
        let escaped = match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => true,
            '#' => place == 0,
            ' ' => place == 0 || place == last,
            _ => false,
        };
        if escaped {
            text.push('\\');
        }
        if character.is_ascii_control() {
            text.push_str(&format!("\\{:02x}", u32::from(character)));
        } else {
            text.push(character);
        }
    }
    true
}

/// The short names of RFC 4514 section 3, without DC and UID. x509-cert prints DC and UID.
const SHORT_NAMES: &[(ObjectIdentifier, &str)] = &[
    (ObjectIdentifier::new_unwrap("2.5.4.3"), "CN"),
    (ObjectIdentifier::new_unwrap("2.5.4.6"), "C"),
    (ObjectIdentifier::new_unwrap("2.5.4.10"), "O"),
    (ObjectIdentifier::new_unwrap("2.5.4.11"), "OU"),
    (ObjectIdentifier::new_unwrap("2.5.4.8"), "ST"),
    (ObjectIdentifier::new_unwrap("2.5.4.7"), "L"),
    (ObjectIdentifier::new_unwrap("2.5.4.9"), "STREET"),
];

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use der::Encode;

    use super::*;

    #[test]
    fn names_have_the_text_of_x509_cert() {
        for name in [
            "CN=SHAKEN 1234,O=Example\\, Inc.,C=US",
            "CN=\\#1\\+2,OU=a\\;b,ST=NY,L=\\ x\\ ,STREET=1 Way",
            "CN=caf\u{e9}",
        ] {
            let name = Name::from_str(name).unwrap();
            assert_eq!(text(&name), name.to_string());
            let der = name.to_der().unwrap();
            assert_eq!(text_of_der(&mut SliceReader::new(&der).unwrap()).unwrap(), name.to_string());
        }
    }
}
