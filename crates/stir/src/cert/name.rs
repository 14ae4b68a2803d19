//! Distinguished names as text (RFC 4514).

use der::asn1::ObjectIdentifier;
use der::{Tag, Tagged};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::Name;

/// The text of a name. It is what x509-cert prints, without its search through all object identifiers there are: a name
/// is printed for every certificate that is fetched.
pub(super) fn text(name: &Name) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for (place, part) in parts.iter().rev().enumerate() {
        for (inner, attribute) in part.iter().enumerate() {
            match (place, inner) {
                (0, 0) => {}
                (_, 0) => text.push(','),
                (_, _) => text.push('+'),
            }
            push(&mut text, attribute);
        }
    }
    text
}

fn push(text: &mut String, attribute: &AttributeTypeAndValue) {
    let short = SHORT_NAMES.iter().find(|(oid, _)| *oid == attribute.oid).map(|(_, short)| *short);
    let readable = matches!(attribute.value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
    let value = std::str::from_utf8(attribute.value.value()).ok().filter(|_| readable);
    let (Some(short), Some(value)) = (short, value) else {
        text.push_str(&attribute.to_string());
        return;
    };
    text.push_str(short);
    text.push('=');
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
}

/// RFC 4514 section 3, and those that certificates in use add.
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

    use super::*;

    #[test]
    fn names_are_printed_as_the_library_prints_them() {
        for name in [
            "CN=SHAKEN 1234,O=Example\\, Inc.,C=US",
            "CN=\\#1\\+2,OU=a\\;b,ST=NY,L=\\ x\\ ,STREET=1 Way",
            "CN=caf\u{e9}",
        ] {
            let name = Name::from_str(name).unwrap();
            assert_eq!(text(&name), name.to_string());
        }
    }
}
