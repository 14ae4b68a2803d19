//! The outer form of a PASSporT: three base64url parts with periods between them (RFC 8225 sections 6 and 7).

use memchr::{memchr, memrchr};

use crate::base64url::{self, Base64Error, DecodeBuffer, Tolerance};
use crate::es256::SIGNATURE_LENGTH;
use crate::reason::Reason;

/// A token split at its periods. Nothing is decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    form: Form<'a>,
    signature: &'a [u8],
}

/// The full form, or the compact form without header and payload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form<'a> {
    Full { signed: &'a [u8], header: &'a [u8], payload: &'a [u8] },
    Compact,
}

/// The reason for which a token cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenError {
    /// The token does not have three parts, or exactly one of header and payload is empty.
    Parts,
    /// The token is longer than its limit.
    TooLong,
    /// A part is not base64url.
    Base64(Base64Error),
    /// The signature is not 64 octets.
    Signature,
}

impl From<TokenError> for Reason {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Parts => Self::TokenMalformed,
            TokenError::TooLong => Self::TokenTooLong,
            TokenError::Base64(Base64Error::Standard) => Self::Base64Standard,
            TokenError::Base64(Base64Error::Padding) => Self::Base64Padding,
            TokenError::Base64(Base64Error::Malformed) => Self::Base64Malformed,
            TokenError::Signature => Self::SignatureMalformed,
        }
    }
}

/// The largest length of a token in octets. A token with rich call data has a few thousand octets.
const MAX_LENGTH: usize = 16 * 1024;

impl<'a> Token<'a> {
    pub(crate) fn split(text: &'a [u8]) -> Result<Self, TokenError> {
        Self::split_within(text, MAX_LENGTH)
    }

    /// Splits a token with another length limit than [`Token::split`].
    pub(crate) fn split_within(text: &'a [u8], limit: usize) -> Result<Self, TokenError> {
        if text.len() > limit {
            return Err(TokenError::TooLong);
        }
        let last = memrchr(b'.', text).ok_or(TokenError::Parts)?;
        let (signed, signature) = text.split_at_checked(last).ok_or(TokenError::Parts)?;
        let signature = signature.strip_prefix(b".").unwrap_or_default();
        let first = memchr(b'.', signed).ok_or(TokenError::Parts)?;
        let (header, payload) = signed.split_at_checked(first).ok_or(TokenError::Parts)?;
        let payload = payload.strip_prefix(b".").unwrap_or_default();
        if signature.is_empty() || memchr(b'.', payload).is_some() {
            return Err(TokenError::Parts);
        }
        let form = match (header, payload) {
            ([], []) => Form::Compact,
            ([], _) | (_, []) => return Err(TokenError::Parts),
            (header, payload) => Form::Full { signed, header, payload },
        };
        Ok(Self { form, signature })
    }

    pub(crate) fn form(&self) -> Form<'a> {
        self.form
    }

    /// The signature: r||s.
    pub(crate) fn signature(&self, tolerance: Tolerance) -> Result<[u8; SIGNATURE_LENGTH], TokenError> {
        base64url::decode_exact(self.signature, tolerance)
            .map_err(TokenError::Base64)?
            .ok_or(TokenError::Signature)
    }
}

/// Decodes one part of a token.
pub(crate) fn decode_part(
    part: &[u8],
    tolerance: Tolerance,
    out: &mut DecodeBuffer,
) -> Result<(), TokenError> {
    base64url::decode(part, tolerance, out).map_err(TokenError::Base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_three_parts() {
        for (text, full) in [("a.b.c", true), ("..c", false)] {
            let token = Token::split(text.as_bytes()).unwrap();
            assert_eq!(matches!(token.form(), Form::Full { signed: b"a.b", .. }), full);
        }
        for text in ["", ".", "..", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.d", "...d"] {
            assert_eq!(Token::split(text.as_bytes()).err(), Some(TokenError::Parts), "{text}");
        }
        assert_eq!(Token::split(&[b'a'; MAX_LENGTH + 1]).err(), Some(TokenError::TooLong));
    }
}
