//! From, To, P-Asserted-Identity and Date to STIR and back: when a call is verified, what that does to it, and what is signed.
//!
//! **Verify before rewrite** holds by type: a [`Received`] request can be read but not changed, and only the outcome of
//! verification, or the trunk's word that there is none, turns it into an [`Offer`], from which the INVITE that leaves is
//! made.

use std::collections::BTreeSet;
use std::sync::Arc;

use attesta_sip::{
    Date, Headers, Identity as IdentityHeader, Method, Name, NameAddr, Reason as ReasonHeader, Request,
    Status,
};
use attesta_stir::cert::Snapshot;
use attesta_stir::{
    Attestation, Facts, Finding as StirFinding, FindingResult, Fingerprint, Identity, IdentityField, OrigId,
    Ppt, Reason, Shaken, SignError as KeyError, Signer, UnixTime, Verification, Verifier, VerifyPolicy,
    Verstat,
};
use attesta_transaction::{CallId, Tag};
use bytes::Bytes;

use crate::bridge;
use crate::config::TrunkEntry;
use crate::dialog;
use crate::trunk::{Consequence, InboundIdentity, Outcomes, Trunk, Trusts};
use crate::verstat;

/// A request as it was received: nothing in it has been changed, and nothing can be.
#[derive(Debug)]
pub(crate) struct Received(Box<Request>);

impl Received {
    pub(crate) fn new(request: Request) -> Self {
        Self(Box::new(request))
    }

    pub(crate) fn request(&self) -> &Request {
        &self.0
    }

    /// Verifies the Identity header fields by the facts of the message (RFC 8224 section 6.2).
    pub(crate) fn verify(
        &self,
        verifier: &Verifier,
        trunk: &Trunk,
        snapshot: &Snapshot,
        now: UnixTime,
    ) -> Verification {
        verify(&self.0, trunk, verifier, snapshot, now)
    }

    /// The outcome of verification, as the call is told of it.
    pub(crate) fn finding(&self, verification: Verification) -> Finding {
        let several = verification.findings().len() > 1;
        let tokens = self.0.headers().values(Name::Identity).map(|value| field(value).token);
        let failures =
            verification.findings().iter().zip(tokens).filter_map(|(finding, token)| {
                match finding.result() {
                    FindingResult::Fail(reason) => Some(reason_value(reason, several.then_some(token))),
                    FindingResult::Pass | FindingResult::Ignored(_) | FindingResult::Waiting(_) => None,
                }
            });
        let reasons = failures.collect();
        Finding { verification: Arc::new(verification), reasons }
    }

    /// The call goes on with this outcome.
    pub(crate) fn judged(self, finding: &Finding, ingress: &Arc<TrunkEntry>) -> Offer {
        let is_shaken = |finding: &attesta_stir::Finding| finding.ppt() == Some(Ppt::Shaken);
        let covered = finding.verification.findings().iter().any(is_shaken);
        let verstat = Some(finding.verification.verstat());
        Offer { request: self.0, ingress: ingress.clone(), verstat, covered }
    }

    /// The call goes on unverified, as its trunk says.
    pub(crate) fn unjudged(self, ingress: &Arc<TrunkEntry>) -> Offer {
        let strips = ingress.trunk.inbound_identity == InboundIdentity::Strip;
        let is_shaken = |ppt| Ppt::from_name(ppt) == Some(Ppt::Shaken);
        let covered = !strips
            && self.0.headers().values(Name::Identity).any(|value| field(value).ppt.is_some_and(is_shaken));
        Offer { request: self.0, ingress: ingress.clone(), verstat: None, covered }
    }
}

/// Verifies the Identity header fields of `request`, as those of a call from `trunk` are (RFC 8224 section 6.2).
///
/// The request must be as it was received: what is rewritten first no longer verifies.
#[must_use]
pub fn verify(
    request: &Request,
    trunk: &Trunk,
    verifier: &Verifier,
    snapshot: &Snapshot,
    now: UnixTime,
) -> Verification {
    with_facts(request, trunk, |facts| verifier.verify(facts, snapshot, now))
}

/// Looks at the Identity header fields of `request` without asking who signed them, for those who explain rather than
/// judge: what comes of the checks that need no certificate.
#[must_use]
pub fn examine(request: &Request, trunk: &Trunk, policy: &VerifyPolicy, now: UnixTime) -> Vec<StirFinding> {
    with_facts(request, trunk, |facts| attesta_stir::examine(facts, policy, now))
}

/// Gives `look` the facts of `request`, as those of a call from `trunk` are.
fn with_facts<T>(request: &Request, trunk: &Trunk, look: impl FnOnce(&Facts<'_>) -> T) -> T {
    let headers = request.headers();
    let fields: Vec<_> = headers.values(Name::Identity).map(field).collect();
    // One caller: of several asserted numbers, each would stand for all that the other is vouched for.
    let orig = judged(headers, trunk);
    // A retarget without a div PASSporT is common: the Request-URI may be named in place of To.
    let target = Identity::callee(request.uri(), &trunk.dial_plan).ok();
    let dest: Vec<_> = callee(headers, trunk).into_iter().chain(target.clone()).collect();
    let mut facts = Facts::new(&fields).orig(orig.as_slice()).dest(&dest);
    if let Some(target) = &target {
        facts = facts.target(target);
    }
    if let Some(date) = date_of(headers) {
        facts = facts.date(date);
    }
    let (fingerprints, priorities) = (fingerprints(request.body()), priorities(headers));
    facts = facts.fingerprints(&fingerprints).resource_priority(&priorities);
    if let Some(priority) = headers.get(Name::Priority).and_then(|value| str::from_utf8(value).ok()) {
        facts = facts.priority(priority);
    }
    if *request.method() == Method::Message {
        facts = facts.body(request.body());
    }
    look(&facts)
}

/// The outcome of the verification of one call.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) verification: Arc<Verification>,
    /// What the caller's side is told where the call goes on all the same: a Reason value for each Identity header field
    /// that failed (RFC 9410 sections 3 and 5).
    pub(crate) reasons: Vec<String>,
}

impl Finding {
    /// What the trunk's table says to this outcome.
    pub(crate) fn consequence(&self, outcomes: &Outcomes) -> Consequence {
        match self.verification.reason() {
            None if self.verification.vouches() => Consequence::Continue,
            // What is valid says something else than who calls, and no call is let in for that (ADR 6).
            None | Some(Reason::NoIdentity | Reason::UnsupportedPpt) => outcomes.missing,
            Some(Reason::CertificateUnavailable | Reason::CertificateUnparsable) => outcomes.unavailable,
            Some(Reason::NoNumber) => outcomes.no_number,
            Some(_) => outcomes.failed,
        }
    }

    /// The status and phrase of RFC 8224 section 6.2.2; 403 where policy refuses a call that verified.
    pub(crate) fn rejection(&self) -> (Status, Option<&'static str>) {
        let reason = match self.verification.reason() {
            None if !self.verification.vouches() => Some(Reason::UnsupportedPpt),
            reason => reason,
        };
        let status = reason.and_then(|reason| Status::new(reason.code()));
        (status.unwrap_or(Status::FORBIDDEN), reason.map(Reason::phrase))
    }
}

/// A call that may go on: the caller's INVITE, and what is to be said of it to whoever is called.
#[derive(Debug)]
pub(crate) struct Offer {
    request: Box<Request>,
    /// The trunk that it came from, whose rules say what is believed of it.
    ingress: Arc<TrunkEntry>,
    verstat: Option<Verstat>,
    covered: bool,
}

impl Offer {
    fn trunk(&self) -> &Trunk {
        &self.ingress.trunk
    }

    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// The INVITE or MESSAGE that leaves (RFC 3261 section 8.1.1): everything of ours is new, all else is bridged. From, To and
    /// P-Asserted-Identity stay what they were, but for the `verstat`.
    pub(crate) fn leave(
        &self,
        uri: Bytes,
        tag: &Tag,
        call_id: &CallId,
        contact: &str,
        strips: bool,
    ) -> Request {
        let received = self.request.headers();
        let method = self.request.method();
        let mut outgoing = Request::new(method.clone(), uri);
        let headers = outgoing.headers_mut();
        let from = received.get(Name::From).unwrap_or_default();
        headers.push(Name::From, dialog::tagged(from, tag));
        headers.push(Name::To, dialog::untagged(received.get(Name::To).unwrap_or_default()));
        headers.push(Name::CallId, call_id);
        headers.push(Name::CSeq, format!("{} {method}", dialog::FIRST_SEQ));
        let forwards = bridge::forwards(received).unwrap_or(attesta_sip::MaxForwards(0));
        bridge::request(&self.request, &mut outgoing, forwards, contact);
        self.vouch(outgoing.headers_mut(), strips);
        outgoing
    }

    /// Takes out what is not believed, and says what verification found.
    fn vouch(&self, headers: &mut Headers, strips: bool) {
        let trusts = self.trunk().trusts;
        if strips || self.trunk().inbound_identity == InboundIdentity::Strip {
            headers.remove(Name::Identity);
        }
        let trusts = Trusts { verstat: trusts.verstat && self.verstat.is_none(), ..trusts };
        disbelieve(headers, trusts);
        if !trusts.verstat {
            remark(headers, Name::From, |_| None);
        }
        if self.verstat.is_none() {
            return;
        }
        // 3GPP TS 24.229: the asserted identity carries the outcome, From where there is none. It is that of one caller.
        let judged = judged(self.request.headers(), self.trunk());
        let is_judged = |value: &[u8]| caller(value, self.trunk()) == judged;
        let asserted = headers.values(Name::PAssertedIdentity).any(is_judged);
        let name = if asserted { Name::PAssertedIdentity } else { Name::From };
        remark(headers, name, |value| self.verstat.filter(|_| !asserted || is_judged(value)));
    }

    /// Puts our signature into the INVITE that leaves. What verification found of the one that came goes: `verstat` is for
    /// consumers on our side, and whoever gets a call that we sign judges that signature.
    pub(crate) fn seal(&self, headers: &mut Headers, identity: &[u8]) {
        if self.verstat.is_some() {
            remark(headers, Name::From, |_| None);
            remark(headers, Name::PAssertedIdentity, |_| None);
        }
        headers.push(Name::Identity, identity);
    }

    /// Whether a shaken Identity that stays in the call vouches for it already (RFC 8224 section 6.1): one that failed does,
    /// since another signature beside it would hide that.
    pub(crate) const fn is_covered(&self) -> bool {
        self.covered
    }

    /// How well the trunk of origin knows the caller; `None`: the call is not signed, which holds for every caller without
    /// a number. Full attestation needs both the asserted and the displayed number to be the trunk's.
    pub(crate) fn attestation(&self) -> Option<Attestation> {
        let headers = self.request.headers();
        let number = *judged(headers, self.trunk())?.tn()?;
        let displayed = from(headers, self.trunk());
        let displayed = displayed.as_ref().and_then(Identity::tn).copied().unwrap_or(number);
        let own = |number| self.trunk().numbers.contains(number);
        if own(&number) && own(&displayed) { self.trunk().attest } else { self.trunk().unknown_attest }
    }

    /// What a signature is to say. `iat` is the Date, where that is fresh, else the clock (RFC 8224 section 4.1).
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

/// What the Identity header field of a call that leaves is to say (RFC 8588).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// How well the caller is known.
    pub attestation: Attestation,
    /// Who calls.
    pub orig: Identity,
    /// Who is called.
    pub dest: Vec<Identity>,
    /// When, in whole seconds.
    pub issued_at: UnixTime,
    /// What tells this origin from others.
    pub origid: OrigId,
}

impl Claims {
    pub(crate) fn sign(&self, signer: &Signer) -> Result<Vec<u8>, KeyError> {
        let Self { attestation, orig, dest, issued_at, origid } = self;
        let mut value = Vec::with_capacity(IDENTITY_ROOM);
        let claims = Shaken { attest: *attestation, dest, iat: *issued_at, orig, origid: *origid };
        signer.sign_shaken(&claims, &mut value)?;
        Ok(value)
    }
}

/// Sets Date where a request comes without one that can be read and is fresh (RFC 8224 section 6.1, step 3).
pub(crate) fn date(outgoing: &mut Request, now: UnixTime) {
    if !date_of(outgoing.headers()).is_some_and(|date| is_fresh(date, now))
        && let Some(date) = Date::from_unix(now.as_secs())
    {
        outgoing.headers_mut().set(Name::Date, date.to_string());
    }
}

fn is_fresh(date: UnixTime, now: UnixTime) -> bool {
    date.as_secs().abs_diff(now.as_secs()) <= FRESHNESS
}

/// What an outside signer gave, if it can stand in an Identity header field.
pub(crate) fn checked(value: Bytes) -> Option<Bytes> {
    let printable = value.iter().all(|octet| (0x20..0x7f).contains(octet));
    (printable && IdentityHeader::parse(&value).is_ok()).then_some(value)
}

/// Takes out of a message what its sender is not believed to know of who is at the other end. From is the dialog's.
pub(crate) fn disbelieve(headers: &mut Headers, trusts: Trusts) {
    headers.retain(|field| match field.name() {
        Some(Name::PAssertedIdentity | Name::PPreferredIdentity) => trusts.asserted_identity,
        Some(Name::Diversion | Name::HistoryInfo) => trusts.diversion,
        Some(_) => true,
        None if field.is_named(REMOTE_PARTY) => {
            trusts.asserted_identity && (trusts.verstat || !verstat::is_mentioned(field.value()))
        }
        None if field.is_named(PRIORITY_VERSTAT) => trusts.verstat,
        None => trusts.attest_headers || !ATTEST_HEADERS.iter().any(|name| field.is_named(name)),
    });
    if !trusts.verstat {
        remark(headers, Name::PAssertedIdentity, |_| None);
        remark(headers, Name::PPreferredIdentity, |_| None);
    }
}

/// Takes out of a response what it says of PASSporTs that the caller did not send: they are ours, and the caller is not to
/// hear of them (RFC 9410 section 7). Whether there was any.
pub(crate) fn keep_own_blame(headers: &mut Headers, invite: &Request) -> bool {
    // Both sides choose how many values there are, so each is looked at once.
    let own: BTreeSet<&[u8]> =
        invite.headers().values(Name::Identity).map(|value| signature_of(field(value).token)).collect();
    let is_foreign = |value: &&[u8]| {
        ReasonHeader::parse(value).is_ok_and(|reason| {
            reason.is_protocol("STIR")
                && match reason.params().value("ppi") {
                    None => own.is_empty(),
                    Some(passport) => !own.contains(signature_of(passport)),
                }
        })
    };
    let told = headers.values(Name::Reason).count();
    let kept: Vec<_> = headers.values(Name::Reason).filter(|value| !is_foreign(value)).collect();
    if kept.len() == told {
        return false;
    }
    let kept = kept.join(&b", "[..]);
    headers.remove(Name::Reason);
    if !kept.is_empty() {
        headers.push(Name::Reason, kept);
    }
    true
}

/// The last part of a PASSporT in full or compact form, with or without quotes around it.
fn signature_of(passport: &[u8]) -> &[u8] {
    let bare = passport.strip_prefix(b"\"").unwrap_or(passport);
    let bare = bare.strip_suffix(b"\"").unwrap_or(bare);
    bare.rsplit(|octet| *octet == b'.').next().unwrap_or_default()
}

/// Who calls: the asserted identity where the trunk is trusted with it, a number before other URIs; else From
/// (RFC 8224 section 8).
pub(crate) fn judged(headers: &Headers, trunk: &Trunk) -> Option<Identity> {
    let mut asserted = Vec::new();
    if trunk.trusts.asserted_identity {
        asserted.extend(headers.values(Name::PAssertedIdentity).filter_map(|value| caller(value, trunk)));
    }
    asserted.sort_by_key(|identity| identity.tn().is_none());
    asserted.into_iter().next().or_else(|| from(headers, trunk))
}

fn from(headers: &Headers, trunk: &Trunk) -> Option<Identity> {
    caller(headers.get(Name::From)?, trunk)
}

fn caller(address: &[u8], trunk: &Trunk) -> Option<Identity> {
    Identity::caller(NameAddr::parse(address).ok()?.uri().as_bytes(), &trunk.dial_plan).ok()
}

/// Who is called: To (RFC 8224 section 4.1).
pub(crate) fn callee(headers: &Headers, trunk: &Trunk) -> Option<Identity> {
    let to = NameAddr::parse(headers.get(Name::To)?).ok()?;
    Identity::callee(to.uri().as_bytes(), &trunk.dial_plan).ok()
}

/// The `a=fingerprint` lines of a body, in whatever part of it they stand (RFC 8122 section 5).
fn fingerprints(body: &[u8]) -> Vec<Fingerprint<'_>> {
    let lines = body.split(|octet| *octet == b'\n').filter_map(|line| line.strip_prefix(FINGERPRINT));
    lines.map(fingerprint).collect()
}

/// What cannot be read is a fingerprint that no PASSporT lists.
fn fingerprint(line: &[u8]) -> Fingerprint<'_> {
    let words = str::from_utf8(line).ok().and_then(|line| line.trim().split_once(' '));
    let (alg, digest) = words.unwrap_or_default();
    Fingerprint { alg, digest: digest.trim_start() }
}

/// The values of Resource-Priority (RFC 4412 section 3.1). One that is not text is in no PASSporT.
fn priorities(headers: &Headers) -> Vec<&str> {
    headers.values(Name::ResourcePriority).map(|value| str::from_utf8(value).unwrap_or_default()).collect()
}

fn date_of(headers: &Headers) -> Option<UnixTime> {
    let date = Date::parse(headers.get(Name::Date)?).ok()?;
    Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(date.unix())))
}

/// An Identity value cut into its parameters. One that cannot be cut is all token, which is then found to be malformed.
fn field(value: &[u8]) -> IdentityField<'_> {
    match IdentityHeader::parse(value) {
        Ok(parsed) => {
            IdentityField { token: parsed.token(), info: parsed.info(), alg: parsed.alg(), ppt: parsed.ppt() }
        }
        Err(_) => IdentityField { token: value, ..IdentityField::default() },
    }
}

/// A Reason value (RFC 9410 section 3); of several Identity header fields each is named by its PASSporT in compact form
/// (RFC 9410 section 5).
fn reason_value(reason: Reason, token: Option<&[u8]>) -> String {
    let mut value = format!("STIR;cause={};text=\"{}\"", reason.code(), reason.phrase());
    let signature = token.map(signature_of);
    let is_base64url = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    if let Some(signature) = signature.filter(|signature| signature.iter().all(is_base64url)) {
        value.push_str(&format!(";ppi=\"..{}\"", String::from_utf8_lossy(signature)));
    }
    value
}

/// Takes every `verstat` out of the addresses of a header, and puts in what is said of each now. What is no address goes:
/// somebody else may read in it what we cannot.
fn remark(headers: &mut Headers, name: Name, verstat: impl Fn(&[u8]) -> Option<Verstat>) {
    let values: Vec<Vec<u8>> =
        headers.values(name).filter_map(|value| verstat::mark(value, verstat(value))).collect();
    if headers.values(name).eq(values.iter().map(Vec::as_slice)) {
        return;
    }
    if values.is_empty() {
        headers.remove(name);
    } else {
        headers.set(name, values.join(&b", "[..]));
    }
}

/// Header fields in which a network tells its own nodes what it attests (3GPP TS 24.229, ATIS-1000082).
const ATTEST_HEADERS: [&str; 5] = [
    "P-Attestation-Indicator",
    "P-Origination-ID",
    "P-Identity-Bypass",
    "Attestation-Info",
    "Origination-Id",
];

/// What verification found of a call's priority (3GPP TS 24.229).
const PRIORITY_VERSTAT: &str = "Priority-Verstat";

/// What P-Asserted-Identity was before it had that name, and what many still read.
const REMOTE_PARTY: &str = "Remote-Party-ID";

/// How far the Date may be from the clock for `iat` to follow it, in seconds (RFC 8224 section 4.1).
const FRESHNESS: u64 = 60;

const FINGERPRINT: &[u8] = b"a=fingerprint:";

/// Room for an Identity value.
const IDENTITY_ROOM: usize = 768;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_found_in_every_part_of_a_body() {
        let body = b"v=0\r\na=fingerprint:sha-256 AA:BB\r\nm=audio 9 RTP/SAVPF 0\r\n\
            a=fingerprint:sha-1  CC \nxa=fingerprint:sha-256 DD\r\na=fingerprint:\xff";
        let found: Vec<_> = fingerprints(body).iter().map(|found| (found.alg, found.digest)).collect();
        assert_eq!(found, [("sha-256", "AA:BB"), ("sha-1", "CC"), ("", "")]);
        assert!(fingerprints(b"").is_empty());
    }

    #[test]
    fn priorities_are_the_values_of_all_lines() {
        let mut headers = Headers::new();
        headers.push(Name::ResourcePriority, "esnet.1, ets.0");
        headers.push(Name::ResourcePriority, &b"\xff"[..]);
        assert_eq!(priorities(&headers), ["esnet.1", "ets.0", ""]);
    }
}
