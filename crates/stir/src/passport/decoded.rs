//! A PASSporT decoded for display. Nothing is verified.

use crate::base64url::{DecodeBuffer, Tolerance};
use crate::passport::claims::Claim;
use crate::passport::header::Header;
use crate::passport::ppt::Ppt;
use crate::passport::token::{Form, Token, decode_part};
use crate::reason::Reason;

/// The parts of a PASSporT as text. The signature is not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedPassport {
    header: String,
    payload: String,
    signature: [u8; 64],
    ppt: Option<Ppt>,
}

impl DecodedPassport {
    /// Decodes a token in full form. Standard base64 and padding are accepted.
    ///
    /// # Errors
    /// [`Reason::CompactForm`] if the token has no header and payload. Otherwise the reason names the malformed part.
    pub fn decode(token: &[u8]) -> Result<Self, Reason> {
        let tolerance = Tolerance { standard: true, padding: true };
        let token = Token::split(token)?;
        let Form::Full { header, payload, .. } = token.form() else { return Err(Reason::CompactForm) };
        let mut octets = DecodeBuffer::new();
        decode_part(header, tolerance, &mut octets)?;
        let ppt = match Header::parse(octets.as_slice()).map_err(|_| Reason::HeaderMalformed)?.ppt {
            Claim::Absent => Some(Ppt::Base),
            Claim::Invalid => None,
            Claim::Is(name) => Ppt::from_name(&name.decoded()),
        };
        let header = String::from_utf8(octets.as_slice().to_vec()).map_err(|_| Reason::HeaderMalformed)?;
        decode_part(payload, tolerance, &mut octets)?;
        let payload = String::from_utf8(octets.as_slice().to_vec()).map_err(|_| Reason::PayloadMalformed)?;
        let signature = token.signature(tolerance)?;
        Ok(Self { header, payload, signature, ppt })
    }

    /// The header: a JSON object, as signed.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// The payload, as signed. The payload is JSON if the signer follows RFC 8225.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    /// The signature: r and s, 32 octets each.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The type in the header. `None` if the type is unknown.
    pub fn ppt(&self) -> Option<Ppt> {
        self.ppt
    }
}
