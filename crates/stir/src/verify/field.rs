//! The checks of one Identity header field. Cheap checks come first.

use rustls_pki_types::UnixTime;

use crate::base64url::DecodeBuffer;
use crate::cert::anchors::TrustAnchors;
use crate::cert::cache_entry::{CacheEntry, FetchFailure, Known};
use crate::cert::certificate::Certificate;
use crate::cert::chain::PathError;
use crate::cert::credential::Path;
use crate::cert::snapshot::Snapshot;
use crate::passport::ppt::Ppt;
use crate::reason::Reason;
use crate::verify::check::{Check, Checks};
use crate::verify::facts::{Facts, IdentityField};
use crate::verify::passport::Passport;
use crate::verify::policy::VerifyPolicy;
use crate::verify::verification::{Finding, FindingResult};
use crate::verify::work::{Position, SignatureResults, Wanted};
use crate::x5u::X5u;

/// The context of the certificate checks: the trust domain, its policy, the available certificates and the time.
#[derive(Clone, Copy)]
pub(super) struct TrustContext<'a> {
    pub(super) anchors: &'a TrustAnchors,
    pub(super) policy: &'a VerifyPolicy,
    pub(super) snapshot: &'a Snapshot,
    pub(super) now: UnixTime,
}

/// An Identity header field during its verification.
pub(super) struct Candidate<'a> {
    field: &'a IdentityField<'a>,
    /// The cache entry of the field's certificate URL.
    entry: Option<&'a CacheEntry>,
    pub(super) finding: Finding,
    pub(super) passport: Option<Passport<'a>>,
    /// A fault of the nested tokens. A fault of a token further out comes first.
    pub(super) nested_fault: Option<Reason>,
}

impl<'a> Candidate<'a> {
    /// Decodes the token. The decoded parts are stored in `buffers`.
    pub(super) fn new(
        field: &'a IdentityField<'a>,
        facts: &Facts<'_>,
        policy: &VerifyPolicy,
        snapshot: &'a Snapshot,
        buffers: &'a mut (DecodeBuffer, DecodeBuffer),
    ) -> Self {
        let entry = field.info.and_then(|info| snapshot.entry(info));
        let mut candidate =
            Self { field, entry, finding: Finding::new(), passport: None, nested_fault: None };
        let finding = &mut candidate.finding;
        if let Some(name) = field.ppt {
            finding.ppt = Ppt::from_name(name);
            if !finding.ppt.is_some_and(is_supported) {
                finding.ignore(Reason::UnsupportedPpt);
                return candidate;
            }
        }
        match Passport::decode(field, facts, policy, entry.and_then(CacheEntry::canonical_header), buffers) {
            Ok(passport) => {
                finding.checks.record(Check::Token, Ok(()));
                finding.ppt = finding.ppt.or_else(|| passport.ppt());
                if finding.ppt.is_some_and(is_supported) {
                    finding.checks.record(Check::Ppt, Ok(()));
                    candidate.passport = Some(passport);
                } else {
                    finding.ignore(Reason::UnsupportedPpt);
                }
            }
            Err(reason) => finding.record(Check::Token, Err(reason)),
        }
        candidate
    }

    /// Makes the checks that need neither the other fields nor the certificate.
    pub(super) fn check_alone(&mut self, facts: &Facts<'_>, policy: &VerifyPolicy, now: UnixTime) {
        let (Some(passport), Some(ppt)) = (&self.passport, self.finding.ppt) else { return };
        let finding = &mut self.finding;
        if ppt == Ppt::Shaken {
            // These claims have a meaning only in `shaken`. A delegate may sign the other types.
            finding.attestation = passport.attestation();
            finding.origid = passport.origid();
        }
        finding.record(Check::Header, passport.check_header(self.field, ppt));
        finding.record(Check::Info, passport.check_info(self.field, policy));
        finding.record(Check::Claims, passport.check_claims(ppt, finding));
        finding.record(Check::Orig, passport.check_orig(facts));
        finding.record(Check::Freshness, passport.check_freshness(facts, policy, now));
        if passport.claims.has_extensions() || matches!(ppt, Ppt::Rcd | Ppt::Rph) {
            finding.record(Check::Extension, passport.check_extensions(ppt, facts));
        }
    }

    /// Checks that `dest` contains the callee.
    pub(super) fn check_dest(&mut self, facts: &Facts<'_>) {
        if self.passport.is_some() {
            let named = self.names_callee(facts);
            self.finding.record(Check::Dest, if named { Ok(()) } else { Err(Reason::DestMismatch) });
        }
    }

    /// Whether `dest` contains the callee: the To, or the target of the request for a `div-o`.
    pub(super) fn names_callee(&self, facts: &Facts<'_>) -> bool {
        let callees = if self.finding.ppt == Some(Ppt::DivO) { facts.target_or_dest() } else { facts.dest };
        self.passport.as_ref().is_some_and(|passport| passport.names(callees))
    }

    /// Makes the checks of the certificate, if no check has failed. The signature is not checked. If the certificate must be
    /// fetched, its URL is added to `wanted`.
    pub(super) fn check_certificate(&mut self, context: &TrustContext<'_>, wanted: &mut Wanted) {
        let Some(passport) = self.passport.as_ref().filter(|_| !self.finding.is_settled()) else { return };
        let finding = &mut self.finding;
        match self.entry {
            Some(CacheEntry::Known(known)) => finding.check_certificate(context, passport, known),
            Some(CacheEntry::Failed { until, failure }) if context.now < *until => {
                finding.record(Check::Certificate, Err(failure_reason(*failure)));
            }
            Some(CacheEntry::Failed { .. }) | None => {
                finding.result = FindingResult::Waiting(Reason::CertificateUnavailable);
                self.request(context, wanted);
            }
        }
        self.refetch(context, wanted);
    }

    /// Checks the signature of the token at `position`, if no check has failed.
    pub(super) fn check_signature(
        &mut self,
        position: Position,
        context: &TrustContext<'_>,
        results: &mut SignatureResults,
        wanted: &mut Wanted,
    ) {
        let (Some(passport), Some(CacheEntry::Known(known)), false) =
            (&self.passport, self.entry, self.finding.is_settled())
        else {
            return;
        };
        let check = || {
            let key = known.credential.leaf().and_then(|leaf| leaf.key());
            key.is_some_and(|key| key.verify(&passport.signed, &passport.signature))
        };
        match results.result(position, &known.credential, check) {
            Some(true) => {
                self.finding.record(Check::Signature, Ok(()));
                known.usage.verified(context.now);
            }
            Some(false) => self.finding.record(Check::Signature, Err(Reason::SignatureInvalid)),
            None => self.finding.ignore(Reason::TooManyIdentities),
        }
        self.refetch(context, wanted);
    }

    /// Requests the certificate again if the certificate or the signature was refused. The server may have a new certificate
    /// since the fetch: a certificate with a new key, or the replacement of a revoked or untrusted certificate. A new
    /// certificate does not help if the revocation lists are out of date.
    fn refetch(&mut self, context: &TrustContext<'_>, wanted: &mut Wanted) {
        if let (FindingResult::Fail(reason), Some(CacheEntry::Known(known))) =
            (self.finding.result, self.entry)
            && reason != Reason::RevocationUnknown
            && context.now >= known.settled_until
        {
            self.finding.result = FindingResult::Waiting(reason);
            self.request(context, wanted);
        }
    }

    fn request(&self, context: &TrustContext<'_>, wanted: &mut Wanted) {
        if let Ok(url) = X5u::parse(self.field.info.unwrap_or_default(), &context.policy.ports) {
            wanted.add(url);
        }
    }
}

/// Whether this crate supports the type.
fn is_supported(ppt: Ppt) -> bool {
    match ppt {
        Ppt::Base | Ppt::Shaken | Ppt::Div | Ppt::DivO | Ppt::Rcd | Ppt::Rph | Ppt::Msg => true,
    }
}

impl Finding {
    /// A finding before the first check.
    pub(super) fn new() -> Self {
        Self {
            ppt: None,
            result: FindingResult::Pass,
            checks: Checks::default(),
            attestation: None,
            origid: None,
        }
    }

    /// The finding of a field beyond the limit.
    pub(super) fn beyond_limit() -> Self {
        Self { result: FindingResult::Ignored(Reason::TooManyIdentities), ..Self::new() }
    }

    /// Ignores the field. It has no effect on the result.
    pub(super) fn ignore(&mut self, reason: Reason) {
        self.result = FindingResult::Ignored(reason);
        if reason == Reason::UnsupportedPpt {
            self.checks.record(Check::Ppt, Err(reason));
        }
    }

    /// Records a check. The first failed check determines the reason.
    pub(super) fn record(&mut self, check: Check, outcome: Result<(), Reason>) {
        self.checks.record(check, outcome);
        if let Err(reason) = outcome
            && self.result == FindingResult::Pass
        {
            self.result = FindingResult::Fail(reason);
        }
    }

    /// Whether the field is valid, or may be valid when its certificate is available.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.result, FindingResult::Pass | FindingResult::Waiting(_))
    }

    pub(super) fn is_settled(&self) -> bool {
        self.result != FindingResult::Pass
    }

    /// Checks the certificate: its path, its revocation, and its claim to the number.
    fn check_certificate(&mut self, context: &TrustContext<'_>, passport: &Passport<'_>, known: &Known) {
        let Some(leaf) = known.credential.leaf() else {
            return self.record(Check::Certificate, Err(Reason::CertificateUnparsable));
        };
        self.checks.record(Check::Certificate, Ok(()));
        let path = known.credential.path(context.anchors, context.now);
        self.check_path(context, passport, path.as_deref(), leaf);
        let anchors = context.anchors.id();
        let revoked = || {
            known.revoked.contains(&anchors)
                || path.as_deref().is_ok_and(|path| {
                    context.snapshot.revokes_uncached_path(&known.credential, context.anchors, path)
                })
        };
        match context.snapshot.revocation_lists_are_fresh(anchors, context.now) {
            Some(_) if revoked() => self.record(Check::Revocation, Err(Reason::CertificateRevoked)),
            Some(false) => self.record(Check::Revocation, Err(Reason::RevocationUnknown)),
            Some(true) => self.record(Check::Revocation, Ok(())),
            None => {}
        }
    }

    fn check_path(
        &mut self,
        context: &TrustContext<'_>,
        passport: &Passport<'_>,
        path: Result<&Path, &PathError>,
        leaf: &Certificate,
    ) {
        let now = context.now;
        let path = match path {
            Ok(path) => path,
            Err(error) => return self.record(Check::Path, Err((*error).into())),
        };
        self.checks.record(Check::Path, Ok(()));
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
        let ppt = self.ppt.unwrap_or(Ppt::Base);
        self.record(Check::Authority, passport.check_authority(ppt, leaf, context.policy));
        self.record(Check::Constraints, passport.check_constraints(leaf));
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
