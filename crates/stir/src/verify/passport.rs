//! A decoded PASSporT, and the checks of its claims.

use std::borrow::Cow;
use std::time::Duration;

use rustls_pki_types::UnixTime;

use crate::attestation::{Attestation, OrigId};
use crate::base64url::{self, DecodeBuffer};
use crate::cert::certificate::Certificate;
use crate::identity::Identity;
use crate::json::JsonError;
use crate::passport::canonical;
use crate::passport::claims::{Claim, Claims, IdentityClaim};
use crate::passport::header::Header;
use crate::passport::ppt::Ppt;
use crate::passport::token::{Form, Token, decode_part};
use crate::reason::Reason;
use crate::tn::TelephoneNumber;
use crate::verify::facts::{Facts, IdentityField};
use crate::verify::policy::VerifyPolicy;
use crate::verify::verification::Finding;
use crate::x5u::{self, X5uError};

/// A decoded token.
pub(super) struct Passport<'a> {
    header: HeaderSource<'a>,
    pub(super) claims: Claims<'a>,
    /// The signed octets. In full form these are the received octets, in compact form the reconstructed octets.
    pub(super) signed: Cow<'a, [u8]>,
    pub(super) signature: [u8; 64],
}

/// The source of a token's header.
enum HeaderSource<'a> {
    /// The header was read from the token.
    Received(Header<'a>),
    /// The header of the token is the canonical `shaken` header with the URL in `info`. The URL was checked before.
    Canonical,
    /// The header was reconstructed from the field.
    Reconstructed,
}

impl<'a> Passport<'a> {
    pub(super) fn decode(
        field: &IdentityField<'a>,
        facts: &Facts<'_>,
        policy: &VerifyPolicy,
        canonical: Option<&[u8]>,
        (header, payload): &'a mut (DecodeBuffer, DecodeBuffer),
    ) -> Result<Self, Reason> {
        let token = Token::split(field.token)?;
        let Form::Full { signed, header: encoded_header, payload: encoded_payload } = token.form() else {
            return Self::reconstruct(&token, field, facts, policy, payload);
        };
        let header = if canonical == Some(encoded_header) {
            HeaderSource::Canonical
        } else {
            decode_part(encoded_header, policy.tolerance, header)?;
            let header = Header::parse(header.as_slice());
            HeaderSource::Received(header.map_err(|error| json_reason(error, Reason::HeaderMalformed))?)
        };
        decode_part(encoded_payload, policy.tolerance, payload)?;
        let signature = token.signature(policy.tolerance)?;
        let claims = Claims::parse(payload.as_slice());
        let claims = claims.map_err(|error| json_reason(error, Reason::PayloadMalformed))?;
        Ok(Self { header, claims, signed: Cow::Borrowed(signed), signature })
    }

    /// Reconstructs the octets that the signer of a compact form signed (RFC 8224 section 4.1). They are a base PASSporT from
    /// the caller to the To. `iat` is the Date of the request, and `mky` has the fingerprints of the session description. If
    /// the facts have several callers or callees, the first is used.
    fn reconstruct(
        token: &Token<'_>,
        field: &IdentityField<'_>,
        facts: &Facts<'_>,
        policy: &VerifyPolicy,
        payload: &'a mut DecodeBuffer,
    ) -> Result<Self, Reason> {
        if !policy.compact || field.ppt.is_some() {
            return Err(Reason::CompactForm);
        }
        let signature = token.signature(policy.tolerance)?;
        let orig = facts.orig.first().ok_or(Reason::NoNumber)?;
        let dest = facts.dest.get(..1).ok_or(Reason::DestMismatch)?;
        let date = facts.date.ok_or(Reason::DateMissing)?;
        let info = field.info.ok_or(Reason::InfoMissing)?;
        x5u::check(info, &policy.ports)?;
        let keys: Vec<_> =
            facts.fingerprints.unwrap_or_default().iter().map(|own| (own.alg, own.digest)).collect();
        let (mut json, mut signed) = (Vec::new(), Vec::new());
        canonical::compact_payload(dest, date, &keys, orig, &mut json);
        base64url::encode(&canonical::header(Ppt::Base, info), &mut signed);
        signed.push(b'.');
        base64url::encode(&json, &mut signed);
        payload.fill(&json);
        let claims = Claims::parse(payload.as_slice());
        let claims = claims.map_err(|error| json_reason(error, Reason::PayloadMalformed))?;
        Ok(Self { header: HeaderSource::Reconstructed, claims, signed: Cow::Owned(signed), signature })
    }

    /// The type in the token. `None` if the type is unknown.
    pub(super) fn ppt(&self) -> Option<Ppt> {
        let header = match &self.header {
            HeaderSource::Received(header) => header,
            HeaderSource::Canonical => return Some(Ppt::Shaken),
            HeaderSource::Reconstructed => return Some(Ppt::Base),
        };
        match header.ppt {
            Claim::Absent => Some(Ppt::Base),
            Claim::Invalid => None,
            Claim::Is(name) => name.plain().and_then(Ppt::from_name),
        }
    }

    pub(super) fn attestation(&self) -> Option<Attestation> {
        self.claims.attest.get()?.plain()?.parse().ok()
    }

    pub(super) fn origid(&self) -> Option<OrigId> {
        self.claims.origid.get()?.plain()?.parse().ok()
    }

    /// Checks the header (RFC 8225 section 4), and the field parameters with the same values (RFC 8224 section 4.1).
    pub(super) fn check_header(&self, field: &IdentityField<'_>, ppt: Ppt) -> Result<(), Reason> {
        if let HeaderSource::Received(header) = &self.header {
            check_members(header)?;
        }
        if field.alg.is_some_and(|alg| alg != "ES256") {
            return Err(Reason::AlgUnsupported);
        }
        if self.ppt() == Some(ppt) { Ok(()) } else { Err(Reason::PptMismatch) }
    }

    /// Checks that `info` and `x5u` are the same text (RFC 8224 section 4.1), in the form of ATIS-1000074.
    pub(super) fn check_info(&self, field: &IdentityField<'_>, policy: &VerifyPolicy) -> Result<(), Reason> {
        let HeaderSource::Received(header) = &self.header else { return Ok(()) };
        let info = field.info.ok_or(Reason::InfoMissing)?;
        x5u::check(info, &policy.ports)?;
        match header.x5u {
            Claim::Absent => Err(Reason::X5uMissing),
            Claim::Is(x5u) if x5u.decoded() == info => Ok(()),
            Claim::Is(_) | Claim::Invalid => Err(Reason::X5uMismatch),
        }
    }

    pub(super) fn check_claims(&self, ppt: Ppt, finding: &Finding) -> Result<(), Reason> {
        required(&self.claims.dest, Reason::DestMissing, Reason::DestInvalid)?;
        required(&self.claims.iat, Reason::IatMissing, Reason::IatInvalid)?;
        required(&self.claims.orig, Reason::OrigMissing, Reason::OrigInvalid)?;
        if ppt == Ppt::Shaken {
            required(&self.claims.attest, Reason::AttestMissing, Reason::AttestInvalid)?;
            required(&self.claims.origid, Reason::OrigidMissing, Reason::OrigidInvalid)?;
            finding.attestation.ok_or(Reason::AttestInvalid)?;
            finding.origid.ok_or(Reason::OrigidInvalid)?;
        }
        if matches!(ppt, Ppt::Div | Ppt::DivO) {
            required(&self.claims.div, Reason::DivMissing, Reason::DivInvalid)?;
        }
        if ppt == Ppt::DivO && self.claims.string("opt").is_none() {
            return Err(Reason::ExtensionInvalid);
        }
        Ok(())
    }

    /// Checks `orig`. The signalling determines the caller, and the token does not (RFC 8224 section 6.2.4).
    pub(super) fn check_orig(&self, facts: &Facts<'_>) -> Result<(), Reason> {
        let Some(orig) = self.claims.orig.get() else { return Ok(()) };
        if facts.orig.iter().any(|identity| orig.is(identity)) {
            return Ok(());
        }
        let without_number = matches!(orig, IdentityClaim::Tn(_))
            && !facts.orig.iter().any(|identity| identity.tn().is_some());
        Err(if without_number { Reason::NoNumber } else { Reason::OrigMismatch })
    }

    /// Whether `dest` contains one of `callees`.
    pub(super) fn names(&self, callees: &[Identity]) -> bool {
        self.claims
            .dest
            .get()
            .is_some_and(|dest| dest.any(|named| callees.iter().any(|callee| named.is(callee))))
    }

    /// Whether this PASSporT diverts the call of `original`. Both must have the same `orig`, and the `dest` of `original` must
    /// contain the `div` of this PASSporT.
    pub(super) fn diverts(&self, original: &Self) -> bool {
        let (own, other) = (&self.claims, &original.claims);
        let same_caller = own.orig.get().zip(other.orig.get()).is_some_and(|(own, other)| own.same(&other));
        let diverted = own.div.get().zip(other.dest.get());
        same_caller && diverted.is_some_and(|(div, dest)| dest.any(|named| named.same(&div)))
    }

    /// Checks the freshness. In full form, only `iat` is relevant. A Date that was changed on the way has no effect (RFC 8224
    /// section 6.2, step 4).
    pub(super) fn check_freshness(
        &self,
        facts: &Facts<'_>,
        policy: &VerifyPolicy,
        now: UnixTime,
    ) -> Result<(), Reason> {
        let Some(iat) = self.claims.iat.get() else { return Ok(()) };
        let iat = UnixTime::since_unix_epoch(Duration::from_secs(iat));
        if is_stale(iat, policy.freshness, now) {
            let date_too = facts.date.is_some_and(|date| is_stale(date, policy.freshness, now));
            return Err(if date_too { Reason::DateStale } else { Reason::IatStale });
        }
        if iat.as_secs() > now.as_secs().saturating_add(policy.skew.as_secs()) {
            return Err(Reason::IatInFuture);
        }
        Ok(())
    }

    /// Checks the claim constraints of the certificate (RFC 8226 section 8).
    pub(super) fn check_constraints(&self, certificate: &Certificate) -> Result<(), Reason> {
        let constraints = certificate.claim_constraints().map_err(|_| Reason::ConstraintsMalformed)?;
        match constraints {
            Some(constraints) if !constraints.allow(|name| self.claims.value(name)) => {
                Err(Reason::ConstraintsViolated)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Checks that the certificate covers the number. A certificate with numbers covers only these numbers, and no URI. A
    /// certificate with a service provider code covers the numbers of the provider, but does not list them. For a diversion,
    /// the certificate must cover the diverting party in `div`, not the caller (RFC 8946 section 4.1).
    pub(super) fn check_authority(
        &self,
        ppt: Ppt,
        certificate: &Certificate,
        policy: &VerifyPolicy,
    ) -> Result<(), Reason> {
        let Some(Ok(list)) = certificate.tn_auth_list() else { return Ok(()) };
        let vouched = if matches!(ppt, Ppt::Div | Ppt::DivO) { self.claims.div } else { self.claims.orig };
        let covered = match vouched.get() {
            None => true,
            Some(_) if list.spcs().next().is_some() => true,
            Some(IdentityClaim::Tn(number)) => {
                TelephoneNumber::parse(&*number.decoded()).is_ok_and(|number| list.covers(&number))
            }
            Some(IdentityClaim::Uri(_)) => false,
        };
        if !covered {
            return Err(Reason::NumberNotCovered);
        }
        let unnamed = ppt == Ppt::Shaken && policy.provider_codes && list.spcs().next().is_none();
        if unnamed { Err(Reason::ProviderMissing) } else { Ok(()) }
    }
}

/// Checks the header members (RFC 8225 section 4), and `crit` (RFC 7515 section 4.1.11).
fn check_members(header: &Header<'_>) -> Result<(), Reason> {
    if header.crit {
        return Err(Reason::CritUnsupported);
    }
    match header.typ {
        Claim::Absent => return Err(Reason::TypMissing),
        Claim::Is(typ) if typ.plain() == Some("passport") => {}
        Claim::Is(_) | Claim::Invalid => return Err(Reason::TypInvalid),
    }
    match header.alg {
        Claim::Absent => Err(Reason::AlgMissing),
        Claim::Is(alg) if alg.plain() == Some("ES256") => Ok(()),
        Claim::Is(_) | Claim::Invalid => Err(Reason::AlgUnsupported),
    }
}

fn required<T: Copy>(claim: &Claim<T>, missing: Reason, invalid: Reason) -> Result<(), Reason> {
    match claim {
        Claim::Absent => Err(missing),
        Claim::Invalid => Err(invalid),
        Claim::Is(_) => Ok(()),
    }
}

fn is_stale(moment: UnixTime, freshness: Duration, now: UnixTime) -> bool {
    moment.as_secs().saturating_add(freshness.as_secs()) < now.as_secs()
}

fn json_reason(error: JsonError, malformed: Reason) -> Reason {
    match error {
        JsonError::Malformed => malformed,
        JsonError::Duplicate => Reason::DuplicateMember,
        JsonError::Limit => Reason::JsonLimit,
    }
}

impl From<X5uError> for Reason {
    fn from(error: X5uError) -> Self {
        match error {
            X5uError::Malformed | X5uError::TooLong => Self::InfoMalformed,
            X5uError::NotHttps => Self::InfoNotHttps,
            X5uError::ForbiddenPart => Self::InfoForbiddenPart,
            X5uError::ForbiddenPort => Self::InfoForbiddenPort,
        }
    }
}
