//! The result of a verification: one finding for each Identity header field, and the combined result (RFC
//! 8224 sections 6.2.1 and 6.2.2).

use smallvec::SmallVec;

use crate::attestation::{Attestation, OrigId};
use crate::passport::ppt::Ppt;
use crate::reason::{Reason, Verstat, VerstatProfile};
use crate::verify::check::Checks;
use crate::x5u::X5u;

/// The result for the Identity header fields of one request.
#[derive(Clone, Debug)]
pub struct Verification {
    findings: SmallVec<[Finding; 2]>,
    wanted: Vec<X5u>,
    reason: Option<Reason>,
    kind: RequestKind,
    profile: VerstatProfile,
}

/// The kind of a request. It determines which PASSporT types attest the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// A call.
    Call,
    /// A message. Its own PASSporT type is `msg` (RFC 9475 section 3).
    Message,
}

impl RequestKind {
    /// Whether a valid PASSporT of this type attests the caller. Other types attest other properties of the call.
    pub(super) fn is_vouched_by(self, ppt: Ppt) -> bool {
        match ppt {
            Ppt::Shaken | Ppt::Div | Ppt::DivO | Ppt::Base => true,
            Ppt::Msg => self == Self::Message,
            Ppt::Rcd | Ppt::Rph => false,
        }
    }
}

/// The result in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At least one Identity header field is valid.
    Pass,
    /// There are Identity header fields, and none is valid.
    Fail,
    /// There was no evidence for a decision.
    None,
}

impl Verdict {
    /// The word for logs and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::None => "none",
        }
    }
}

/// The result of the checks of one Identity header field.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    pub(super) ppt: Option<Ppt>,
    pub(super) result: FindingResult,
    pub(super) checks: Checks,
    pub(super) attestation: Option<Attestation>,
    pub(super) origid: Option<OrigId>,
}

/// The outcome for one Identity header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingResult {
    /// The field is valid.
    Pass,
    /// The field is not valid.
    Fail(Reason),
    /// The field is ignored, as RFC 8224 section 6.2 requires for unsupported types.
    Ignored(Reason),
    /// The certificate must be fetched first. If it does not arrive, this reason is the result.
    Waiting(Reason),
}

impl FindingResult {
    /// The word for logs and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::Ignored(_) => "ignored",
            Self::Waiting(_) => "waiting",
        }
    }
}

impl Finding {
    /// The type of the PASSporT. `None` if it is unknown or could not be read.
    pub fn ppt(&self) -> Option<Ppt> {
        self.ppt
    }

    /// The outcome.
    pub fn result(&self) -> FindingResult {
        self.result
    }

    /// The reason for which the field is not valid.
    pub fn reason(&self) -> Option<Reason> {
        match self.result {
            FindingResult::Pass => None,
            FindingResult::Fail(reason) | FindingResult::Ignored(reason) | FindingResult::Waiting(reason) => {
                Some(reason)
            }
        }
    }

    /// The outcome of each check.
    pub fn checks(&self) -> &Checks {
        &self.checks
    }

    /// The `attest` claim of the token. It has a meaning only if the result is [`FindingResult::Pass`].
    pub fn attestation(&self) -> Option<Attestation> {
        self.attestation
    }

    /// The `origid` claim of the token.
    pub fn origid(&self) -> Option<OrigId> {
        self.origid
    }
}

impl Verification {
    pub(super) fn new(
        findings: SmallVec<[Finding; 2]>,
        mut wanted: Vec<X5u>,
        kind: RequestKind,
        profile: VerstatProfile,
    ) -> Self {
        if vouching_finding(&findings, kind).is_some() {
            wanted.clear();
        }
        let reason = combined_reason(&findings, kind);
        Self { findings, wanted, reason, kind, profile }
    }

    /// Whether the result is final. If not, fetch the [wanted](Self::wanted) URLs and verify again, or [give
    /// up](Self::give_up).
    pub fn is_final(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The URLs of certificates that are needed and not available. Empty if the result is final.
    pub fn wanted(&self) -> &[X5u] {
        &self.wanted
    }

    /// Ends the wait: certificates that did not arrive in time count as unavailable.
    pub fn give_up(mut self) -> Self {
        for finding in &mut self.findings {
            if let FindingResult::Waiting(reason) = finding.result {
                finding.result = FindingResult::Fail(reason);
            }
        }
        Self::new(self.findings, Vec::new(), self.kind, self.profile)
    }

    /// The result. Before the result is final, this is the result of [giving up](Self::give_up).
    pub fn verdict(&self) -> Verdict {
        match self.reason.map(|reason| reason.verstat(VerstatProfile::Ts24229)) {
            None | Some(Verstat::TnValidationPassed) => Verdict::Pass,
            Some(Verstat::TnValidationFailed) => Verdict::Fail,
            Some(Verstat::NoTnValidation) => Verdict::None,
        }
    }

    /// The reason for which the request did not verify. `None` if it verified. The [code](Reason::code) of the reason is the
    /// status of RFC 8224 section 6.2.2.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// The reported result for the caller number.
    pub fn verstat(&self) -> Verstat {
        match self.reason {
            Some(reason) => reason.verstat(self.profile),
            None if self.vouches() => Verstat::TnValidationPassed,
            None => Verstat::NoTnValidation,
        }
    }

    /// Whether a valid PASSporT attests the caller: `shaken`, `div`, `div-o` or `base`, or `msg` for a message. A request can
    /// also pass with other valid PASSporTs (`rcd`, `rph`). The caller is then not verified.
    pub fn vouches(&self) -> bool {
        vouching_finding(&self.findings, self.kind).is_some()
    }

    /// The attestation of the valid `shaken` PASSporT.
    pub fn attestation(&self) -> Option<Attestation> {
        vouching_finding(&self.findings, self.kind)?.attestation
    }

    /// The origination identifier of the valid `shaken` PASSporT.
    pub fn origid(&self) -> Option<OrigId> {
        vouching_finding(&self.findings, self.kind)?.origid
    }

    /// One finding for each Identity header field, in the order of the fields.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// The valid PASSporT that attests the caller number. `shaken` is preferred.
fn vouching_finding(findings: &[Finding], kind: RequestKind) -> Option<&Finding> {
    let passed = |ppt: Ppt| {
        findings.iter().find(move |finding| finding.result == FindingResult::Pass && finding.ppt == Some(ppt))
    };
    VOUCHING.into_iter().filter(|ppt| kind.is_vouched_by(*ppt)).find_map(passed)
}

/// The reason for the whole request (RFC 8224 sections 6.2.1 and 6.2.2). One valid field that attests the caller is enough. A
/// valid field of another type (`rcd`, `rph`, `msg` in a call) is enough only if no other field failed, so that it cannot hide
/// a failure.
/// Otherwise 437 applies if a credential was available and unsupported. 436 applies only if no credential was available. In all
/// other cases, the first failed field whose code is not 436 determines the reason.
fn combined_reason(findings: &[Finding], kind: RequestKind) -> Option<Reason> {
    if vouching_finding(findings, kind).is_some() {
        return None;
    }
    let failed = || {
        findings.iter().filter_map(|finding| match finding.result {
            FindingResult::Pass | FindingResult::Ignored(_) => None,
            FindingResult::Fail(reason) | FindingResult::Waiting(reason) => Some(reason),
        })
    };
    let passed = findings.iter().any(|finding| finding.result == FindingResult::Pass);
    let none = if findings.is_empty() { Reason::NoIdentity } else { Reason::UnsupportedPpt };
    let first =
        failed().find(|reason| reason.code() == 437).or_else(|| failed().find(|reason| reason.code() != 436));
    first.or_else(|| failed().next()).or((!passed).then_some(none))
}

/// The types that can attest the caller. The preferred types come first.
const VOUCHING: [Ppt; 5] = [Ppt::Shaken, Ppt::Msg, Ppt::Div, Ppt::DivO, Ppt::Base];
