//! Critical extensions that STIR handles and webpki does not know.
//!
//! Some deployed certificates mark certificatePolicies as critical, and the profile could mark TNAuthList as critical too. This
//! crate handles both extensions, so RFC 5280 section 4.2 allows them. But webpki refuses them.
//! webpki therefore gets a copy with both flags cleared. Each signature is checked over the original octets.
//! docs/adr/0002-critical-certificate-policies.md explains the reasons.

use std::ops::Range;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Header, Reader, SliceReader, Tag};
use memchr::memmem;
use rustls_pki_types::CertificateDer;

use crate::cert::oid::{CERTIFICATE_POLICIES, TN_AUTH_LIST};

/// A certificate with the extensions as webpki gets them.
pub(super) struct ShownExtensions<'a> {
    certificate: CertificateDer<'a>,
    /// The position of the to-be-signed part and its original octets. `None` if no flag was cleared.
    signed: Option<(Range<usize>, &'a [u8])>,
}

impl<'a> ShownExtensions<'a> {
    /// Clears the critical flags of the extensions that this crate handles. Octets that are not a certificate stay unchanged,
    /// and webpki reports the error.
    pub(super) fn new(original: &'a CertificateDer<'_>) -> Self {
        let unchanged = Self { certificate: CertificateDer::from_slice(original), signed: None };
        if !CRITICAL_EXTENSIONS.iter().any(|mark| memmem::find(original, mark).is_some()) {
            return unchanged;
        }
        let Ok(positions) = find(original) else { return unchanged };
        let Some(signed) = original.get(positions.signed.clone()) else { return unchanged };
        if positions.flags.is_empty() {
            return unchanged;
        }
        let mut copy = original.to_vec();
        for flag in positions.flags {
            if let Some(octet) = copy.get_mut(flag) {
                *octet = FALSE;
            }
        }
        Self { certificate: CertificateDer::from(copy), signed: Some((positions.signed, signed)) }
    }

    /// The certificate for webpki.
    pub(super) fn certificate(&self) -> &CertificateDer<'a> {
        &self.certificate
    }

    /// The original octets, if `shown` is the to-be-signed part of this certificate's copy.
    pub(super) fn original(&self, shown: &[u8]) -> Option<&'a [u8]> {
        let (range, signed) = self.signed.as_ref()?;
        (self.certificate.get(range.clone()) == Some(shown)).then_some(*signed)
    }
}

const HANDLED: [ObjectIdentifier; 2] = [CERTIFICATE_POLICIES, TN_AUTH_LIST];
const FALSE: u8 = 0;

/// The first octets of a critical extension that this crate handles. A certificate without these octets has no such extension.
const CRITICAL_EXTENSIONS: [&[u8]; 2] =
    [b"\x06\x03\x55\x1d\x20\x01\x01\xff", b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x1a\x01\x01\xff"];

/// The positions of the to-be-signed part and of the value octets of the critical flags to clear.
struct Positions {
    signed: Range<usize>,
    flags: Vec<usize>,
}

fn find(certificate: &[u8]) -> der::Result<Positions> {
    let mut reader = SliceReader::new(certificate)?;
    reader.sequence(|certificate| {
        let start = offset(certificate)?;
        let flags = certificate.sequence(find_in_body)?;
        let signed = start..offset(certificate)?;
        while !certificate.is_finished() {
            AnyRef::decode(certificate)?;
        }
        Ok(Positions { signed, flags })
    })
}

/// Skips the fields of the body up to the extensions in `[3]` (RFC 5280 section 4.1).
fn find_in_body(body: &mut SliceReader<'_>) -> der::Result<Vec<usize>> {
    let mut flags = Vec::new();
    while !body.is_finished() {
        if !is_extensions(Tag::peek(body)?) {
            AnyRef::decode(body)?;
            continue;
        }
        Header::decode(body)?;
        body.sequence(|extensions| {
            while !extensions.is_finished() {
                flags.extend(extensions.sequence(flag_of)?);
            }
            Ok::<_, der::Error>(())
        })?;
    }
    Ok(flags)
}

/// The position of the flag, if this extension is critical and this crate handles it.
fn flag_of(extension: &mut SliceReader<'_>) -> der::Result<Option<usize>> {
    let handled = HANDLED.contains(&ObjectIdentifier::decode(extension)?);
    let critical = Tag::peek(extension)? == Tag::Boolean && bool::decode(extension)?;
    let flag = offset(extension)?.checked_sub(1).filter(|_| handled && critical);
    while !extension.is_finished() {
        AnyRef::decode(extension)?;
    }
    Ok(flag)
}

fn is_extensions(tag: Tag) -> bool {
    tag.is_context_specific() && tag.is_constructed() && tag.number().value() == 3
}

fn offset(reader: &SliceReader<'_>) -> der::Result<usize> {
    usize::try_from(reader.offset())
}
