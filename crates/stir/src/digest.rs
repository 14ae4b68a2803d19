//! SHA-2 digests, computed by ring.

use ring::digest::{SHA256, SHA384, SHA512, digest};

/// A digest algorithm that an integrity claim may name (RFC 9795 section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// The digest of `octets`, with a length of 32, 48 or 64 octets.
    pub(crate) fn digest(self, octets: &[u8]) -> impl AsRef<[u8]> {
        let algorithm = match self {
            Self::Sha256 => &SHA256,
            Self::Sha384 => &SHA384,
            Self::Sha512 => &SHA512,
        };
        digest(algorithm, octets)
    }
}

/// The SHA-256 digest of `octets`.
pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut value = [0; 32];
    for (place, octet) in value.iter_mut().zip(digest(&SHA256, octets).as_ref()) {
        *place = *octet;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_empty_input_is_known() {
        let empty = sha256(b"");
        assert_eq!(empty.get(..4), Some([0xe3, 0xb0, 0xc4, 0x42].as_slice()));
        assert_eq!(Algorithm::Sha256.digest(b"").as_ref(), empty);
        assert_eq!(Algorithm::Sha384.digest(b"").as_ref().len(), 48);
        assert_eq!(Algorithm::Sha512.digest(b"").as_ref().len(), 64);
    }
}
