//! The verification service (RFC 8224 section 6.2): all Identity header fields of one request.

use rustls_pki_types::UnixTime;
use smallvec::SmallVec;

use crate::base64url::DecodeBuffer;
use crate::cert::anchors::TrustAnchors;
use crate::cert::snapshot::Snapshot;
use crate::passport::ppt::Ppt;
use crate::verify::chain;
use crate::verify::facts::{Facts, IdentityField, MAX_IDENTITIES};
use crate::verify::field::{Candidate, TrustContext};
use crate::verify::nested::{self, Nest, NestedToken};
use crate::verify::policy::VerifyPolicy;
use crate::verify::verification::{Finding, Verification};
use crate::verify::work::{SignatureResults, Wanted};

/// The trust anchors and the policy of one trust domain.
#[derive(Clone, Debug)]
pub struct Verifier {
    anchors: TrustAnchors,
    policy: VerifyPolicy,
}

impl Verifier {
    /// A verifier that trusts certificates with a path to `anchors`.
    pub fn new(anchors: TrustAnchors, policy: VerifyPolicy) -> Self {
        Self { anchors, policy }
    }

    /// Verifies the Identity header fields of one request at `now`, with the certificates of `snapshot`.
    ///
    /// Cheap checks come first, and signatures last. A certificate is requested only if all other checks of the field pass. If
    /// the result is not [final](Verification::is_final), the caller fetches the wanted certificates and verifies again with a
    /// newer snapshot.
    pub fn verify(&self, facts: &Facts<'_>, snapshot: &Snapshot, now: UnixTime) -> Verification {
        self.verify_with(facts, snapshot, now, &mut SignatureResults::default())
    }

    /// As [`Verifier::verify`], for a request that may be verified several times. `results` keeps the results of its signature
    /// checks. The request costs at most 8 signature checks in all.
    pub fn verify_with(
        &self,
        facts: &Facts<'_>,
        snapshot: &Snapshot,
        now: UnixTime,
        results: &mut SignatureResults,
    ) -> Verification {
        let (fields, excess) = facts.identities.split_at(facts.identities.len().min(MAX_IDENTITIES));
        let (mut one, mut several) = (<[(DecodeBuffer, DecodeBuffer); 1]>::default(), Vec::new());
        let buffers = if fields.len() > one.len() {
            several.resize_with(fields.len(), Default::default);
            several.as_mut_slice()
        } else {
            one.as_mut_slice()
        };
        let mut candidates: SmallVec<[Candidate<'_>; 1]> = fields
            .iter()
            .zip(buffers)
            .map(|(field, buffers)| Candidate::new(field, facts, &self.policy, snapshot, buffers))
            .collect();
        let diverted = check_without_credentials(&mut candidates, facts, &self.policy, now);
        let context = TrustContext { anchors: &self.anchors, policy: &self.policy, snapshot, now };
        let wanted = check_credentials(&mut candidates, facts, &context, results, diverted);
        if diverted {
            chain::confirm(&mut candidates, facts);
        }
        let mut findings: SmallVec<[Finding; 2]> =
            candidates.iter().map(|candidate| candidate.finding).collect();
        findings.extend(excess.iter().map(|_| Finding::beyond_limit()));
        Verification::new(findings, wanted.into_urls(), facts.kind(), self.policy.profile)
    }

    /// The trust anchors.
    pub fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }

    /// The policy.
    pub fn policy(&self) -> &VerifyPolicy {
        &self.policy
    }
}

/// Makes the checks that need no certificate, for tools that explain a request. The signatures are not verified. A finding
/// without a failure therefore does not make the caller trusted.
pub fn examine(facts: &Facts<'_>, policy: &VerifyPolicy, now: UnixTime) -> Vec<Finding> {
    let (fields, excess) = facts.identities.split_at(facts.identities.len().min(MAX_IDENTITIES));
    let (snapshot, mut buffers) = (Snapshot::default(), Vec::new());
    buffers.resize_with(fields.len(), Default::default);
    let decode = |(field, buffers)| Candidate::new(field, facts, policy, &snapshot, buffers);
    let mut candidates: Vec<_> = fields.iter().zip(&mut buffers).map(decode).collect();
    check_without_credentials(&mut candidates, facts, policy, now);
    let findings = candidates.iter().map(|candidate| candidate.finding);
    findings.chain(excess.iter().map(|_| Finding::beyond_limit())).collect()
}

/// Makes all checks that need no certificate. Returns whether a field is a diversion.
fn check_without_credentials(
    candidates: &mut [Candidate<'_>],
    facts: &Facts<'_>,
    policy: &VerifyPolicy,
    now: UnixTime,
) -> bool {
    for candidate in candidates.iter_mut() {
        candidate.check_alone(facts, policy, now);
    }
    let diverted = candidates.iter().any(|candidate| candidate.finding.ppt == Some(Ppt::Div));
    if diverted {
        chain::check(candidates, facts);
    } else {
        candidates.iter_mut().for_each(|candidate| candidate.check_dest(facts));
    }
    diverted
}

/// Makes the checks that need certificates: the certificates of all fields and of their nested tokens, and then the signatures.
/// A field whose chain of diversions is broken is not checked further.
fn check_credentials(
    candidates: &mut [Candidate<'_>],
    facts: &Facts<'_>,
    context: &TrustContext<'_>,
    results: &mut SignatureResults,
    diverted: bool,
) -> Wanted {
    let tokens = nested::unpack(candidates, facts, context.policy);
    let fields: Vec<IdentityField<'_>> = tokens.iter().map(NestedToken::as_field).collect();
    let mut buffers = Vec::new();
    buffers.resize_with(fields.len(), Default::default);
    let decode = |(field, buffers)| Candidate::new(field, facts, context.policy, context.snapshot, buffers);
    let mut inner: Vec<Candidate<'_>> = fields.iter().zip(&mut buffers).map(decode).collect();
    let mut wanted = Wanted::default();
    for_each_nest(candidates, &tokens, &mut inner, |mut nest| nest.check_alone(facts, context));
    for_each_nest(candidates, &tokens, &mut inner, |mut nest| nest.check_certificates(context, &mut wanted));
    if diverted {
        chain::fail_broken(candidates, facts);
    }
    for number in 0..candidates.len() {
        let Some(outer) = candidates.get_mut(number).filter(|outer| !outer.finding.is_settled()) else {
            continue;
        };
        let inner = tokens_of(number, &tokens, &mut inner);
        Nest { number, outer, inner }.check_signatures(context, results, &mut wanted);
        let failed = candidates.get(number).is_some_and(|outer| !outer.finding.may_pass());
        if diverted && failed {
            chain::fail_broken(candidates, facts);
        }
    }
    wanted
}

/// Calls `check` for every field, with the field's nested tokens.
fn for_each_nest<'f, 'n>(
    candidates: &mut [Candidate<'f>],
    tokens: &[NestedToken],
    inner: &mut [Candidate<'n>],
    mut check: impl FnMut(Nest<'_, 'f, 'n>),
) {
    for (number, outer) in candidates.iter_mut().enumerate() {
        check(Nest { number, outer, inner: tokens_of(number, tokens, inner) });
    }
}

/// The nested tokens of the field `number`.
fn tokens_of<'c, 'n>(
    number: usize,
    tokens: &[NestedToken],
    inner: &'c mut [Candidate<'n>],
) -> &'c mut [Candidate<'n>] {
    let start = tokens.partition_point(|token| token.field() < number);
    let end = tokens.partition_point(|token| token.field() <= number);
    inner.get_mut(start..end).unwrap_or_default()
}
