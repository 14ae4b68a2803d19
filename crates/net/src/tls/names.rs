//! The SIP domains that a certificate proves (RFC 5922 section 7).

use std::net::IpAddr;

use attesta_sip::Uri;
use attesta_transaction::TlsNames;
use rustls_pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

/// Returns the SIP identities of a certificate in lower case (RFC 5922 section 7.1). These are the hosts of its `sip` URIs
/// without a user. If the certificate has no such URI, these are its DNS names. Returns `None` if the octets are not a
/// certificate.
///
/// The RFC allows the common name if there is no subjectAltName. This function ignores the common name.
pub(crate) fn identities(certificate: &CertificateDer<'_>) -> Option<TlsNames> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let mut names: Vec<Box<str>> = certificate.valid_uri_names().filter_map(domain).collect();
    if names.is_empty() {
        names = certificate.valid_dns_names().map(|name| name.to_ascii_lowercase().into()).collect();
    }
    Some(TlsNames::new(names))
}

/// True if a certificate proves `domain` (RFC 5922 section 7.2). One of its identities must equal the domain, ignoring case. A
/// wildcard matches only the same wildcard.
///
/// An address is not a domain. An `iPAddress` of the certificate may also prove an address.
pub(crate) fn speaks_for(certificate: &CertificateDer<'_>, domain: &str) -> bool {
    let domain = bare(domain);
    let named = identities(certificate)
        .is_some_and(|names| names.iter().any(|name| bare(name).eq_ignore_ascii_case(domain)));
    named || domain.parse().is_ok_and(|address| has_address(certificate, address))
}

/// Returns the name for the TLS handshake. A DNS name is sent in the handshake (RFC 6066 section 3). An address is not sent.
pub(crate) fn server_name(domain: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(bare(domain).to_owned()).ok()
}

/// Returns a host without the brackets of an IPv6 address and without the final dot.
fn bare(host: &str) -> &str {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// Returns the domain of a `sip` URI without a user.
fn domain(uri: &str) -> Option<Box<str>> {
    let parsed = Uri::parse(uri.as_bytes()).ok()?;
    let sip = parsed.as_sip()?;
    if sip.secure() || uri.contains('@') {
        return None;
    }
    Some(sip.host().to_string().to_ascii_lowercase().into())
}

fn has_address(certificate: &CertificateDer<'_>, address: IpAddr) -> bool {
    let name = ServerName::IpAddress(address.into());
    EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.verify_is_valid_for_subject_name(&name).is_ok())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(uris: &[&str], names: &[&str]) -> CertificateDer<'static> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|&uri| SanType::URI(uri.try_into().unwrap())));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
    }

    fn names_of(uris: &[&str], names: &[&str]) -> Vec<String> {
        identities(&certificate(uris, names)).unwrap().iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_sip_uri_goes_before_dns_names() {
        assert_eq!(names_of(&["SIP:Example.COM"], &["other.example"]), ["example.com"]);
        assert_eq!(
            names_of(&["sip:a.example", "sip:b.example;transport=tls"], &[]),
            ["a.example", "b.example"]
        );
        assert_eq!(names_of(&[], &["A.example", "b.example"]), ["a.example", "b.example"]);
    }

    #[test]
    fn users_and_other_schemes_are_not_domains() {
        for uri in ["sip:alice@example.com", "sips:example.com", "https://example.com", "sip:", "urn:x"] {
            assert_eq!(names_of(&[uri], &["dns.example"]), ["dns.example"], "{uri}");
        }
        assert!(names_of(&["sip:alice@example.com"], &[]).is_empty());
    }

    #[test]
    fn names_are_compared_whole_and_in_any_case() {
        let domain = certificate(&["sip:example.com"], &["www.example.com"]);
        assert!(speaks_for(&domain, "EXAMPLE.com") && speaks_for(&domain, "example.com."));
        assert!(!speaks_for(&domain, "www.example.com"), "a SIP URI overrides DNS names");
        assert!(!speaks_for(&domain, "sip.example.com") && !speaks_for(&domain, "com"));
    }

    #[test]
    fn a_wildcard_matches_nothing_but_itself() {
        let wild = certificate(&[], &["*.example.com"]);
        assert!(!speaks_for(&wild, "sip.example.com") && !speaks_for(&wild, "example.com"));
        assert!(speaks_for(&wild, "*.example.com"));
    }

    #[test]
    fn an_address_is_proved_by_an_address() {
        let local = certificate(&[], &["127.0.0.1", "::1"]);
        assert!(speaks_for(&local, "127.0.0.1") && speaks_for(&local, "[::1]"));
        assert!(!speaks_for(&local, "127.0.0.2"));
        assert!(!speaks_for(&certificate(&[], &["localhost"]), "127.0.0.1"));
    }

    #[test]
    fn garbage_proves_no_domain() {
        let noise = CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]);
        assert!(identities(&noise).is_none() && !speaks_for(&noise, "example.com"));
    }
}
