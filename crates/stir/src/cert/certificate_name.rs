//! How revocation lists name certificates (RFC 5280 section 5.3).

/// What a list names a certificate by: the issuer, compared as RFC 5280 section 7.1 wants names compared as far as case
/// and white space go, and the serial number without leading zeros.
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
