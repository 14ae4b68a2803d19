//! Revocation lists with any content, in DER written by hand.

use attesta_stir::cert::{Certificate, Crl, CrlError, TrustAnchors};
use rcgen::{IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::support::{self, NOW, authority, now};

/// A signer of revocation lists under its own root, like the STI-PA.
pub(crate) struct ListIssuer {
    pub(crate) anchors: TrustAnchors,
    pub(crate) root_pem: String,
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) signer: CertificateDer<'static>,
}

impl ListIssuer {
    pub(crate) fn new() -> Self {
        let root_key = KeyPair::generate().unwrap();
        let root = authority("STI-PA ROOT");
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let anchors = TrustAnchors::from_pem(root_pem.as_bytes()).unwrap();
        let root = Issuer::new(root, root_key);
        let key = KeyPair::generate().unwrap();
        let mut params = support::params("STI-PA CRL");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
        let signer = params.signed_by(&key, &root).unwrap().der().clone();
        Self { anchors, root_pem, issuer: Issuer::new(params, key), signer }
    }

    /// A list that revokes `revoked`. Each entry names its issuer if `named`.
    pub(crate) fn list(
        &self,
        revoked: &[(&[u8], bool, &Certificate)],
        extensions: &[Vec<u8>],
        issuer_der: &[u8],
    ) -> Vec<u8> {
        let entries: Vec<u8> = revoked
            .iter()
            .flat_map(|(issuer, named, certificate)| entry(issuer, *named, certificate))
            .collect();
        let algorithm = sequence(&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
        let mut body = vec![2, 1, 1];
        body.extend(&algorithm);
        body.extend(issuer_der);
        body.extend(time(NOW - 3600));
        body.extend(time(NOW + 3600));
        if !entries.is_empty() {
            body.extend(sequence(&entries));
        }
        body.extend(wrap(0xa0, &sequence(&extensions.concat())));
        let body = sequence(&body);
        let signature = rcgen::SigningKey::sign(self.issuer.key(), &body).unwrap();
        let mut bits = vec![0];
        bits.extend(signature);
        sequence(&[body, algorithm, wrap(3, &bits)].concat())
    }

    pub(crate) fn read(&self, list: &[u8]) -> Result<Crl, CrlError> {
        Crl::read(list, std::slice::from_ref(&self.signer), &self.anchors, now())
    }
}

pub(crate) fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut der = vec![tag];
    match length {
        0..=127 => der.push(length as u8),
        128..=255 => der.extend([0x81, length as u8]),
        _ => der.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    der.extend(content);
    der
}

pub(crate) fn sequence(content: &[u8]) -> Vec<u8> {
    wrap(0x30, content)
}

pub(crate) fn time(seconds: u64) -> Vec<u8> {
    let moment = support::date(seconds);
    let text = format!(
        "{:02}{:02}{:02}{:02}{:02}{:02}Z",
        moment.year() % 100,
        u8::from(moment.month()),
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second()
    );
    wrap(0x17, text.as_bytes())
}

pub(crate) fn extension(last: u8, critical: bool, content: &[u8]) -> Vec<u8> {
    let mut body = vec![6, 3, 0x55, 0x1d, last];
    if critical {
        body.extend([1, 1, 0xff]);
    }
    body.extend(wrap(4, content));
    sequence(&body)
}

/// An issuing distribution point that marks the list as indirect.
pub(crate) fn indirect() -> Vec<u8> {
    extension(28, true, &sequence(&[0x84, 1, 0xff]))
}

pub(crate) fn entry(issuer: &[u8], named: bool, certificate: &Certificate) -> Vec<u8> {
    let mut body = wrap(2, certificate.serial());
    body.extend(time(NOW - 7200));
    if named {
        body.extend(sequence(&extension(29, true, &sequence(&wrap(0xa4, issuer)))));
    }
    sequence(&body)
}

/// The issuer of a certificate in DER: the third field, after version, serial number and algorithm.
pub(crate) fn issuer_of(pem: &str) -> Vec<u8> {
    use der::{Decode, Encode};
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    x509_cert::Certificate::from_der(&der).unwrap().tbs_certificate().issuer().to_der().unwrap()
}

pub(crate) fn read(pem: &str) -> Certificate {
    Certificate::from_der(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap()
}

pub(crate) fn subject_of(certificate: &CertificateDer<'_>) -> Vec<u8> {
    use der::{Decode, Encode};
    x509_cert::Certificate::from_der(certificate).unwrap().tbs_certificate().subject().to_der().unwrap()
}
