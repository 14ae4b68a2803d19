//! Emergency calls.

use attesta_sip::{Name, NameAddr, Request, Uri};
use attesta_stir::{DialPlan, Identity};

use crate::config::Config;

/// True if a request calls an emergency service, by the URN of RFC 5031 or by a configured number.
///
/// The Request-URI decides. The To header field is used only if the Request-URI contains no number, for example after a
/// proxy has replaced the Request-URI with the address of the answering point.
/// A caller who writes `urn:service:sos` into To does not turn a call to an ordinary number into an emergency call.
pub(crate) fn is_emergency(config: &Config, request: &Request) -> bool {
    let number = |uri: &[u8]| Identity::callee(uri, &DialPlan::default()).ok()?.tn().copied();
    let named = |uri: &[u8]| {
        let by_urn = matches!(Uri::parse(uri), Ok(Uri::Absolute(uri)) if uri.is_emergency());
        by_urn || number(uri).is_some_and(|number| config.is_emergency(&number))
    };
    let to = request.headers().get(Name::To).and_then(|to| NameAddr::parse(to).ok());
    let meant = || number(request.uri()).is_none() && to.is_some_and(|to| named(to.uri().as_bytes()));
    named(request.uri()) || meant()
}
