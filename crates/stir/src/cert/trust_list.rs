//! The list of trusted certification authorities that an STI-PA signs (ATIS-1000084).

use std::fmt;

use rustls_pki_types::UnixTime;

use crate::base64url::{DecodeBuffer, Tolerance};
use crate::cert::anchors::TrustAnchors;
use crate::cert::bundle::CertificateChain;
use crate::cert::chain::PathError;
use crate::cert::credential::Credential;
use crate::json::{JsonError, Kind, Scanner};
use crate::passport::claims::Claim;
use crate::passport::header::Header;
use crate::passport::token::{Form, Token, decode_part};

/// A list with a valid signature. Store the text of the last valid list: the next start needs only this text.
#[derive(Clone, Debug)]
pub struct TrustList {
    version: Box<str>,
    sequence: u64,
    expires: UnixTime,
    anchors: TrustAnchors,
}

/// The reason for which a trust list cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustListError {
    /// The text is not a JWS in compact form, or its header or payload does not have the specified form.
    Malformed,
    /// The list is not signed with ES256.
    UnsupportedAlgorithm,
    /// The signer's certificate is malformed or has no P-256 key.
    SignerMalformed,
    /// The signer's certificate has no path to the pinned root.
    SignerUntrusted(PathError),
    /// The signer's certificate has expired or is not valid yet.
    SignerNotValid,
    /// The signature is wrong.
    BadSignature,
    /// The list has expired.
    Expired,
    /// The sequence number is lower than that of the previous list.
    Backwards,
    /// The list names no certification authority, or a certification authority in it is malformed.
    BadAnchor,
}

impl fmt::Display for TrustListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the trust list is malformed",
            Self::UnsupportedAlgorithm => "the trust list is not signed with ES256",
            Self::SignerMalformed => {
                "the certificate of the trust list's signer is malformed or has no P-256 key"
            }
            Self::SignerUntrusted(_) => "the trust list's signer has no path to the pinned root",
            Self::SignerNotValid => "the certificate of the trust list's signer is not valid at this time",
            Self::BadSignature => "the signature of the trust list is wrong",
            Self::Expired => "the trust list has expired",
            Self::Backwards => "the trust list is older than the previous list",
            Self::BadAnchor => "the trust list names no certification authority, or a malformed one",
        })
    }
}

impl std::error::Error for TrustListError {}

impl TrustList {
    /// The URL of the signer's certificate, which is the `x5u` of the header. The list is not verified.
    ///
    /// # Errors
    /// If the list is malformed.
    pub fn signer_url(jws: &[u8]) -> Result<String, TrustListError> {
        let mut octets = DecodeBuffer::new();
        let Form::Full { header, .. } = split(jws)?.form() else { return Err(TrustListError::Malformed) };
        decode_part(header, Tolerance::default(), &mut octets).map_err(|_| TrustListError::Malformed)?;
        let header = Header::parse(octets.as_slice()).map_err(|_| TrustListError::Malformed)?;
        Ok(header.x5u.get().ok_or(TrustListError::Malformed)?.decoded().into_owned())
    }

    /// Reads a list: a JWS in compact form. The leaf of `signer` has signed it, and has a path to the pinned `root`. `previous`
    /// is the sequence number of the last valid list.
    ///
    /// # Errors
    /// [`TrustListError`] if the list cannot be used. The last valid list then stays in use.
    pub fn read(
        jws: &[u8],
        signer: CertificateChain,
        root: &TrustAnchors,
        previous: Option<u64>,
        now: UnixTime,
    ) -> Result<Self, TrustListError> {
        let (mut header, mut payload) = (DecodeBuffer::new(), DecodeBuffer::new());
        let token = split(jws)?;
        let Form::Full { signed, header: encoded_header, payload: encoded_payload } = token.form() else {
            return Err(TrustListError::Malformed);
        };
        let malformed = |_| TrustListError::Malformed;
        decode_part(encoded_header, Tolerance::default(), &mut header).map_err(malformed)?;
        decode_part(encoded_payload, Tolerance::default(), &mut payload).map_err(malformed)?;
        let signature = token.signature(Tolerance::default()).map_err(malformed)?;
        check_algorithm(header.as_slice())?;
        check_signature(signed, &signature, signer, root, now)?;
        let list = Self::parse(payload.as_slice())?;
        if list.expires < now {
            return Err(TrustListError::Expired);
        }
        if previous.is_some_and(|previous| list.sequence < previous) {
            return Err(TrustListError::Backwards);
        }
        Ok(list)
    }

    /// The version of the list's format.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The sequence number. Store it, so that an older list is refused.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The time at which the list expires.
    pub fn expires(&self) -> UnixTime {
        self.expires
    }

    /// The certification authorities.
    pub fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }

    fn parse(json: &[u8]) -> Result<Self, TrustListError> {
        let (mut version, mut sequence, mut expires, mut pem) = (None, None, None, None);
        let mut scanner = Scanner::new(json).map_err(|_| TrustListError::Malformed)?;
        let read = scanner.object(|name, value| {
            match name.plain() {
                Some("version") => version = Some(text_or_number(value)?),
                Some("sequence") => sequence = value.number()?,
                Some("exp") => expires = value.number()?,
                Some("trustList") => pem = Some(certificates(value)?),
                Some(_) | None => value.value().map(drop)?,
            }
            Ok(())
        });
        read.and_then(|()| scanner.end()).map_err(|_| TrustListError::Malformed)?;
        let (Some(version), Some(sequence), Some(expires), Some(pem)) = (version, sequence, expires, pem)
        else {
            return Err(TrustListError::Malformed);
        };
        Ok(Self {
            version: version.into(),
            sequence,
            expires: UnixTime::since_unix_epoch(std::time::Duration::from_secs(expires)),
            anchors: TrustAnchors::from_pem(pem.as_bytes()).map_err(|_| TrustListError::BadAnchor)?,
        })
    }
}

/// The largest length of a list in octets. A list contains a few dozen certificates.
const MAX_LENGTH: usize = 1024 * 1024;

fn split(jws: &[u8]) -> Result<Token<'_>, TrustListError> {
    Token::split_within(jws.trim_ascii(), MAX_LENGTH).map_err(|_| TrustListError::Malformed)
}

fn check_algorithm(header: &[u8]) -> Result<(), TrustListError> {
    let header = Header::parse(header).map_err(|_| TrustListError::Malformed)?;
    match header.alg {
        Claim::Is(alg) if alg.plain() == Some("ES256") && !header.crit => Ok(()),
        Claim::Is(_) | Claim::Invalid | Claim::Absent => Err(TrustListError::UnsupportedAlgorithm),
    }
}

fn check_signature(
    signed: &[u8],
    signature: &[u8],
    signer: CertificateChain,
    root: &TrustAnchors,
    now: UnixTime,
) -> Result<(), TrustListError> {
    let credential = Credential::new(signer).map_err(|_| TrustListError::SignerMalformed)?;
    let path = credential.path(root, now).map_err(TrustListError::SignerUntrusted)?;
    if !(path.not_before..=path.not_after).contains(&now) {
        return Err(TrustListError::SignerNotValid);
    }
    let leaf = credential.leaf().filter(|leaf| leaf.may_sign());
    let key = leaf.and_then(|leaf| leaf.key()).ok_or(TrustListError::SignerMalformed)?;
    if key.verify(signed, signature) { Ok(()) } else { Err(TrustListError::BadSignature) }
}

fn text_or_number(value: &mut Scanner<'_>) -> Result<String, JsonError> {
    match value.kind()? {
        Kind::String => Ok(value.string()?.decoded().into_owned()),
        Kind::Object | Kind::Array | Kind::Number | Kind::Literal => value.value().map(str::to_owned),
    }
}

/// The PEM texts of an array, joined.
fn certificates(value: &mut Scanner<'_>) -> Result<String, JsonError> {
    let mut pem = String::new();
    value.array(|item| {
        pem.push_str(&item.string()?.decoded());
        pem.push('\n');
        Ok(())
    })?;
    Ok(pem)
}
