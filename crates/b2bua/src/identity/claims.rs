//! What a signature says of a call that leaves.

use attesta_sip::{Date, Identity as IdentityHeader, Name, Request};
use attesta_stir::{Attestation, Identity, OrigId, Shaken, SignError as KeyError, Signer, UnixTime};
use bytes::Bytes;

use crate::identity::facts::date_of;

/// What the Identity header field of a call that leaves is to say (RFC 8588).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// How well the caller is known.
    pub attestation: Attestation,
    /// Who calls.
    pub orig: Identity,
    /// Who is called.
    pub dest: Vec<Identity>,
    /// When, in whole seconds.
    pub issued_at: UnixTime,
    /// What tells this origin from others.
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

/// Sets Date where a request comes without one that can be read and is fresh (RFC 8224 section 6.1, step 3).
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

/// What an outside signer gave, if it can stand in an Identity header field.
pub(crate) fn checked(value: Bytes) -> Option<Bytes> {
    let printable = value.iter().all(|octet| (0x20..0x7f).contains(octet));
    (printable && IdentityHeader::parse(&value).is_ok()).then_some(value)
}

/// How far the Date may be from the clock for `iat` to follow it, in seconds (RFC 8224 section 4.1).
const FRESHNESS: u64 = 60;

/// Room for an Identity value.
const IDENTITY_ROOM: usize = 768;
