//! The claims that are signed for an outgoing call.

use attesta_sip::{Date, Identity as IdentityHeader, Name, Request};
use attesta_stir::{Attestation, Identity, OrigId, Shaken, SignError as KeyError, Signer, UnixTime};
use bytes::Bytes;

use crate::identity::facts::date_of;

/// The claims of the Identity header field of an outgoing call (RFC 8588).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// How well we know the caller.
    pub attestation: Attestation,
    /// The caller.
    pub orig: Identity,
    /// The called parties.
    pub dest: Vec<Identity>,
    /// The time of the call, in whole seconds.
    pub issued_at: UnixTime,
    /// Identifies the origin of the call.
    pub origid: OrigId,
}

impl Claims {
    pub(crate) fn sign(&self, signer: &Signer) -> Result<Vec<u8>, KeyError> {
        let Self { attestation, orig, dest, issued_at, origid } = self;
        let mut value = Vec::with_capacity(IDENTITY_ROOM);
        let claims = Shaken { attest: *attestation, dest, iat: *issued_at, orig, origid: *origid };
        signer.sign_shaken(&claims, &mut value)?;
        Ok(value)
    }
}

/// Sets Date if the request has no Date that is readable and fresh (RFC 8224 section 6.1, step 3).
pub(crate) fn add_date(outgoing: &mut Request, now: UnixTime) {
    if !date_of(outgoing.headers()).is_some_and(|date| is_fresh(date, now))
        && let Some(date) = Date::from_unix(now.as_secs())
    {
        outgoing.headers_mut().set(Name::Date, date.to_string());
    }
}

pub(crate) fn is_fresh(date: UnixTime, now: UnixTime) -> bool {
    date.as_secs().abs_diff(now.as_secs()) <= FRESHNESS
}

/// The answer of an outside signer, if it is valid as an Identity header field value.
pub(crate) fn checked(value: Bytes) -> Option<Bytes> {
    let printable = value.iter().all(|octet| (0x20..0x7f).contains(octet));
    (printable && IdentityHeader::parse(&value).is_ok()).then_some(value)
}

/// The largest difference between Date and the clock with which `iat` follows Date, in seconds (RFC 8224 section 4.1).
const FRESHNESS: u64 = 60;

/// The initial capacity for an Identity value, in octets.
const IDENTITY_ROOM: usize = 768;
