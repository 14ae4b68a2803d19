//! The JOSE header of a PASSporT (RFC 8225 section 4).

use crate::json::{JsonError, Kind, Scanner, Text};
use crate::passport::claims::Claim;

/// The JOSE header parameters that this crate uses. Other parameters are ignored.
#[derive(Debug, Default)]
pub(crate) struct Header<'a> {
    pub(crate) alg: Claim<Text<'a>>,
    pub(crate) ppt: Claim<Text<'a>>,
    pub(crate) typ: Claim<Text<'a>>,
    pub(crate) x5u: Claim<Text<'a>>,
    /// Whether `crit` names extensions that the verifier must understand (RFC 7515 section 4.1.11). This crate supports no such
    /// extension.
    pub(crate) crit: bool,
}

impl<'a> Header<'a> {
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, JsonError> {
        let mut header = Self::default();
        let mut scanner = Scanner::new(json)?;
        scanner.object(|name, value| {
            // Escapes in names are decoded too. Otherwise other verifiers could see a `ppt` or a `crit` that this crate does
            // not see.
            let place = match &*name.decoded() {
                "alg" => &mut header.alg,
                "ppt" => &mut header.ppt,
                "typ" => &mut header.typ,
                "x5u" => &mut header.x5u,
                "crit" => {
                    header.crit = true;
                    return value.value().map(drop);
                }
                _ => return value.value().map(drop),
            };
            *place = match value.kind()? {
                Kind::String => Claim::Is(value.string()?),
                Kind::Object | Kind::Array | Kind::Number | Kind::Literal => {
                    value.value()?;
                    Claim::Invalid
                }
            };
            Ok(())
        })?;
        scanner.end()?;
        Ok(header)
    }
}
