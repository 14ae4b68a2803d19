//! The facts of one request, as received. A verification compares the claims with these facts.

use rustls_pki_types::UnixTime;

use crate::identity::Identity;
use crate::verify::verification::RequestKind;

/// The facts of one request. Read all facts from the message before you change the message.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub(super) identities: &'a [IdentityField<'a>],
    pub(super) orig: &'a [Identity],
    pub(super) dest: &'a [Identity],
    pub(super) target: Option<&'a Identity>,
    pub(super) date: Option<UnixTime>,
    pub(super) fingerprints: Option<&'a [Fingerprint<'a>]>,
    pub(super) resource_priority: &'a [&'a str],
    pub(super) priority: Option<&'a str>,
    pub(super) body: Option<&'a [u8]>,
}

impl<'a> Facts<'a> {
    /// The facts of a request with these Identity header fields, in their order.
    pub fn new(identities: &'a [IdentityField<'a>]) -> Self {
        Self {
            identities,
            orig: &[],
            dest: &[],
            target: None,
            date: None,
            fingerprints: None,
            resource_priority: &[],
            priority: None,
            body: None,
        }
    }

    /// The possible identities of the caller: P-Asserted-Identity if it is trusted, otherwise From. `orig` must be one of these
    /// identities. Default: empty, which is a caller without a number.
    pub fn orig(mut self, orig: &'a [Identity]) -> Self {
        self.orig = orig;
        self
    }

    /// The callees: the callee in the To header field, and other callees that the local policy adds. `dest` must
    /// contain one of these callees.
    pub fn dest(mut self, dest: &'a [Identity]) -> Self {
        self.dest = dest;
        self
    }

    /// The target of the request: the Request-URI. The last diversion must name this target (RFC 8946
    /// section 4.2).
    pub fn target(mut self, target: &'a Identity) -> Self {
        self.target = Some(target);
        self
    }

    /// The Date header field.
    pub fn date(mut self, date: UnixTime) -> Self {
        self.date = Some(date);
        self
    }

    /// The fingerprints of the session description. The list is empty if the description has none. `mky` must list the
    /// fingerprints (RFC 8225 section 5.2.2). Default: unknown, and `mky` is not compared.
    pub fn fingerprints(mut self, fingerprints: &'a [Fingerprint<'a>]) -> Self {
        self.fingerprints = Some(fingerprints);
        self
    }

    /// The values of the Resource-Priority header field, which `rph` must allow (RFC 8443 section 4.2).
    pub fn resource_priority(mut self, values: &'a [&'a str]) -> Self {
        self.resource_priority = values;
        self
    }

    /// The Priority header field, which `sph` must repeat (RFC 9027 section 4). Default: no such field.
    pub fn priority(mut self, priority: &'a str) -> Self {
        self.priority = Some(priority);
        self
    }

    /// The body of a MESSAGE. `msgi` contains its digest (RFC 9475 section 3.2). A request with this body is a message, and a
    /// `msg` PASSporT attests its sender. Default: the request is a call, and `msgi` is not compared.
    pub fn body(mut self, body: &'a [u8]) -> Self {
        self.body = Some(body);
        self
    }
}

impl<'a> Facts<'a> {
    /// The target of the request, or the callees if no target is set.
    pub(super) fn target_or_dest(&self) -> &'a [Identity] {
        self.target.map_or(self.dest, std::slice::from_ref)
    }

    pub(super) fn kind(&self) -> RequestKind {
        if self.body.is_some() { RequestKind::Message } else { RequestKind::Call }
    }
}

/// The largest number of Identity header fields that are verified in one request.
pub(super) const MAX_IDENTITIES: usize = 8;

/// One `a=fingerprint` line of a session description (RFC 8122 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint<'a> {
    /// The hash function, for example `sha-256`.
    pub alg: &'a str,
    /// The digest in hexadecimal, with or without colons.
    pub digest: &'a str,
}

/// One Identity header field value, split into its parameters (RFC 8224 section 4). The parameters have no quotes and angle
/// brackets.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdentityField<'a> {
    /// The PASSporT.
    pub token: &'a [u8],
    /// The `info` parameter.
    pub info: Option<&'a str>,
    /// The `alg` parameter.
    pub alg: Option<&'a str>,
    /// The `ppt` parameter.
    pub ppt: Option<&'a str>,
}
