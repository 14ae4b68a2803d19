//! The responses that the endpoint sends by itself.

use attesta_sip::{Message, Name, Response, Status, To};
use bytes::Bytes;

use crate::config::Config;
use crate::flow::Flow;
use crate::route;

/// Adds a To tag to a response without one (RFC 3261 section 8.2.6.2).
pub(crate) fn tag(response: &mut Response, tag: &[u8]) {
    let headers = response.headers_mut();
    let untagged = headers.get(Name::To).filter(|to| To::parse(to).is_ok_and(|to| to.tag().is_none()));
    if let Some(to) = untagged {
        let to = [to, b";tag=", tag].concat();
        headers.set(Name::To, to);
    }
}

/// A request as received, kept for a possible 100.
#[derive(Clone, Debug)]
pub(crate) struct Unanswered {
    pub(crate) data: Bytes,
    pub(crate) source: Flow,
}

impl Unanswered {
    /// The 100 (RFC 3261 section 8.2.6.1). It has no To tag from us.
    pub(crate) fn trying(&self, config: &Config) -> Option<Bytes> {
        match Message::parse(self.data.clone(), config.reading_limits()).ok()? {
            Message::Request(mut request) => {
                route::stamp(request.headers_mut(), self.source.remote);
                Some(Response::to_request(&request, Status::TRYING).to_bytes())
            }
            Message::Response(_) => None,
        }
    }
}
