//! The identifier of a dialog.

use attesta_sip::{Name, Request, Response};
use bytes::Bytes;

use crate::headers::address::tag;

/// The identifier of a dialog without its Call-ID: our tag and the peer's tag. [`Owners`](crate::owners::Owners) checks
/// the Call-ID of each request in a dialog (RFC 3261 section 12).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct DialogId {
    pub(crate) local: Bytes,
    pub(crate) remote: Bytes,
}

impl DialogId {
    /// The dialog that a request belongs to: its To tag is ours, its From tag is the peer's. `None`: the request is
    /// outside any dialog.
    pub(crate) fn of_request(request: &Request) -> Option<Self> {
        let local = tag(request.headers().get(Name::To)?)?;
        Some(Self { local, remote: tag(request.headers().get(Name::From)?).unwrap_or_default() })
    }

    /// The dialog that a response to our request belongs to: its From tag is ours, its To tag is the peer's. A peer of
    /// RFC 2543 has no tag (RFC 3261 section 12.1.2).
    pub(crate) fn of_response(response: &Response) -> Option<Self> {
        let local = tag(response.headers().get(Name::From)?)?;
        Some(Self { local, remote: tag(response.headers().get(Name::To)?).unwrap_or_default() })
    }
}
