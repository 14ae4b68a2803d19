//! The content behind a certificate URL: a leaf and the certificates above it (RFC 8555 section 9.1).

use std::fmt;

use der::{Reader, SliceReader};
use memchr::{memchr_iter, memmem};
use rustls_pki_types::CertificateDer;

use crate::base64url;

/// A leaf certificate, followed by the certificates that lead from the leaf to a trust anchor. The chain is parsed, but not
/// validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateChain {
    certificates: Vec<CertificateDer<'static>>,
}

/// The largest number of certificates in a chain.
const MAX_CERTIFICATES: usize = 6;

impl CertificateChain {
    /// Reads PEM with any text between the blocks, or one or more DER certificates in a row. Deployed
    /// repositories serve both forms, and their media types are not reliable.
    ///
    /// # Errors
    /// If there is no certificate, if one is malformed, or if there are more than 6.
    pub fn parse(octets: &[u8]) -> Result<Self, ChainError> {
        let is_pem = memmem::find(octets, PEM_BEGIN).is_some();
        let certificates = if is_pem { read_pem(octets)? } else { read_der(octets)? };
        match certificates.len() {
            0 => Err(ChainError::Empty),
            1..=MAX_CERTIFICATES => Ok(Self { certificates }),
            _ => Err(ChainError::TooMany),
        }
    }

    /// The certificate of the signing key.
    pub fn leaf(&self) -> &CertificateDer<'static> {
        static NONE: CertificateDer<'static> = CertificateDer::from_slice(&[]);
        self.certificates.first().unwrap_or(&NONE)
    }

    /// The certificates above the leaf, in the order in which the server sent them.
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        self.certificates.get(1..).unwrap_or_default()
    }

    /// All certificates, the leaf first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}

/// The reason for which octets are not a certificate chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainError {
    /// There is no certificate.
    Empty,
    /// A PEM block, or the DER inside, is malformed.
    Malformed,
    /// There are more than 6 certificates.
    TooMany,
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "there is no certificate in it",
            Self::Malformed => "a certificate in it is neither well-formed PEM nor DER",
            Self::TooMany => "there are more than 6 certificates in it",
        })
    }
}

impl std::error::Error for ChainError {}

const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const PEM_END: &[u8] = b"-----END CERTIFICATE-----";

/// Reads every `CERTIFICATE` block (RFC 7468 section 5) and skips any text between the blocks.
pub(super) fn read_pem(octets: &[u8]) -> Result<Vec<CertificateDer<'static>>, ChainError> {
    let mut certificates = Vec::new();
    let mut rest = octets;
    while let Some((_, begun)) = cut(rest, PEM_BEGIN) {
        let (body, after) = cut(begun, PEM_END).ok_or(ChainError::Malformed)?;
        certificates.push(CertificateDer::from(read_block(body)?));
        if certificates.len() > MAX_IN_PEM {
            return Err(ChainError::TooMany);
        }
        rest = after;
    }
    Ok(certificates)
}

/// The largest number of certificates in one PEM text. Trust lists are the longest texts, with a few dozen certificates.
const MAX_IN_PEM: usize = 1024;

/// Decodes one block. The base64 text may have line ends or white space anywhere.
fn read_block(body: &[u8]) -> Result<Vec<u8>, ChainError> {
    let mut text = Vec::with_capacity(body.len());
    let mut begun = 0;
    for end in memchr_iter(b'\n', body).chain([body.len()]) {
        text.extend_from_slice(body.get(begun..end).unwrap_or_default().trim_ascii());
        begun = end + 1;
    }
    let octets = base64url::decode_pem(&text).or_else(|| {
        text.retain(|octet| !octet.is_ascii_whitespace());
        base64url::decode_pem(&text)
    });
    octets.filter(|octets| !octets.is_empty()).ok_or(ChainError::Malformed)
}

/// Returns the octets before and after the first `mark`.
fn cut<'a>(octets: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (before, from) = octets.split_at_checked(memmem::find(octets, mark)?)?;
    Some((before, from.get(mark.len()..)?))
}

fn read_der(octets: &[u8]) -> Result<Vec<CertificateDer<'static>>, ChainError> {
    let mut reader = SliceReader::new(octets).map_err(|_| ChainError::Empty)?;
    let mut certificates = Vec::new();
    while !reader.is_finished() {
        let certificate = reader.tlv_bytes().map_err(|_| malformed(&certificates))?;
        if certificate.first() != Some(&SEQUENCE) {
            return Err(malformed(&certificates));
        }
        if certificates.len() == MAX_CERTIFICATES {
            return Err(ChainError::TooMany);
        }
        certificates.push(CertificateDer::from(certificate.to_vec()));
    }
    Ok(certificates)
}

/// Returns the error for a malformed text. If no DER certificate was read before the error, the text has no certificate.
/// Otherwise a certificate is malformed.
fn malformed(read: &[CertificateDer<'_>]) -> ChainError {
    if read.is_empty() { ChainError::Empty } else { ChainError::Malformed }
}

/// The tag octet of a DER sequence.
const SEQUENCE: u8 = 0x30;
