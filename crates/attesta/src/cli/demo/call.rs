//! One call of the demonstration and its result.

use std::time::Duration;

use attesta_sip::{From, Identity, Name, NameAddr, PAssertedIdentity, Request, Uri};
use attesta_stir::Verstat;
use serde_json::{Map, Value};

use super::ladder::CapturedDatagram;
use super::phone::CallError;
use crate::cli::passport;

/// A placed call, successful or not.
pub(super) struct PlacedCall {
    /// The time until the answer, or the error.
    pub(super) set_up: Result<Duration, CallError>,
    /// The time until the end of the call.
    pub(super) lasted: Duration,
    /// The content of the INVITE at the callee.
    pub(super) received: Option<Received>,
    /// All captured datagrams, in order of time.
    pub(super) datagrams: Vec<CapturedDatagram>,
}

/// The information about the caller in the callee's INVITE.
pub(super) struct Received {
    /// The verdict of the verifying edge.
    pub(super) verstat: Option<String>,
    /// The PASSporT of the Identity header field, decoded.
    pub(super) passport: Option<Map<String, Value>>,
}

impl PlacedCall {
    pub(super) fn new(
        set_up: Result<Duration, CallError>,
        lasted: Duration,
        invite: Option<Request>,
        datagrams: Vec<CapturedDatagram>,
    ) -> Self {
        Self { set_up, lasted, received: invite.as_ref().map(Received::of), datagrams }
    }

    /// Returns true if the call was answered, and if the verdict in the callee's INVITE is that the number was verified.
    pub(super) fn is_verified(&self) -> bool {
        let verstat = self.received.as_ref().and_then(|received| received.verstat.as_deref());
        self.set_up.is_ok() && verstat == Some(Verstat::TnValidationPassed.as_str())
    }
}

impl Received {
    fn of(invite: &Request) -> Self {
        let headers = invite.headers();
        let asserted = headers.read::<PAssertedIdentity<'_>>().and_then(Result::ok);
        let from = headers.read::<From<'_>>().and_then(Result::ok);
        let verstat = asserted
            .and_then(|asserted| verstat_of(*asserted))
            .or_else(|| from.and_then(|from| verstat_of(*from)));
        let identity = headers.values(Name::Identity).next().and_then(|value| Identity::parse(value).ok());
        Self { verstat, passport: identity.and_then(|identity| passport::decode(identity.token())) }
    }
}

/// Returns the `verstat` parameter of a number. In a SIP URI the parameter precedes the `@` (3GPP TS 24.229 section
/// 7.2A.20).
fn verstat_of(address: NameAddr<'_>) -> Option<String> {
    let uri = address.uri();
    let parameters = match uri {
        Uri::Sip(sip) => sip.user()?,
        Uri::Tel(_) | Uri::Absolute(_) => uri.as_bytes(),
    };
    let parameter =
        parameters.split(|octet| *octet == b';').find_map(|parameter| parameter.strip_prefix(b"verstat="));
    parameter.map(|value| String::from_utf8_lossy(value).into_owned())
}
