//! The verification service's part: RFC 8224 section 6.2.

mod chain;
mod check;
mod extension;
mod facts;
mod field;
mod nested;
mod passport;
mod reason;
mod verification;

pub use check::{Check, Checks, Outcome};
pub use facts::{Facts, Fingerprint, IdentityField};
pub use reason::{Reason, Verstat, VerstatProfile};
pub use verification::{Finding, FindingResult, Verdict, Verification};

use std::time::Duration;

use rustls_pki_types::UnixTime;
use smallvec::SmallVec;

use crate::base64url::{Scratch, Tolerance};
use crate::cert::{Snapshot, TrustAnchors};
use crate::passport::Ppt;
use crate::verify::field::Candidate;
use crate::x5u::DEFAULT_PORTS;

/// What one trust domain believes, and how strict it is.
#[derive(Clone, Debug)]
pub struct Verifier {
    anchors: TrustAnchors,
    policy: VerifyPolicy,
}

impl Verifier {
    /// A verifier that believes what leads to `anchors`.
    pub fn new(anchors: TrustAnchors, policy: VerifyPolicy) -> Self {
        Self { anchors, policy }
    }

    /// Verifies the Identity header fields of one request at `now`, with the certificates that `snapshot` knows.
    ///
    /// Cheap checks come first: a certificate is asked for only when nothing else is wrong with a field. If the answer
    /// [does not stand](Verification::is_final), the caller fetches what is wanted and verifies again with a newer
    /// snapshot.
    pub fn verify(&self, facts: &Facts<'_>, snapshot: &Snapshot, now: UnixTime) -> Verification {
        let (fields, excess) = facts.identities.split_at(facts.identities.len().min(MAX_IDENTITIES));
        let (mut one, mut several) = (<[(Scratch, Scratch); 1]>::default(), Vec::new());
        let scratch = if fields.len() > one.len() {
            several.resize_with(fields.len(), Default::default);
            several.as_mut_slice()
        } else {
            one.as_mut_slice()
        };
        let mut candidates: SmallVec<[Candidate<'_>; 1]> = fields
            .iter()
            .zip(scratch)
            .map(|(field, scratch)| Candidate::new(field, facts, &self.policy, snapshot, scratch))
            .collect();
        let diverted = check_without_credentials(&mut candidates, facts, &self.policy, now);
        let mut wanted = Vec::new();
        for candidate in &mut candidates {
            candidate.check_credential(self, facts, snapshot, now, &mut wanted);
        }
        if diverted {
            chain::confirm(&mut candidates, facts);
        }
        let mut findings: SmallVec<[Finding; 2]> =
            candidates.iter().map(|candidate| candidate.finding).collect();
        findings.extend(excess.iter().map(|_| Finding::excess()));
        Verification::new(findings, wanted, facts.kind(), self.policy.profile)
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

/// Looks at the Identity header fields of one request without asking who signed them, for those who explain rather than
/// judge: what comes of the checks that need no certificate. That none of them fails means nothing for the caller.
pub fn examine(facts: &Facts<'_>, policy: &VerifyPolicy, now: UnixTime) -> Vec<Finding> {
    let (fields, excess) = facts.identities.split_at(facts.identities.len().min(MAX_IDENTITIES));
    let (snapshot, mut scratch) = (Snapshot::default(), Vec::new());
    scratch.resize_with(fields.len(), Default::default);
    let decode = |(field, scratch)| Candidate::new(field, facts, policy, &snapshot, scratch);
    let mut candidates: Vec<_> = fields.iter().zip(&mut scratch).map(decode).collect();
    check_without_credentials(&mut candidates, facts, policy, now);
    let findings = candidates.iter().map(|candidate| candidate.finding);
    findings.chain(excess.iter().map(|_| Finding::excess())).collect()
}

/// All checks before the certificate; whether a diversion is among the fields.
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

/// How many Identity header fields of one request are looked at.
const MAX_IDENTITIES: usize = 8;

/// How strict a verifier is where the specifications leave it open.
#[derive(Clone, Debug)]
pub struct VerifyPolicy {
    freshness: Duration,
    skew: Duration,
    profile: VerstatProfile,
    ports: Vec<u16>,
    tolerance: Tolerance,
    compact: bool,
    provider_codes: bool,
}

impl VerifyPolicy {
    /// How old `iat`, or Date, may be. Default: 60 seconds (RFC 8224 section 4.1).
    pub fn freshness(mut self, freshness: Duration) -> Self {
        self.freshness = freshness;
        self
    }

    /// How far ahead of the clock `iat` may lie. Default: 60 seconds.
    pub fn skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// Which reasons are reported as `TN-Validation-Failed`. Default: [`VerstatProfile::Ts24229`].
    pub fn verstat_profile(mut self, profile: VerstatProfile) -> Self {
        self.profile = profile;
        self
    }

    /// The ports that a certificate URL may name. Default: 443 and 8443.
    pub fn ports(mut self, ports: Vec<u16>) -> Self {
        self.ports = ports;
        self
    }

    /// Lets tokens through whose base64 is of the standard alphabet. Default: no.
    pub fn tolerate_base64_standard(mut self, tolerate: bool) -> Self {
        self.tolerance.standard = tolerate;
        self
    }

    /// Lets tokens through whose base64 is padded. Default: no.
    pub fn tolerate_base64_padding(mut self, tolerate: bool) -> Self {
        self.tolerance.padding = tolerate;
        self
    }

    /// Whether base PASSporTs may be in compact form, so that what was signed is put together from the request (RFC 8224
    /// section 4). All other types are in full form (RFC 8588 section 3). Default: yes.
    pub fn compact_form(mut self, allowed: bool) -> Self {
        self.compact = allowed;
        self
    }

    /// Whether `shaken` is believed only under a certificate that names a service provider: one that names numbers alone is a
    /// delegate's, which vouches with base PASSporTs towards its provider (ATIS-1000092). Default: yes.
    pub fn require_provider_code(mut self, required: bool) -> Self {
        self.provider_codes = required;
        self
    }
}

impl Default for VerifyPolicy {
    fn default() -> Self {
        Self {
            freshness: Duration::from_secs(60),
            skew: Duration::from_secs(60),
            profile: VerstatProfile::default(),
            ports: DEFAULT_PORTS.to_vec(),
            tolerance: Tolerance::default(),
            compact: true,
            provider_codes: true,
        }
    }
}
