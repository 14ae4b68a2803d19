//! `div-o`: a diversion that contains the original PASSporT in `opt` (RFC 8946 sections 5 and 6).

use crate::base64url::{DecodeBuffer, Tolerance};
use crate::passport::header::Header;
use crate::passport::ppt::Ppt;
use crate::passport::token::{Form, Token, decode_part};
use crate::reason::Reason;
use crate::verify::check::Check;
use crate::verify::facts::{Facts, IdentityField};
use crate::verify::field::{Candidate, TrustContext};
use crate::verify::passport::Passport;
use crate::verify::verification::{Finding, FindingResult};
use crate::x5u::X5u;

/// Makes the checks that need the certificate, for a field of any type. If a certificate must be fetched, its
/// URL is added to `wanted`.
pub(super) fn check_credential(
    candidate: &mut Candidate<'_>,
    facts: &Facts<'_>,
    context: &TrustContext<'_>,
    wanted: &mut Vec<X5u>,
) {
    if candidate.finding.ppt == Some(Ppt::DivO) {
        check_nested(candidate, MAX_NESTED, facts, context, wanted);
    } else {
        candidate.check_own_credential(context, wanted);
    }
}

/// The largest number of nested PASSporTs in a `div-o`.
const MAX_NESTED: usize = 4;

/// Verifies the nested PASSporT like a PASSporT in its own field, and then the certificate of `outer`. `depth` is the number of
/// further nested PASSporTs that are allowed.
fn check_nested(
    outer: &mut Candidate<'_>,
    depth: usize,
    facts: &Facts<'_>,
    context: &TrustContext<'_>,
    wanted: &mut Vec<X5u>,
) {
    let Some(passport) = outer.passport.as_ref().filter(|_| !outer.finding.is_settled()) else { return };
    let inner = inner_finding(passport, depth, facts, context, wanted);
    match inner.result {
        FindingResult::Pass => outer.finding.record(Check::Extension, Ok(())),
        FindingResult::Fail(reason) => outer.finding.record(Check::Extension, Err(reason)),
        FindingResult::Ignored(reason) => outer.finding.ignore(reason),
        FindingResult::Waiting(_) => {}
    }
    outer.check_own_credential(context, wanted);
    if outer.finding.result == FindingResult::Pass {
        outer.finding.result = inner.result;
        outer.finding.attestation = inner.attestation;
        outer.finding.origid = inner.origid;
    }
}

/// The finding for the PASSporT inside `outer`.
fn inner_finding(
    outer: &Passport<'_>,
    depth: usize,
    facts: &Facts<'_>,
    context: &TrustContext<'_>,
    wanted: &mut Vec<X5u>,
) -> Finding {
    let failed = |reason| Finding { result: FindingResult::Fail(reason), ..Finding::new() };
    let token = outer.claims.string("opt").unwrap_or_default();
    let info = match certificate_url(token.as_bytes(), context.policy.tolerance) {
        Ok(info) => info,
        Err(reason) => return failed(reason),
    };
    let field = IdentityField { token: token.as_bytes(), info: info.as_deref(), alg: None, ppt: None };
    let mut buffers = Default::default();
    let mut inner = Candidate::new(&field, facts, context.policy, context.snapshot, &mut buffers);
    inner.check_alone(facts, context.policy, context.now);
    let linked = inner.passport.as_ref().is_none_or(|inner| outer.diverts(inner));
    inner.finding.record(Check::Dest, if linked { Ok(()) } else { Err(Reason::NestedMismatch) });
    match (inner.finding.ppt, depth) {
        (Some(Ppt::DivO), 0) => return failed(Reason::NestedMalformed),
        (Some(Ppt::DivO), _) => check_nested(&mut inner, depth - 1, facts, context, wanted),
        (Some(Ppt::Div), _) => return failed(Reason::DivChainIncomplete),
        (Some(ppt @ (Ppt::Rcd | Ppt::Rph | Ppt::Msg)), _) if !facts.kind().is_vouched_by(ppt) => {
            // The inner PASSporT does not attest the caller. The outer PASSporT therefore does not attest the caller either.
            return Finding { result: FindingResult::Ignored(Reason::UnsupportedPpt), ..Finding::new() };
        }
        (Some(Ppt::Base | Ppt::Shaken | Ppt::Rcd | Ppt::Rph | Ppt::Msg) | None, _) => {
            inner.check_own_credential(context, wanted);
        }
    }
    inner.finding
}

/// The `x5u` of a nested token. No header field contains it.
fn certificate_url(token: &[u8], tolerance: Tolerance) -> Result<Option<String>, Reason> {
    let Form::Full { header, .. } = Token::split(token)?.form() else { return Err(Reason::NestedMalformed) };
    let mut octets = DecodeBuffer::new();
    decode_part(header, tolerance, &mut octets)?;
    let header = Header::parse(octets.as_slice()).map_err(|_| Reason::HeaderMalformed)?;
    Ok(header.x5u.get().map(|x5u| x5u.decoded().into_owned()))
}
