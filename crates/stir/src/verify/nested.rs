//! `div-o`: a diversion that contains the original PASSporT in `opt` (RFC 8946 sections 5 and 6).
//!
//! The nested tokens of a field form a chain. All checks that need no certificate come first, from the outermost token to the
//! innermost. The certificates come next, and the signatures last. The first failure ends the checks of the chain.

use crate::base64url::{DecodeBuffer, Tolerance};
use crate::cert::snapshot::Snapshot;
use crate::passport::header::Header;
use crate::passport::ppt::Ppt;
use crate::passport::token::{Form, Token, decode_part};
use crate::reason::Reason;
use crate::verify::check::Check;
use crate::verify::facts::{Facts, IdentityField};
use crate::verify::field::{Candidate, TrustContext};
use crate::verify::policy::VerifyPolicy;
use crate::verify::verification::FindingResult;
use crate::verify::work::{MAX_TOKENS, SignatureResults, Wanted};

/// A token inside the token of an Identity header field.
pub(super) struct NestedToken {
    /// The number of the field.
    field: usize,
    token: Vec<u8>,
    /// The URL of the certificate. No header field contains it.
    info: Option<String>,
}

/// Takes the nested tokens out of every `div-o` that may still be valid. The outermost nested token of a field comes first. A
/// field with too many nested tokens fails, or is ignored.
pub(super) fn unpack(
    candidates: &mut [Candidate<'_>],
    facts: &Facts<'_>,
    policy: &VerifyPolicy,
) -> Vec<NestedToken> {
    let mut tokens = Vec::new();
    let mut room = MAX_TOKENS
        .saturating_sub(candidates.iter().filter(|candidate| !candidate.finding.is_settled()).count());
    for (field, outer) in candidates.iter_mut().enumerate() {
        if outer.finding.ppt != Some(Ppt::DivO) || outer.finding.is_settled() {
            continue;
        }
        let before = tokens.len();
        let mut next = opt(outer);
        while let Some(token) = next.take() {
            let depth = tokens.len() - before;
            if depth >= room {
                outer.finding.ignore(Reason::TooManyIdentities);
                break;
            }
            let info = match certificate_url(&token, policy.tolerance) {
                Ok(info) => info,
                Err(reason) => {
                    outer.nested_fault = Some(reason);
                    break;
                }
            };
            next = nested_opt(&token, info.as_deref(), facts, policy);
            if next.is_some() && depth >= MAX_NESTED {
                outer.nested_fault = Some(Reason::NestedMalformed);
                break;
            }
            tokens.push(NestedToken { field, token, info });
        }
        if outer.finding.is_settled() {
            tokens.truncate(before);
        }
        room = room.saturating_sub(tokens.len() - before);
    }
    tokens
}

/// The largest number of `div-o` PASSporTs inside a `div-o`.
const MAX_NESTED: usize = 4;

/// The nested token of a `div-o`.
fn opt(candidate: &Candidate<'_>) -> Option<Vec<u8>> {
    let is_nesting = candidate.finding.ppt == Some(Ppt::DivO);
    let passport = candidate.passport.as_ref().filter(|_| is_nesting)?;
    passport.claims.string("opt").map(|token| token.as_bytes().to_vec())
}

/// The token inside the nested token `token`.
fn nested_opt(token: &[u8], info: Option<&str>, facts: &Facts<'_>, policy: &VerifyPolicy) -> Option<Vec<u8>> {
    let (field, snapshot, mut buffers) =
        (IdentityField { token, info, alg: None, ppt: None }, Snapshot::default(), Default::default());
    opt(&Candidate::new(&field, facts, policy, &snapshot, &mut buffers))
}

/// The `x5u` of a nested token.
fn certificate_url(token: &[u8], tolerance: Tolerance) -> Result<Option<String>, Reason> {
    let Form::Full { header, .. } = Token::split(token)?.form() else { return Err(Reason::NestedMalformed) };
    let mut octets = DecodeBuffer::new();
    decode_part(header, tolerance, &mut octets)?;
    let header = Header::parse(octets.as_slice()).map_err(|_| Reason::HeaderMalformed)?;
    Ok(header.x5u.get().map(|x5u| x5u.decoded().into_owned()))
}

impl NestedToken {
    /// The token in the form of an Identity header field.
    pub(super) fn as_field(&self) -> IdentityField<'_> {
        IdentityField { token: &self.token, info: self.info.as_deref(), alg: None, ppt: None }
    }

    /// The number of the field that contains the token.
    pub(super) fn field(&self) -> usize {
        self.field
    }
}

/// A field with its nested tokens, the outermost first.
pub(super) struct Nest<'c, 'f, 'n> {
    pub(super) number: usize,
    pub(super) outer: &'c mut Candidate<'f>,
    pub(super) inner: &'c mut [Candidate<'n>],
}

impl Nest<'_, '_, '_> {
    /// Makes the checks of the nested tokens that need no certificate.
    pub(super) fn check_alone(&mut self, facts: &Facts<'_>, context: &TrustContext<'_>) {
        if self.outer.finding.is_settled() {
            return;
        }
        for depth in 0..self.inner.len() {
            let (above, rest) = self.inner.split_at_mut(depth);
            let Some(candidate) = rest.first_mut() else { return };
            candidate.check_alone(facts, context.policy, context.now);
            let linked = candidate.passport.as_ref().is_none_or(|own| match above.last() {
                Some(above) => above.passport.as_ref().is_none_or(|above| above.diverts(own)),
                None => self.outer.passport.as_ref().is_none_or(|outer| outer.diverts(own)),
            });
            candidate.finding.record(Check::Dest, if linked { Ok(()) } else { Err(Reason::NestedMismatch) });
            match candidate.finding.ppt {
                Some(Ppt::Div) => candidate.finding.result = FindingResult::Fail(Reason::DivChainIncomplete),
                Some(ppt @ (Ppt::Rcd | Ppt::Rph | Ppt::Msg)) if !facts.kind().is_vouched_by(ppt) => {
                    // The inner PASSporT does not attest the caller. The outer PASSporT therefore does not attest the caller
                    // either.
                    candidate.finding.result = FindingResult::Ignored(Reason::UnsupportedPpt);
                }
                Some(Ppt::DivO | Ppt::Base | Ppt::Shaken | Ppt::Rcd | Ppt::Rph | Ppt::Msg) | None => {}
            }
            if self.fail_with(depth) {
                return;
            }
        }
        if let Some(reason) = self.outer.nested_fault {
            self.outer.finding.record(Check::Extension, Err(reason));
        }
    }

    /// Checks the certificates, from the innermost token to the field itself.
    pub(super) fn check_certificates(&mut self, context: &TrustContext<'_>, wanted: &mut Wanted) {
        if self.outer.finding.is_settled() {
            return;
        }
        for depth in (0..self.inner.len()).rev() {
            if let Some(candidate) = self.inner.get_mut(depth) {
                candidate.check_certificate(context, wanted);
            }
            if self.fail_with(depth) {
                return;
            }
        }
        self.outer.check_certificate(context, wanted);
        self.wait();
    }

    /// Checks the signatures, from the innermost token to the field itself.
    pub(super) fn check_signatures(
        &mut self,
        context: &TrustContext<'_>,
        results: &mut SignatureResults,
        wanted: &mut Wanted,
    ) {
        if self.outer.finding.is_settled() {
            return;
        }
        for depth in (0..self.inner.len()).rev() {
            if let Some(candidate) = self.inner.get_mut(depth) {
                candidate.check_signature((self.number, depth + 1), context, results, wanted);
                if matches!(candidate.finding.result, FindingResult::Waiting(_)) {
                    return self.wait();
                }
            }
            if self.fail_with(depth) {
                return;
            }
        }
        if !self.inner.is_empty() {
            self.outer.finding.record(Check::Extension, Ok(()));
        }
        self.outer.check_signature((self.number, 0), context, results, wanted);
        if let Some(innermost) = self.inner.last().filter(|_| !self.outer.finding.is_settled()) {
            self.outer.finding.attestation = innermost.finding.attestation;
            self.outer.finding.origid = innermost.finding.origid;
        }
    }

    /// Gives a failure of the nested token at `depth` to the field. Returns whether the token has failed.
    fn fail_with(&mut self, depth: usize) -> bool {
        match self.inner.get(depth).map(|candidate| candidate.finding.result) {
            Some(FindingResult::Fail(reason)) => self.outer.finding.record(Check::Extension, Err(reason)),
            Some(FindingResult::Ignored(reason)) => self.outer.finding.ignore(reason),
            Some(FindingResult::Pass | FindingResult::Waiting(_)) | None => return false,
        }
        true
    }

    /// Lets the field wait for the certificates of its nested tokens.
    fn wait(&mut self) {
        let mut results = self.inner.iter().rev().map(|candidate| candidate.finding.result);
        let waiting = results.find(|result| matches!(result, FindingResult::Waiting(_)));
        if let Some(waiting) = waiting
            && !self.outer.finding.is_settled()
        {
            self.outer.finding.result = waiting;
        }
    }
}
