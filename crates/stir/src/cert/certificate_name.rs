//! The names of certificates in revocation lists (RFC 5280 section 5.3).

/// The name of a certificate in a revocation list: the issuer and the serial number. The comparison of issuers ignores case and
/// extra white space. The other rules of RFC 5280 section 7.1 are not applied. The serial number has no leading zeros.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CertificateName {
    pub(super) issuer: Box<str>,
    pub(super) serial: Box<[u8]>,
}

impl CertificateName {
    pub(super) fn new(issuer: &str, serial: &[u8]) -> Self {
        let digits = serial.iter().skip_while(|octet| **octet == 0).copied();
        Self { issuer: folded(issuer), serial: digits.collect() }
    }
}

pub(super) fn folded(name: &str) -> Box<str> {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().into()
}
