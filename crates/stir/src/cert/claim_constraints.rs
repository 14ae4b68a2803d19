//! The constraints of a certificate on the claims of its PASSporTs: JWTClaimConstraints (RFC 8226 section 8) and
//! EnhancedJWTClaimConstraints (RFC 9118).

use der::asn1::{AnyRef, Ia5StringRef, Utf8StringRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};

/// The constraints of one certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimConstraints {
    must_include: Vec<Box<str>>,
    permitted_values: Vec<(Box<str>, Vec<Box<str>>)>,
    must_exclude: Vec<Box<str>>,
}

/// The error if the extension does not have the DER structure of its specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimConstraintsError;

impl ClaimConstraints {
    /// Reads the content of a JWTClaimConstraints extension (1.3.6.1.5.5.7.1.27).
    ///
    /// # Errors
    /// If the content is malformed or has no constraint.
    pub fn from_der(der: &[u8]) -> Result<Self, ClaimConstraintsError> {
        let constraints = read(der).map_err(|_| ClaimConstraintsError)?;
        if constraints.must_exclude.is_empty() { Ok(constraints) } else { Err(ClaimConstraintsError) }
    }

    /// Reads the content of an EnhancedJWTClaimConstraints extension (1.3.6.1.5.5.7.1.33). Returns `None` if the extension
    /// excludes `iat`, `orig` or `dest`. A verifier then ignores the extension (RFC 9118 section 3).
    ///
    /// # Errors
    /// If the content is malformed or has no constraint.
    pub fn from_enhanced_der(der: &[u8]) -> Result<Option<Self>, ClaimConstraintsError> {
        let constraints = read(der).map_err(|_| ClaimConstraintsError)?;
        let void = constraints.must_exclude().any(|name| matches!(name, "iat" | "orig" | "dest"));
        Ok((!void).then_some(constraints))
    }

    /// The claims that must be present.
    pub fn must_include(&self) -> impl Iterator<Item = &str> {
        self.must_include.iter().map(|name| &**name)
    }

    /// The claims that must be absent.
    pub fn must_exclude(&self) -> impl Iterator<Item = &str> {
        self.must_exclude.iter().map(|name| &**name)
    }

    /// The claims with limited values, and the permitted values of each.
    pub fn permitted_values(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        self.permitted_values.iter().map(|(name, values)| (&**name, values.iter().map(|value| &**value)))
    }

    /// Whether the claims satisfy the constraints. `value` returns the value of a claim, or `None` if the claim is absent. The
    /// value is the text of a string, or the JSON of any other type.
    pub(crate) fn allow<'v, V: AsRef<str> + 'v>(&self, value: impl Fn(&str) -> Option<V>) -> bool {
        self.must_include.iter().all(|name| value(name).is_some())
            && self.must_exclude.iter().all(|name| value(name).is_none())
            && self.permitted_values.iter().all(|(name, permitted)| {
                value(name).is_none_or(|actual| permitted.iter().any(|allowed| **allowed == *actual.as_ref()))
            })
    }
}

/// Reads either extension: a sequence of optional lists with explicit tags. At least one list is present.
fn read(der: &[u8]) -> der::Result<ClaimConstraints> {
    let mut constraints = ClaimConstraints::default();
    AnyRef::from_der(der)?.sequence(|fields| -> der::Result<()> {
        let mut next = 0;
        while !fields.is_finished() {
            let field = AnyRef::decode(fields)?;
            let tag = field.tag();
            let number = tag.number().value();
            if !tag.is_context_specific() || !tag.is_constructed() || number < next {
                return Err(tag.value_error().into());
            }
            next = number + 1;
            read_list(&mut constraints, number, field.value())?;
        }
        Ok(())
    })?;
    let empty = ClaimConstraints::default();
    if constraints == empty { Err(Tag::Sequence.value_error().into()) } else { Ok(constraints) }
}

fn read_list(constraints: &mut ClaimConstraints, tag: u32, value: &[u8]) -> der::Result<()> {
    AnyRef::from_der(value)?.sequence(|items| {
        while !items.is_finished() {
            match tag {
                0 => constraints.must_include.push(Ia5StringRef::decode(items)?.as_str().into()),
                1 => constraints.permitted_values.push(read_permitted(items)?),
                2 => constraints.must_exclude.push(Ia5StringRef::decode(items)?.as_str().into()),
                _ => return Err(Tag::Sequence.value_error().into()),
            }
        }
        Ok(())
    })
}

fn read_permitted(items: &mut SliceReader<'_>) -> der::Result<(Box<str>, Vec<Box<str>>)> {
    items.sequence(|entry| {
        let name = Ia5StringRef::decode(entry)?.as_str().into();
        let values = entry.sequence(|values| {
            let mut permitted = Vec::new();
            while !values.is_finished() {
                permitted.push(Utf8StringRef::decode(values)?.as_str().into());
            }
            Ok::<_, der::Error>(permitted)
        })?;
        Ok((name, values))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9118 section 5, figure 1.
    const EXAMPLE: &str = "3040a00e300c160a636f6e666964656e6365a120301e301c160a636f6e666964656e6365300e0c0468696768\
                           0c066d656469756da20c300a16087072696f72697479";

    fn octets(hex: &str) -> Vec<u8> {
        let digits: Vec<char> = hex.chars().filter(char::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
            .collect()
    }

    fn allows(constraints: &ClaimConstraints, claims: &[(&str, &str)]) -> bool {
        constraints.allow(|name| {
            claims.iter().find(|(claim, _)| *claim == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_example_of_rfc_9118() {
        let constraints = ClaimConstraints::from_enhanced_der(&octets(EXAMPLE)).unwrap().unwrap();
        assert!(allows(&constraints, &[("confidence", "high")]));
        assert!(!allows(&constraints, &[("confidence", "low")]), "value not permitted");
        assert!(!allows(&constraints, &[]), "claim missing");
        assert!(!allows(&constraints, &[("confidence", "high"), ("priority", "1")]), "claim excluded");
        assert_eq!(
            ClaimConstraints::from_der(&octets(EXAMPLE)),
            Err(ClaimConstraintsError),
            "not the older form"
        );
    }

    #[test]
    fn excluding_a_base_claim_voids_the_extension() {
        let der = octets("3009a2073005160369617 4");
        assert_eq!(ClaimConstraints::from_enhanced_der(&der), Ok(None));
    }

    #[test]
    fn malformed_extensions_are_refused() {
        for hex in ["3000", "", "3009a0073005160369", "3009a3073005160369617 4", "3009800730051603696174"] {
            assert_eq!(
                ClaimConstraints::from_enhanced_der(&octets(hex)),
                Err(ClaimConstraintsError),
                "{hex}"
            );
        }
    }
}
