//! Removes the claims in a message for which its sender is not trusted.

use std::collections::BTreeSet;

use attesta_sip::{Headers, Name, Reason as ReasonHeader, Request};
use attesta_stir::Verstat;

use crate::identity::facts::field;
use crate::identity::verstat;
use crate::trunk::rules::Trusts;

/// Removes the header fields about the party at the other end for which the sender is not trusted. From stays, since
/// From belongs to the dialog.
pub(crate) fn strip_untrusted(headers: &mut Headers, trusts: Trusts) {
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
        set_verstat(headers, Name::PAssertedIdentity, |_| None);
        set_verstat(headers, Name::PPreferredIdentity, |_| None);
    }
}

/// Removes from a response the Reason values about PASSporTs that the caller did not send. Those PASSporTs are ours,
/// and the caller must not be told about them (RFC 9410 section 7). Returns true if there was such a value.
pub(crate) fn keep_own_reasons(headers: &mut Headers, invite: &Request) -> bool {
    if !headers.contains(Name::Reason) {
        return false;
    }
    // Both peers choose how many values there are, so each value is read once only.
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
    let received = headers.values(Name::Reason).count();
    let kept: Vec<_> = headers.values(Name::Reason).filter(|value| !is_foreign(value)).collect();
    if kept.len() == received {
        return false;
    }
    let kept = kept.join(&b", "[..]);
    headers.remove(Name::Reason);
    if !kept.is_empty() {
        headers.push(Name::Reason, kept);
    }
    true
}

/// The last part of a PASSporT in full or compact form. Quotes around the PASSporT are dropped.
pub(crate) fn signature_of(passport: &[u8]) -> &[u8] {
    let bare = passport.strip_prefix(b"\"").unwrap_or(passport);
    let bare = bare.strip_suffix(b"\"").unwrap_or(bare);
    bare.rsplit(|octet| *octet == b'.').next().unwrap_or_default()
}

/// Removes every `verstat` from the addresses of a header field, and adds what `verstat` returns for each address. A
/// value that is not an address is removed: another reader may find a `verstat` in it.
pub(crate) fn set_verstat(headers: &mut Headers, name: Name, verstat: impl Fn(&[u8]) -> Option<Verstat>) {
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

/// Header fields with which a network tells its own nodes about its attestation (3GPP TS 24.229, ATIS-1000082).
const ATTEST_HEADERS: [&str; 5] = [
    "P-Attestation-Indicator",
    "P-Origination-ID",
    "P-Identity-Bypass",
    "Attestation-Info",
    "Origination-Id",
];

/// The outcome of verifying the priority of a call (3GPP TS 24.229).
const PRIORITY_VERSTAT: &str = "Priority-Verstat";

/// The predecessor of P-Asserted-Identity, which many systems still read.
const REMOTE_PARTY: &str = "Remote-Party-ID";
