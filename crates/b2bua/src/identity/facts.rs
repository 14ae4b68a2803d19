//! The facts of a message. Verification compares each PASSporT with these facts.

use attesta_sip::{Date, Headers, Identity as IdentityHeader, Method, Name, NameAddr, Request};
use attesta_stir::cert::Snapshot;
use attesta_stir::{
    Facts, Finding as StirFinding, Fingerprint, Identity, IdentityField, SignatureResults, UnixTime,
    Verification, Verifier, VerifyPolicy,
};

use crate::trunk::Trunk;

/// Verifies the Identity header fields of `request`, which came from `trunk` (RFC 8224 section 6.2).
///
/// The request must be unchanged since it was received: after a rewrite, the signature no longer matches.
#[must_use]
pub fn verify(
    request: &Request,
    trunk: &Trunk,
    verifier: &Verifier,
    snapshot: &Snapshot,
    now: UnixTime,
) -> Verification {
    verify_with(request, trunk, verifier, snapshot, now, &mut SignatureResults::default())
}

/// As [`verify()`], for a request that may be verified several times. `results` keeps the results of its signature checks.
pub(crate) fn verify_with(
    request: &Request,
    trunk: &Trunk,
    verifier: &Verifier,
    snapshot: &Snapshot,
    now: UnixTime,
    results: &mut SignatureResults,
) -> Verification {
    with_facts(request, trunk, |facts| verifier.verify_with(facts, snapshot, now, results))
}

/// Runs the checks on the Identity header fields of `request` that need no certificate, and returns their results. For
/// tools that explain a request and do not verify it.
#[must_use]
pub fn examine(request: &Request, trunk: &Trunk, policy: &VerifyPolicy, now: UnixTime) -> Vec<StirFinding> {
    with_facts(request, trunk, |facts| attesta_stir::examine(facts, policy, now))
}

/// Calls `look` with the facts of `request`, which came from `trunk`.
fn with_facts<T>(request: &Request, trunk: &Trunk, look: impl FnOnce(&Facts<'_>) -> T) -> T {
    let headers = request.headers();
    let fields: Vec<_> = headers.values(Name::Identity).map(field).collect();
    // Only one caller is compared. With several asserted numbers, a signature for one number would cover the other
    // numbers too.
    let orig = judged(headers, trunk);
    // A call is often retargeted without a div PASSporT, so the PASSporT may name the Request-URI instead of To.
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

/// The caller to verify: the asserted identity if the trunk is trusted for it, else From (RFC 8224 section 8). If there
/// are several asserted identities, a number is preferred to other URIs.
pub(crate) fn judged(headers: &Headers, trunk: &Trunk) -> Option<Identity> {
    let mut asserted = Vec::new();
    if trunk.trusts.asserted_identity {
        asserted.extend(headers.values(Name::PAssertedIdentity).filter_map(|value| caller(value, trunk)));
    }
    asserted.sort_by_key(|identity| identity.tn().is_none());
    asserted.into_iter().next().or_else(|| from(headers, trunk))
}

pub(crate) fn from(headers: &Headers, trunk: &Trunk) -> Option<Identity> {
    caller(headers.get(Name::From)?, trunk)
}

pub(crate) fn caller(address: &[u8], trunk: &Trunk) -> Option<Identity> {
    Identity::caller(NameAddr::parse(address).ok()?.uri().as_bytes(), &trunk.dial_plan).ok()
}

/// The called party: To (RFC 8224 section 4.1).
pub(crate) fn callee(headers: &Headers, trunk: &Trunk) -> Option<Identity> {
    let to = NameAddr::parse(headers.get(Name::To)?).ok()?;
    Identity::callee(to.uri().as_bytes(), &trunk.dial_plan).ok()
}

/// The `a=fingerprint` lines of a body, in any part of it (RFC 8122 section 5).
fn fingerprints(body: &[u8]) -> Vec<Fingerprint<'_>> {
    let lines = body.split(|octet| *octet == b'\n').filter_map(|line| line.strip_prefix(FINGERPRINT));
    lines.map(fingerprint).collect()
}

/// An unreadable line becomes a fingerprint that no PASSporT lists.
fn fingerprint(line: &[u8]) -> Fingerprint<'_> {
    let words = str::from_utf8(line).ok().and_then(|line| line.trim().split_once(' '));
    let (alg, digest) = words.unwrap_or_default();
    Fingerprint { alg, digest: digest.trim_start() }
}

/// The values of Resource-Priority (RFC 4412 section 3.1). A value that is not text becomes empty, which no PASSporT
/// contains.
fn priorities(headers: &Headers) -> Vec<&str> {
    headers.values(Name::ResourcePriority).map(|value| str::from_utf8(value).unwrap_or_default()).collect()
}

pub(crate) fn date_of(headers: &Headers) -> Option<UnixTime> {
    let date = Date::parse(headers.get(Name::Date)?).ok()?;
    Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(date.unix())))
}

/// The parameters of an Identity value. If the value cannot be parsed, all of it becomes the token, which then counts
/// as malformed.
pub(crate) fn field(value: &[u8]) -> IdentityField<'_> {
    match IdentityHeader::parse(value) {
        Ok(parsed) => {
            IdentityField { token: parsed.token(), info: parsed.info(), alg: parsed.alg(), ppt: parsed.ppt() }
        }
        Err(_) => IdentityField { token: value, ..IdentityField::default() },
    }
}

const FINGERPRINT: &[u8] = b"a=fingerprint:";

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
