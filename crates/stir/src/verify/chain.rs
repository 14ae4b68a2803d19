//! Diversions: chains of `div` PASSporTs (RFC 8946 section 4.2).
//!
//! The `div` claim names the target before the diversion. The `dest` of another PASSporT of the request must contain this
//! target. A complete chain begins at the PASSporT whose `dest` is the target of the request. It ends at an original PASSporT,
//! which is not a diversion and attests the caller. The order of the header fields has no meaning. A field may belong to
//! several chains.

use smallvec::SmallVec;

use crate::passport::ppt::Ppt;
use crate::reason::Reason;
use crate::verify::check::Check;
use crate::verify::facts::Facts;
use crate::verify::facts::MAX_IDENTITIES;
use crate::verify::field::Candidate;
use crate::verify::passport::Passport;
use crate::verify::verification::FindingResult;

/// Checks `dest` of every field before any certificate is requested. `dest` must contain the callee, or the field must belong
/// to a complete chain.
pub(super) fn check(candidates: &mut [Candidate<'_>], facts: &Facts<'_>) {
    let linked = linked(candidates, facts, |candidate| !candidate.finding.is_settled());
    let unsupported = original_is_unsupported(candidates);
    for (candidate, linked) in candidates.iter_mut().zip(linked) {
        if candidate.passport.is_none() {
            continue;
        }
        if unsupported && !candidate.finding.is_settled() {
            candidate.finding.result = FindingResult::Ignored(Reason::UnsupportedPpt);
            continue;
        }
        let outcome = match candidate.finding.ppt {
            _ if linked => Ok(()),
            Some(Ppt::Div) => Err(Reason::DivChainIncomplete),
            Some(_) if candidate.names_callee(facts) => Ok(()),
            Some(_) | None => Err(Reason::DestMismatch),
        };
        candidate.finding.record(Check::Dest, outcome);
    }
}

/// Fails the fields whose chains cannot become complete, because another field of the chain has failed. Their signatures are
/// not checked.
pub(super) fn fail_broken(candidates: &mut [Candidate<'_>], facts: &Facts<'_>) {
    let possible = linked(candidates, facts, |candidate| candidate.finding.may_pass());
    for (candidate, possible) in candidates.iter_mut().zip(possible) {
        let stands_alone = candidate.finding.ppt != Some(Ppt::Div) && candidate.names_callee(facts);
        let is_open = candidate.passport.is_some() && candidate.finding.may_pass();
        if is_open && !possible && !stands_alone {
            candidate.finding.record(Check::Dest, Err(Reason::DivChainIncomplete));
        }
    }
}

/// Checks the chains again after the signatures. An invalid field makes its chain incomplete. A chain must wait if the
/// certificate of one of its fields is not available yet.
pub(super) fn confirm(candidates: &mut [Candidate<'_>], facts: &Facts<'_>) {
    let valid = linked(candidates, facts, |candidate| candidate.finding.result == FindingResult::Pass);
    let possible = linked(candidates, facts, |candidate| candidate.finding.may_pass());
    for ((candidate, valid), possible) in candidates.iter_mut().zip(valid).zip(possible) {
        if candidate.passport.is_none() {
            continue;
        }
        let stands_alone = candidate.finding.ppt != Some(Ppt::Div) && candidate.names_callee(facts);
        if valid || stands_alone || matches!(candidate.finding.result, FindingResult::Ignored(_)) {
            continue;
        }
        if possible && candidate.finding.result == FindingResult::Pass {
            candidate.finding.result = FindingResult::Waiting(Reason::CertificateUnavailable);
        } else if !possible {
            candidate.finding.record(Check::Dest, Err(Reason::DivChainIncomplete));
        }
    }
}

/// Whether all fields that are not diversions have unsupported types. The chain then ends at a field that is ignored. The chain
/// is therefore ignored too (RFC 8946 section 4.2, step 5).
fn original_is_unsupported(candidates: &[Candidate<'_>]) -> bool {
    let is = |candidate: &Candidate<'_>, result| candidate.finding.result == result;
    let ignored = FindingResult::Ignored(Reason::UnsupportedPpt);
    candidates.iter().any(|candidate| is(candidate, ignored))
        && candidates
            .iter()
            .all(|candidate| candidate.finding.ppt == Some(Ppt::Div) || is(candidate, ignored))
}

/// The fields that belong to a complete chain of usable fields.
fn linked(
    candidates: &[Candidate<'_>],
    facts: &Facts<'_>,
    is_usable: impl Fn(&Candidate<'_>) -> bool,
) -> SmallVec<[bool; 8]> {
    let target = facts.target_or_dest();
    let links: SmallVec<[Option<Link<'_>>; 8]> = candidates
        .iter()
        .map(|candidate| {
            let passport = candidate.passport.as_ref().filter(|_| is_usable(candidate))?;
            let ppt = candidate.finding.ppt;
            let vouches = ppt.is_some_and(|ppt| facts.kind().is_vouched_by(ppt));
            Some(Link { passport, diversion: ppt == Some(Ppt::Div), vouches })
        })
        .collect();
    // Each pair is compared once. The sender chooses the number of paths, and this number can grow faster than the number of
    // fields.
    let diverted: SmallVec<[u8; 8]> =
        links.iter().map(|link| Link::diverted_by(link.as_ref(), &links)).collect();
    let all_that = |holds: &dyn Fn(&Link<'_>) -> bool| {
        let flags = links.iter().map(|link| link.as_ref().is_some_and(holds));
        flags.zip(BITS).fold(0, |set, (holds, bit)| if holds { set | bit } else { set })
    };
    let mut reaches_original = all_that(&|link| !link.diversion && link.vouches);
    for _ in &links {
        for (diverted, bit) in diverted.iter().zip(BITS) {
            if diverted & reaches_original != 0 {
                reaches_original |= bit;
            }
        }
    }
    // A field that does not attest the caller is diverted together with the original. Such a field cannot be the end of a
    // chain.
    let others = all_that(&|link| !link.vouches);
    let mut reached = reaches_original & all_that(&|link| link.diversion && link.passport.names(target));
    for _ in &links {
        for (diverted, bit) in diverted.iter().zip(BITS) {
            if reached & bit != 0 {
                reached |= diverted & (reaches_original | others);
            }
        }
    }
    links.iter().zip(BITS).map(|(_, bit)| reached & bit != 0).collect()
}

/// One bit for each field.
const BITS: [u8; MAX_IDENTITIES] = [1, 2, 4, 8, 16, 32, 64, 128];

/// A usable field that may be part of a chain.
struct Link<'a> {
    passport: &'a Passport<'a>,
    diversion: bool,
    /// Whether the field attests the caller.
    vouches: bool,
}

impl Link<'_> {
    /// The set of fields that `link` diverts. The set is empty if `link` is not a diversion.
    fn diverted_by(link: Option<&Self>, links: &[Option<Self>]) -> u8 {
        let Some(link) = link.filter(|link| link.diversion) else { return 0 };
        let diverts =
            |other: &Option<Self>| other.as_ref().is_some_and(|own| link.passport.diverts(own.passport));
        links
            .iter()
            .map(diverts)
            .zip(BITS)
            .fold(0, |set, (diverts, bit)| if diverts { set | bit } else { set })
    }
}
