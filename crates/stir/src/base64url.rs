//! The base64 forms of RFC 4648 that PASSporTs use. The `base64` crate encodes and decodes.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeSliceError, Engine, alphabet};

/// A buffer for decoded octets. Parts of an ordinary PASSporT fit without an allocation.
pub(crate) struct DecodeBuffer {
    inline: [u8; INLINE],
    heap: Vec<u8>,
    length: usize,
}

const INLINE: usize = 384;

impl DecodeBuffer {
    pub(crate) fn new() -> Self {
        Self { inline: [0; INLINE], heap: Vec::new(), length: 0 }
    }

    /// The octets of the last decoding.
    pub(crate) fn as_slice(&self) -> &[u8] {
        let place = if self.heap.is_empty() { self.inline.as_slice() } else { &self.heap };
        place.get(..self.length).unwrap_or_default()
    }

    /// Replaces the content with a copy of `octets`.
    pub(crate) fn fill(&mut self, octets: &[u8]) {
        for (place, octet) in self.place(octets.len()).iter_mut().zip(octets) {
            *place = *octet;
        }
        self.length = octets.len();
    }

    /// Returns a buffer of at least `length` octets.
    fn place(&mut self, length: usize) -> &mut [u8] {
        self.heap.clear();
        if length <= INLINE {
            return &mut self.inline;
        }
        self.heap.resize(length, 0);
        &mut self.heap
    }
}

impl Default for DecodeBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// base64url without padding and with zero trailing bits, as RFC 7515 section 2 requires.
const URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

/// Standard base64. Padding is optional: `rcdi` digests have none (RFC 9795 section 6.1), and PEM has padding (RFC 7468
/// section 3).
const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The accepted deviations from base64url. The signature always covers the received text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tolerance {
    /// Accept `+` and `/` in place of `-` and `_`.
    pub(crate) standard: bool,
    /// Accept `=` at the end.
    pub(crate) padding: bool,
}

/// The reason for which a text is not base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base64Error {
    /// The text uses the alphabet of standard base64.
    Standard,
    /// The text has padding.
    Padding,
    /// The text is not base64, or the unused bits of its last character are not zero.
    Malformed,
}

/// Appends the base64url form of `octets` to `out`.
pub(crate) fn encode(octets: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + encoded_length(octets.len()), 0);
    let place = out.get_mut(start..).unwrap_or_default();
    let length = URL.encode_slice(octets, place).unwrap_or_default();
    out.truncate(start + length);
}

/// Replaces the octets of `out` from `start` to the end with their base64url form.
pub(crate) fn encode_tail(out: &mut Vec<u8>, start: usize) {
    let end = out.len();
    out.resize(end + encoded_length(end.saturating_sub(start)), 0);
    if let Some((before, place)) = out.split_at_mut_checked(end) {
        let length = URL.encode_slice(before.get(start..).unwrap_or_default(), place).unwrap_or_default();
        out.truncate(end + length);
    }
    out.drain(start..end);
}

fn encoded_length(octets: usize) -> usize {
    octets.div_ceil(3) * 4
}

/// Decodes `text` and replaces the content of `out` with the result.
pub(crate) fn decode(text: &[u8], tolerance: Tolerance, out: &mut DecodeBuffer) -> Result<(), Base64Error> {
    match decode_with(&URL, text, out) {
        Ok(()) => Ok(()),
        Err(()) => decode_deviating(text, tolerance, out),
    }
}

/// Decodes a signature of exactly `N` octets. `N` is at most 64. Returns `None` if the length differs.
pub(crate) fn decode_exact<const N: usize>(
    text: &[u8],
    tolerance: Tolerance,
) -> Result<Option<[u8; N]>, Base64Error> {
    let mut place = [0; 96];
    if let Ok(length) = URL.decode_slice(text, &mut place) {
        return Ok(place.get(..length).and_then(|octets| octets.try_into().ok()));
    }
    let mut octets = DecodeBuffer::new();
    decode(text, tolerance, &mut octets)?;
    Ok(octets.as_slice().try_into().ok())
}

/// Decodes standard base64 with or without padding.
pub(crate) fn decode_standard(text: &[u8], out: &mut DecodeBuffer) -> Result<(), Base64Error> {
    decode_with(&STANDARD, text, out).map_err(|()| Base64Error::Malformed)
}

/// Decodes the text of a PEM block: standard base64, padded (RFC 7468 section 3).
pub(crate) fn decode_pem(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Decodes an accepted deviation, or returns the reason for which the text is refused. This path is slow.
fn decode_deviating(text: &[u8], tolerance: Tolerance, out: &mut DecodeBuffer) -> Result<(), Base64Error> {
    let unpadded = text.iter().rposition(|octet| *octet != b'=').map_or(0, |last| last + 1);
    let (body, padding) = text.split_at_checked(unpadded).unwrap_or((text, &[]));
    let standard = body.iter().any(|octet| matches!(octet, b'+' | b'/'));
    if standard && !tolerance.standard {
        return Err(Base64Error::Standard);
    }
    if padding.len() > 2 || body.contains(&b'=') || (!padding.is_empty() && !text.len().is_multiple_of(4)) {
        return Err(Base64Error::Malformed);
    }
    if !padding.is_empty() && !tolerance.padding {
        return Err(Base64Error::Padding);
    }
    if !standard && padding.is_empty() {
        return Err(Base64Error::Malformed);
    }
    let url: Vec<u8> = body
        .iter()
        .map(|octet| match octet {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        })
        .collect();
    decode_with(&URL, &url, out).map_err(|()| Base64Error::Malformed)
}

fn decode_with(engine: &GeneralPurpose, text: &[u8], out: &mut DecodeBuffer) -> Result<(), ()> {
    match engine.decode_slice(text, out.place(text.len().div_ceil(4) * 3)) {
        Ok(length) => {
            out.length = length;
            Ok(())
        }
        Err(DecodeSliceError::DecodeError(_) | DecodeSliceError::OutputSliceTooSmall) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str, tolerance: Tolerance) -> Result<Vec<u8>, Base64Error> {
        let mut out = DecodeBuffer::new();
        decode(text.as_bytes(), tolerance, &mut out)?;
        Ok(out.as_slice().to_vec())
    }

    const STRICT: Tolerance = Tolerance { standard: false, padding: false };
    const LAX: Tolerance = Tolerance { standard: true, padding: true };

    #[test]
    fn each_deviation_is_named() {
        assert_eq!(decoded("-_-_", STRICT), Ok(vec![0xfb, 0xff, 0xbf]));
        for (text, error) in [
            ("+/+/", Base64Error::Standard),
            ("QQ==", Base64Error::Padding),
            ("QQ=", Base64Error::Malformed),
            ("Q", Base64Error::Malformed),
            ("QR", Base64Error::Malformed),
            ("Q Q", Base64Error::Malformed),
            ("QQ===", Base64Error::Malformed),
            ("Q=Q=", Base64Error::Malformed),
        ] {
            assert_eq!(decoded(text, STRICT), Err(error), "{text}");
        }
        assert_eq!(decoded("+_+/", LAX), Ok(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(decoded("QQ==", LAX), Ok(vec![0x41]));
        assert_eq!(decoded("QR==", LAX), Err(Base64Error::Malformed));
        assert_eq!(decoded("+/==", Tolerance { standard: true, padding: false }), Err(Base64Error::Padding));
    }

    #[test]
    fn encoded_octets_decode_again() {
        for length in 0..40_u8 {
            let octets: Vec<u8> = (0..length).collect();
            let mut text = b"x".to_vec();
            encode(&octets, &mut text);
            let text = String::from_utf8(text).unwrap();
            assert_eq!(decoded(text.get(1..).unwrap(), STRICT), Ok(octets));
        }
    }
}
