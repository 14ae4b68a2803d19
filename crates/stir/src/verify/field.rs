//! One Identity header field, check by check, cheap ones first.

use std::time::Duration;

use rustls_pki_types::UnixTime;

use crate::base64url::{Base64Error, Scratch};
use crate::cert::snapshot::Held;
use crate::cert::{Certificate, Credential, FetchFailure, PathError, Snapshot};
use crate::json::JsonError;
use crate::passport::{Claim, Claims, Form, Header, Named, Ppt, Token, TokenError, decode_part};
use crate::verify::check::{Check, Checks, Outcome};
use crate::verify::facts::{Facts, IdentityField};
use crate::verify::reason::Reason;
use crate::verify::verification::{Finding, FindingResult};
use crate::verify::{Verifier, VerifyPolicy};
use crate::x5u::{self, X5u, X5uError};

/// Judges `field`. A certificate that must be fetched first is added to `wanted`.
pub(super) fn judge(
    verifier: &Verifier,
    facts: &Facts<'_>,
    field: &IdentityField<'_>,
    snapshot: &Snapshot,
    now: UnixTime,
    wanted: &mut Vec<X5u>,
) -> Finding {
    let mut finding = Finding::begun();
    if let Some(name) = field.ppt {
        finding.ppt = Ppt::from_name(name);
        if !finding.ppt.is_some_and(is_supported) {
            return Finding::passed_over(Reason::UnsupportedPpt);
        }
    }
    let (mut header, mut payload) = (Scratch::new(), Scratch::new());
    let passport = match Passport::decode(field, &verifier.policy, &mut header, &mut payload) {
        Ok(passport) => passport,
        Err(reason) => return finding.failed(Check::Token, reason),
    };
    finding.checks.record(Check::Token, Outcome::Pass);
    if field.ppt.is_none() {
        finding.ppt = passport.ppt();
        if !finding.ppt.is_some_and(is_supported) {
            return Finding::passed_over(Reason::UnsupportedPpt);
        }
    }
    finding.checks.record(Check::Ppt, Outcome::Pass);
    finding.attestation = passport.attestation();
    finding.origid = passport.origid();

    let ppt = finding.ppt.unwrap_or(Ppt::Base);
    finding.record(Check::Header, passport.check_header(field, ppt));
    finding.record(Check::Info, passport.check_info(field, &verifier.policy));
    finding.record(Check::Claims, passport.check_claims(ppt, &finding));
    finding.record(Check::Orig, passport.check_orig(facts));
    finding.record(Check::Dest, passport.check_dest(facts));
    finding.record(Check::Freshness, passport.check_freshness(facts, &verifier.policy, now));
    if finding.is_settled() {
        return finding;
    }
    finding.judge_credential(verifier, &passport, field, snapshot, now, wanted);
    finding
}

/// The types whose rules are known.
fn is_supported(ppt: Ppt) -> bool {
    match ppt {
        Ppt::Base | Ppt::Shaken => true,
        Ppt::Div | Ppt::DivO | Ppt::Rcd | Ppt::Rph | Ppt::Msg => false,
    }
}

/// A token in full form, decoded.
struct Passport<'a> {
    header: Header<'a>,
    claims: Claims<'a>,
    signed: &'a [u8],
    signature: [u8; 64],
}

impl<'a> Passport<'a> {
    fn decode(
        field: &IdentityField<'a>,
        policy: &VerifyPolicy,
        header: &'a mut Scratch,
        payload: &'a mut Scratch,
    ) -> Result<Self, Reason> {
        let token = Token::split(field.token)?;
        let Form::Full { signed, header: encoded_header, payload: encoded_payload } = token.form() else {
            return Err(Reason::CompactForm);
        };
        decode_part(encoded_header, policy.tolerance, header)?;
        decode_part(encoded_payload, policy.tolerance, payload)?;
        let signature = token.signature(policy.tolerance)?;
        let header = Header::parse(header).map_err(|error| json_reason(error, Reason::HeaderMalformed))?;
        let claims = Claims::parse(payload).map_err(|error| json_reason(error, Reason::PayloadMalformed))?;
        Ok(Self { header, claims, signed, signature })
    }

    /// The type by the token alone, None when it is not known.
    fn ppt(&self) -> Option<Ppt> {
        match self.header.ppt {
            Claim::Absent => Some(Ppt::Base),
            Claim::Invalid => None,
            Claim::Is(name) => name.plain().and_then(Ppt::from_name),
        }
    }

    fn attestation(&self) -> Option<crate::Attestation> {
        self.claims.attest.get()?.plain()?.parse().ok()
    }

    fn origid(&self) -> Option<crate::OrigId> {
        self.claims.origid.get()?.plain()?.parse().ok()
    }

    /// RFC 8225 section 4; RFC 8224 section 4.1 for the parameters that repeat the header.
    fn check_header(&self, field: &IdentityField<'_>, ppt: Ppt) -> Result<(), Reason> {
        if self.header.crit {
            return Err(Reason::CritUnsupported);
        }
        match self.header.typ {
            Claim::Absent => return Err(Reason::TypMissing),
            Claim::Is(typ) if typ.plain() == Some("passport") => {}
            Claim::Is(_) | Claim::Invalid => return Err(Reason::TypInvalid),
        }
        match self.header.alg {
            Claim::Absent => return Err(Reason::AlgMissing),
            Claim::Is(alg) if alg.plain() == Some("ES256") => {}
            Claim::Is(_) | Claim::Invalid => return Err(Reason::AlgUnsupported),
        }
        if field.alg.is_some_and(|alg| alg != "ES256") {
            return Err(Reason::AlgUnsupported);
        }
        if self.ppt() == Some(ppt) { Ok(()) } else { Err(Reason::PptMismatch) }
    }

    /// RFC 8224 section 4.1: `info` and `x5u` are the same text; ATIS-1000074 for its form.
    fn check_info(&self, field: &IdentityField<'_>, policy: &VerifyPolicy) -> Result<(), Reason> {
        let info = field.info.ok_or(Reason::InfoMissing)?;
        x5u::check(info, &policy.ports)?;
        match self.header.x5u {
            Claim::Absent => Err(Reason::X5uMissing),
            Claim::Is(x5u) if x5u.decoded() == info => Ok(()),
            Claim::Is(_) | Claim::Invalid => Err(Reason::X5uMismatch),
        }
    }

    fn check_claims(&self, ppt: Ppt, finding: &Finding) -> Result<(), Reason> {
        required(&self.claims.dest, Reason::DestMissing, Reason::DestInvalid)?;
        required(&self.claims.iat, Reason::IatMissing, Reason::IatInvalid)?;
        required(&self.claims.orig, Reason::OrigMissing, Reason::OrigInvalid)?;
        if ppt == Ppt::Shaken {
            required(&self.claims.attest, Reason::AttestMissing, Reason::AttestInvalid)?;
            required(&self.claims.origid, Reason::OrigidMissing, Reason::OrigidInvalid)?;
            finding.attestation.ok_or(Reason::AttestInvalid)?;
            finding.origid.ok_or(Reason::OrigidInvalid)?;
        }
        Ok(())
    }

    /// The caller is who the signalling says, never who the token says (RFC 8224 section 6.2.4).
    fn check_orig(&self, facts: &Facts<'_>) -> Result<(), Reason> {
        let Some(orig) = self.claims.orig.get() else { return Ok(()) };
        if facts.orig.iter().any(|identity| orig.is(identity)) {
            return Ok(());
        }
        let without_number =
            matches!(orig, Named::Tn(_)) && !facts.orig.iter().any(|identity| identity.tn().is_some());
        Err(if without_number { Reason::NoNumber } else { Reason::OrigMismatch })
    }

    fn check_dest(&self, facts: &Facts<'_>) -> Result<(), Reason> {
        let Some(dest) = self.claims.dest.get() else { return Ok(()) };
        let named = dest.any(|named| facts.dest.iter().any(|identity| named.is(identity)));
        if named { Ok(()) } else { Err(Reason::DestMismatch) }
    }

    /// In full form `iat` decides, and a Date that was changed on the way does no harm (RFC 8224 section 6.2, step 4).
    fn check_freshness(&self, facts: &Facts<'_>, policy: &VerifyPolicy, now: UnixTime) -> Result<(), Reason> {
        let Some(iat) = self.claims.iat.get() else { return Ok(()) };
        let iat = UnixTime::since_unix_epoch(Duration::from_secs(iat));
        if is_past(iat, policy.freshness, now) {
            let date_too = facts.date.is_some_and(|date| is_past(date, policy.freshness, now));
            return Err(if date_too { Reason::DateStale } else { Reason::IatStale });
        }
        if iat.as_secs() > now.as_secs().saturating_add(policy.skew.as_secs()) {
            return Err(Reason::IatInFuture);
        }
        Ok(())
    }

    /// RFC 8226 section 8.
    fn check_constraints(&self, certificate: &Certificate) -> Result<(), Reason> {
        let constraints = certificate.claim_constraints().map_err(|_| Reason::ConstraintsMalformed)?;
        match constraints {
            Some(constraints) if !constraints.allow(|name| self.claims.value(name)) => {
                Err(Reason::ConstraintsViolated)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A certificate that names numbers speaks for those only. One that names a provider speaks for the provider's
    /// numbers, which no certificate lists.
    fn check_authority(&self, certificate: &Certificate) -> Result<(), Reason> {
        let Some(Ok(list)) = certificate.tn_auth_list() else { return Ok(()) };
        let Some(Named::Tn(orig)) = self.claims.orig.get() else { return Ok(()) };
        let covered = list.spcs().next().is_some()
            || crate::TelephoneNumber::parse(&*orig.decoded()).is_ok_and(|number| list.covers(&number));
        if covered { Ok(()) } else { Err(Reason::NumberNotCovered) }
    }
}

impl Finding {
    /// Nothing was found out yet.
    fn begun() -> Self {
        Self {
            ppt: None,
            result: FindingResult::Pass,
            checks: Checks::default(),
            attestation: None,
            origid: None,
        }
    }

    pub(super) fn passed_over(reason: Reason) -> Self {
        let mut finding = Self { result: FindingResult::Ignored(reason), ..Self::begun() };
        if reason == Reason::UnsupportedPpt {
            finding.checks.record(Check::Ppt, Outcome::Fail);
        }
        finding
    }

    fn failed(mut self, check: Check, reason: Reason) -> Self {
        self.record(check, Err(reason));
        self
    }

    /// The first check that fails gives the reason.
    fn record(&mut self, check: Check, outcome: Result<(), Reason>) {
        match outcome {
            Ok(()) => self.checks.record(check, Outcome::Pass),
            Err(reason) => {
                self.checks.record(check, Outcome::Fail);
                if self.result == FindingResult::Pass {
                    self.result = FindingResult::Fail(reason);
                }
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.result != FindingResult::Pass
    }

    /// Everything that needs the certificate.
    fn judge_credential(
        &mut self,
        verifier: &Verifier,
        passport: &Passport<'_>,
        field: &IdentityField<'_>,
        snapshot: &Snapshot,
        now: UnixTime,
        wanted: &mut Vec<X5u>,
    ) {
        let url = field.info.unwrap_or_default();
        let (credential, settled_until) = match snapshot.held(url) {
            Some(Held::Known { credential, settled_until }) => (credential, *settled_until),
            Some(Held::Failed { until, failure }) if now < *until => {
                return self.record(Check::Certificate, Err(failure_reason(*failure)));
            }
            Some(Held::Failed { .. }) | None => {
                return self.wait(Reason::CertificateUnavailable, url, &verifier.policy, wanted);
            }
        };
        let Some(leaf) = credential.leaf() else {
            return self.record(Check::Certificate, Err(Reason::CertificateUnparsable));
        };
        self.checks.record(Check::Certificate, Outcome::Pass);
        self.judge_certificate(verifier, passport, credential, leaf, now);
        if self.is_settled() {
            return;
        }
        let signed = leaf.key().is_some_and(|key| key.verify(passport.signed, &passport.signature));
        if !signed && now >= settled_until {
            // The key may have changed behind its URL since it was fetched.
            return self.wait(Reason::SignatureInvalid, url, &verifier.policy, wanted);
        }
        self.record(Check::Signature, if signed { Ok(()) } else { Err(Reason::SignatureInvalid) });
    }

    fn judge_certificate(
        &mut self,
        verifier: &Verifier,
        passport: &Passport<'_>,
        credential: &Credential,
        leaf: &Certificate,
        now: UnixTime,
    ) {
        let path = match credential.path(&verifier.anchors, now) {
            Ok(path) => path,
            Err(error) => return self.record(Check::Path, Err(error.into())),
        };
        self.checks.record(Check::Path, Outcome::Pass);
        self.record(
            Check::Validity,
            if now > path.not_after {
                Err(Reason::CertificateExpired)
            } else if now < path.not_before {
                Err(Reason::CertificateNotYetValid)
            } else {
                Ok(())
            },
        );
        let key = if leaf.may_sign() { Ok(()) } else { Err(Reason::KeyUsage) };
        self.record(Check::Key, leaf.key().map_or(Err(Reason::KeyUnsupported), |_| key));
        self.record(
            Check::TnAuthList,
            match leaf.tn_auth_list() {
                None => Err(Reason::TnAuthListMissing),
                Some(Err(_)) => Err(Reason::TnAuthListMalformed),
                Some(Ok(_)) if !path.encompassed => Err(Reason::ChainNotEncompassed),
                Some(Ok(_)) => Ok(()),
            },
        );
        self.record(Check::Authority, passport.check_authority(leaf));
        self.record(Check::Constraints, passport.check_constraints(leaf));
    }

    fn wait(&mut self, reason: Reason, url: &str, policy: &VerifyPolicy, wanted: &mut Vec<X5u>) {
        self.result = FindingResult::Waiting(reason);
        if let Ok(x5u) = X5u::parse(url, &policy.ports)
            && !wanted.contains(&x5u)
        {
            wanted.push(x5u);
        }
    }
}

fn required<T: Copy>(claim: &Claim<T>, missing: Reason, invalid: Reason) -> Result<(), Reason> {
    match claim {
        Claim::Absent => Err(missing),
        Claim::Invalid => Err(invalid),
        Claim::Is(_) => Ok(()),
    }
}

fn is_past(moment: UnixTime, freshness: Duration, now: UnixTime) -> bool {
    moment.as_secs().saturating_add(freshness.as_secs()) < now.as_secs()
}

fn json_reason(error: JsonError, malformed: Reason) -> Reason {
    match error {
        JsonError::Malformed => malformed,
        JsonError::Duplicate => Reason::DuplicateMember,
        JsonError::Limit => Reason::JsonLimit,
    }
}

fn failure_reason(failure: FetchFailure) -> Reason {
    match failure {
        FetchFailure::Unparsable => Reason::CertificateUnparsable,
        FetchFailure::Unreachable
        | FetchFailure::ForbiddenAddress
        | FetchFailure::Status(_)
        | FetchFailure::TooLarge => Reason::CertificateUnavailable,
    }
}

impl From<TokenError> for Reason {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Parts => Self::TokenMalformed,
            TokenError::TooLong => Self::TokenTooLong,
            TokenError::Base64(Base64Error::Standard) => Self::Base64Standard,
            TokenError::Base64(Base64Error::Padding) => Self::Base64Padding,
            TokenError::Base64(Base64Error::Malformed) => Self::Base64Malformed,
            TokenError::Signature => Self::SignatureMalformed,
        }
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

impl From<PathError> for Reason {
    fn from(error: PathError) -> Self {
        match error {
            PathError::UnknownIssuer => Self::UntrustedIssuer,
            PathError::BadSignature => Self::ChainSignatureInvalid,
            PathError::Expired => Self::CertificateExpired,
            PathError::NotYetValid => Self::CertificateNotYetValid,
            PathError::UnsupportedAlgorithm => Self::ChainAlgorithmUnsupported,
            PathError::CriticalExtension => Self::CriticalExtension,
            PathError::LeafIsAuthority => Self::LeafIsAuthority,
            PathError::NotPermitted => Self::ChainNotPermitted,
            PathError::Malformed => Self::CertificateMalformed,
        }
    }
}
