//! Verification of a request, its effect on the request, and the claims that are signed.
//!
//! The types ensure **verify before rewrite**. A [`Received`] request cannot be changed. It becomes a [`VettedRequest`]
//! together with the outcome of verification, or without an outcome if its trunk does not verify. The outgoing INVITE
//! is built from the [`VettedRequest`].

pub(crate) mod belief;
pub(crate) mod claims;
pub(crate) mod facts;
pub(crate) mod verstat;

use std::sync::Arc;

use attesta_sip::{Headers, Name, Request, Status};
use attesta_stir::cert::Snapshot;
use attesta_stir::{
    Attestation, FindingResult, Identity, OrigId, Ppt, Reason, SignatureResults, UnixTime, Verification,
    Verifier, Verstat,
};

use crate::config::trunk_entry::TrunkEntry;
use crate::identity::belief::{set_verstat, signature_of, strip_untrusted};
use crate::identity::claims::{Claims, is_fresh};
use crate::identity::facts::{callee, caller, date_of, field, from, judged, verify_with};
use crate::trunk::Trunk;
use crate::trunk::rules::{Consequence, InboundIdentity, Outcomes, Trusts};

/// A request as it was received. It cannot be changed.
#[derive(Debug)]
pub(crate) struct Received {
    request: Box<Request>,
    /// The signature checks so far. A request that waits for certificates is verified several times.
    signatures: SignatureResults,
}

impl Received {
    pub(crate) fn new(request: Request) -> Self {
        Self { request: Box::new(request), signatures: SignatureResults::default() }
    }

    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// Verifies the Identity header fields against the facts of the message (RFC 8224 section 6.2).
    pub(crate) fn verify(
        &mut self,
        verifier: &Verifier,
        trunk: &Trunk,
        snapshot: &Snapshot,
        now: UnixTime,
    ) -> Verification {
        verify_with(&self.request, trunk, verifier, snapshot, now, &mut self.signatures)
    }

    /// The outcome of verification, with the Reason values for the caller's side.
    pub(crate) fn outcome(&self, verification: Verification) -> VerificationOutcome {
        let several = verification.findings().len() > 1;
        let tokens = self.request.headers().values(Name::Identity).map(|value| field(value).token);
        let failures =
            verification.findings().iter().zip(tokens).filter_map(|(finding, token)| {
                match finding.result() {
                    FindingResult::Fail(reason) => Some(reason_value(reason, several.then_some(token))),
                    FindingResult::Pass | FindingResult::Ignored(_) | FindingResult::Waiting(_) => None,
                }
            });
        let reasons = failures.collect();
        VerificationOutcome { verification: Arc::new(verification), reasons }
    }

    /// The request continues with this outcome.
    pub(crate) fn judged(self, outcome: &VerificationOutcome, ingress: &Arc<TrunkEntry>) -> VettedRequest {
        let is_shaken = |finding: &attesta_stir::Finding| finding.ppt() == Some(Ppt::Shaken);
        let covered = outcome.verification.findings().iter().any(is_shaken);
        let verstat = Some(outcome.verification.verstat());
        VettedRequest { request: self.request, ingress: ingress.clone(), verstat, covered }
    }

    /// The request continues unverified, because its trunk does not verify.
    pub(crate) fn unjudged(self, ingress: &Arc<TrunkEntry>) -> VettedRequest {
        let strips = ingress.trunk.inbound_identity == InboundIdentity::Strip;
        let is_shaken = |ppt| Ppt::from_name(ppt) == Some(Ppt::Shaken);
        let covered = !strips
            && self
                .request
                .headers()
                .values(Name::Identity)
                .any(|value| field(value).ppt.is_some_and(is_shaken));
        VettedRequest { request: self.request, ingress: ingress.clone(), verstat: None, covered }
    }
}

/// The outcome of the verification of one request.
#[derive(Clone, Debug)]
pub(crate) struct VerificationOutcome {
    pub(crate) verification: Arc<Verification>,
    /// The Reason values for the caller's side if the request continues: one for each Identity header field that failed
    /// (RFC 9410 sections 3 and 5).
    pub(crate) reasons: Vec<String>,
}

impl VerificationOutcome {
    /// The consequence of this outcome in the table of the trunk.
    pub(crate) fn consequence(&self, outcomes: &Outcomes) -> Consequence {
        match self.verification.reason() {
            None if self.verification.vouches() => Consequence::Continue,
            // The valid PASSporTs do not vouch for the caller: the request counts as unsigned (ADR 6).
            None | Some(Reason::NoIdentity | Reason::UnsupportedPpt) => outcomes.missing,
            Some(Reason::CertificateUnavailable | Reason::CertificateUnparsable) => outcomes.unavailable,
            Some(Reason::NoNumber) => outcomes.no_number,
            Some(_) => outcomes.failed,
        }
    }

    /// The status and phrase of RFC 8224 section 6.2.2. The status is 403 if policy refuses a request that passed
    /// verification.
    pub(crate) fn rejection(&self) -> (Status, Option<&'static str>) {
        let reason = match self.verification.reason() {
            None if !self.verification.vouches() => Some(Reason::UnsupportedPpt),
            reason => reason,
        };
        let status = reason.and_then(|reason| Status::new(reason.code()));
        (status.unwrap_or(Status::FORBIDDEN), reason.map(Reason::phrase))
    }
}

/// A request that may continue: the INVITE or MESSAGE as it was received, and the outcome of its verification.
#[derive(Debug)]
pub(crate) struct VettedRequest {
    request: Box<Request>,
    /// The trunk of origin, whose rules say which header fields are believed.
    ingress: Arc<TrunkEntry>,
    verstat: Option<Verstat>,
    covered: bool,
}

impl VettedRequest {
    fn trunk(&self) -> &Trunk {
        &self.ingress.trunk
    }

    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// Removes, from the outgoing request, the claims for which the sender is not trusted, and adds the outcome of
    /// verification. `strips` is true if the target's trunk does not accept Identity.
    pub(crate) fn apply_trust(&self, headers: &mut Headers, strips: bool) {
        let trusts = self.trunk().trusts;
        if strips || self.trunk().inbound_identity == InboundIdentity::Strip {
            headers.remove(Name::Identity);
        }
        let trusts = Trusts { verstat: trusts.verstat && self.verstat.is_none(), ..trusts };
        strip_untrusted(headers, trusts);
        if !trusts.verstat {
            set_verstat(headers, Name::From, |_| None);
        }
        if self.verstat.is_none() {
            return;
        }
        // 3GPP TS 24.229: the asserted identity carries the outcome, else From carries it. The outcome applies to one
        // caller only.
        let verified_caller = judged(self.request.headers(), self.trunk());
        let is_verified_caller = |value: &[u8]| caller(value, self.trunk()) == verified_caller;
        let asserted = headers.values(Name::PAssertedIdentity).any(is_verified_caller);
        let name = if asserted { Name::PAssertedIdentity } else { Name::From };
        set_verstat(headers, name, |value| self.verstat.filter(|_| !asserted || is_verified_caller(value)));
    }

    /// Adds our Identity header field to the outgoing INVITE. Removes the `verstat` of the received INVITE: it is for
    /// consumers on our side, and the receiver of a signed call verifies the new signature.
    pub(crate) fn add_identity(&self, headers: &mut Headers, identity: &[u8]) {
        if self.verstat.is_some() {
            set_verstat(headers, Name::From, |_| None);
            set_verstat(headers, Name::PAssertedIdentity, |_| None);
        }
        headers.push(Name::Identity, identity);
    }

    /// True if the call keeps an Identity of type `shaken` (RFC 8224 section 6.1). An Identity that failed counts too:
    /// a second signature would hide the failure.
    pub(crate) const fn is_covered(&self) -> bool {
        self.covered
    }

    /// How well the trunk of origin knows the caller. `None` if the call is not signed. A call of a caller without a number
    /// is never signed. Full attestation requires that the trunk owns both the asserted and the displayed number.
    pub(crate) fn attestation(&self) -> Option<Attestation> {
        let headers = self.request.headers();
        let number = *judged(headers, self.trunk())?.tn()?;
        let displayed = from(headers, self.trunk());
        let displayed = displayed.as_ref().and_then(Identity::tn).copied().unwrap_or(number);
        let own = |number| self.trunk().numbers.contains(number);
        if own(&number) && own(&displayed) { self.trunk().attest } else { self.trunk().unknown_attest }
    }

    /// The claims to sign. `iat` is the Date if the Date is fresh, else the clock (RFC 8224 section 4.1).
    pub(crate) fn claims(&self, attestation: Attestation, origid: OrigId, now: UnixTime) -> Option<Claims> {
        let headers = self.request.headers();
        Some(Claims {
            attestation,
            orig: judged(headers, self.trunk())?,
            dest: vec![callee(headers, self.trunk())?],
            issued_at: date_of(headers).filter(|date| is_fresh(*date, now)).unwrap_or(now),
            origid,
        })
    }
}

/// A Reason value (RFC 9410 section 3). If there are several Identity header fields, the value names the PASSporT in
/// compact form (RFC 9410 section 5).
fn reason_value(reason: Reason, token: Option<&[u8]>) -> String {
    let mut value = format!("STIR;cause={};text=\"{}\"", reason.code(), reason.phrase());
    let signature = token.map(signature_of);
    let is_base64url = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    if let Some(signature) = signature.filter(|signature| signature.iter().all(is_base64url)) {
        value.push_str(&format!(";ppi=\"..{}\"", String::from_utf8_lossy(signature)));
    }
    value
}
