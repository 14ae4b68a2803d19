//! What is believed of a message, and what is taken out of it.

use std::collections::BTreeSet;

use attesta_sip::{Headers, Name, Reason as ReasonHeader, Request};
use attesta_stir::Verstat;

use crate::identity::facts::field;
use crate::identity::verstat;
use crate::trunk::rules::Trusts;

/// Takes out of a message what its sender is not believed to know of who is at the other end. From is the dialog's.
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

/// Takes out of a response what it says of PASSporTs that the caller did not send: they are ours, and the caller is not to
/// hear of them (RFC 9410 section 7). Whether there was any.
pub(crate) fn keep_own_reasons(headers: &mut Headers, invite: &Request) -> bool {
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
pub(crate) fn signature_of(passport: &[u8]) -> &[u8] {
    let bare = passport.strip_prefix(b"\"").unwrap_or(passport);
    let bare = bare.strip_suffix(b"\"").unwrap_or(bare);
    bare.rsplit(|octet| *octet == b'.').next().unwrap_or_default()
}

/// Takes every `verstat` out of the addresses of a header, and puts in what is said of each now. What is no address goes:
/// somebody else may read in it what we cannot.
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
