//! The outcome of a verification: one finding for each Identity header field, and what they come to together
//! (RFC 8224 sections 6.2.1 and 6.2.2).

use smallvec::SmallVec;

use crate::attestation::{Attestation, OrigId};
use crate::passport::ppt::Ppt;
use crate::reason::{Reason, Verstat, VerstatProfile};
use crate::verify::check::Checks;
use crate::x5u::X5u;

/// What the Identity header fields of one request come to.
#[derive(Clone, Debug)]
pub struct Verification {
    findings: SmallVec<[Finding; 2]>,
    wanted: Vec<X5u>,
    reason: Option<Reason>,
    kind: RequestKind,
    profile: VerstatProfile,
}

/// What the request sets up, which says whose word counts for who it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// A call.
    Call,
    /// A message, whose own PASSporT is `msg` (RFC 9475 section 3).
    Message,
}

impl RequestKind {
    /// Whether a valid PASSporT of this type vouches for the caller: what says something else of a call does not.
    pub(super) fn is_vouched_by(self, ppt: Ppt) -> bool {
        match ppt {
            Ppt::Shaken | Ppt::Div | Ppt::DivO | Ppt::Base => true,
            Ppt::Msg => self == Self::Message,
            Ppt::Rcd | Ppt::Rph => false,
        }
    }
}

/// The answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At least one Identity header field is valid.
    Pass,
    /// There are some, and none is valid.
    Fail,
    /// Nothing could be judged.
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

/// What was found out about one Identity header field.
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
    /// It is valid.
    Pass,
    /// It is not valid.
    Fail(Reason),
    /// It is passed over, as RFC 8224 section 6.2 wants for types that are not supported.
    Ignored(Reason),
    /// Its certificate must be fetched first; without it the reason stands.
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
    /// The type of the PASSporT, None when it is not known or was not found out.
    pub fn ppt(&self) -> Option<Ppt> {
        self.ppt
    }

    /// The outcome.
    pub fn result(&self) -> FindingResult {
        self.result
    }

    /// Why it is not valid.
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

    /// The `attest` claim as it was read; it means something only when the result is [`FindingResult::Pass`].
    pub fn attestation(&self) -> Option<Attestation> {
        self.attestation
    }

    /// The `origid` claim as it was read.
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

    /// Whether the answer stands. If not, fetch what is [wanted](Self::wanted) and verify again, or
    /// [give up](Self::give_up).
    pub fn is_final(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The URLs of the certificates that are needed and not at hand. Empty when the answer stands without them.
    pub fn wanted(&self) -> &[X5u] {
        &self.wanted
    }

    /// Ends the waiting: what could not be had in time counts as unavailable.
    pub fn give_up(mut self) -> Self {
        for finding in &mut self.findings {
            if let FindingResult::Waiting(reason) = finding.result {
                finding.result = FindingResult::Fail(reason);
            }
        }
        Self::new(self.findings, Vec::new(), self.kind, self.profile)
    }

    /// The answer. While it does not stand, it is the one that giving up would bring.
    pub fn verdict(&self) -> Verdict {
        match self.reason.map(|reason| reason.verstat(VerstatProfile::Ts24229)) {
            None | Some(Verstat::TnValidationPassed) => Verdict::Pass,
            Some(Verstat::TnValidationFailed) => Verdict::Fail,
            Some(Verstat::NoTnValidation) => Verdict::None,
        }
    }

    /// Why the request did not verify; None when it did. Its [code](Reason::code) is that of RFC 8224 section 6.2.2.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// What the caller number's verification is reported as.
    pub fn verstat(&self) -> Verstat {
        match self.reason {
            Some(reason) => reason.verstat(self.profile),
            None if self.vouches() => Verstat::TnValidationPassed,
            None => Verstat::NoTnValidation,
        }
    }

    /// Whether a PASSporT that verified vouches for the caller: `shaken`, `div`, `div-o` or `base`, and `msg` for a message.
    /// Where it passes without, all that is valid says something else (`rcd`, `rph`), and who calls is not known.
    pub fn vouches(&self) -> bool {
        vouching_finding(&self.findings, self.kind).is_some()
    }

    /// The attestation of the `shaken` PASSporT that verified.
    pub fn attestation(&self) -> Option<Attestation> {
        vouching_finding(&self.findings, self.kind)?.attestation
    }

    /// The origination identifier of the `shaken` PASSporT that verified.
    pub fn origid(&self) -> Option<OrigId> {
        vouching_finding(&self.findings, self.kind)?.origid
    }

    /// One finding for each Identity header field, in their order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// The valid PASSporT that vouches for the caller number: `shaken` before others.
fn vouching_finding(findings: &[Finding], kind: RequestKind) -> Option<&Finding> {
    let passed = |ppt: Ppt| {
        findings.iter().find(move |finding| finding.result == FindingResult::Pass && finding.ppt == Some(ppt))
    };
    VOUCHING.into_iter().filter(|ppt| kind.is_vouched_by(*ppt)).find_map(passed)
}

/// One valid field that vouches for the caller is enough, and one of another type where none else was judged: what rides
/// along (`rcd`, `rph`, `msg` in a call) does not hide that the caller's own failed. Else 436 stands only if no credential at all was
/// to be had, 437 if one was had and is not supported, and whatever is wrong with the first field otherwise (RFC 8224
/// sections 6.2.1 and 6.2.2).
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

/// What may vouch, the best first.
const VOUCHING: [Ppt; 5] = [Ppt::Shaken, Ppt::Msg, Ppt::Div, Ppt::DivO, Ppt::Base];
