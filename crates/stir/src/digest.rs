//! SHA-2 digests, by ring.

use ring::digest::{SHA256, digest};

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
    fn the_digest_of_nothing_is_the_known_one() {
        let empty = sha256(b"");
        assert_eq!(empty.get(..4), Some([0xe3, 0xb0, 0xc4, 0x42].as_slice()));
    }
}
