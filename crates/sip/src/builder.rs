use std::marker::PhantomData;

use bytes::Bytes;

use crate::header::max_forwards::MaxForwards;
use crate::header::name::{Name, Shape};
use crate::method::Method;
use crate::request::Request;

/// Builds a request with all header fields that RFC 3261 section 8.1.1 requires. The builder asks
/// for the mandatory headers in a fixed order, and only a complete request can be built.
///
/// CSeq takes its method from the request line. Max-Forwards starts at 70. Content-Length is calculated from the body.
///
/// ```
/// use attesta_sip::{Method, Name, Request};
///
/// let request = Request::builder(Method::Options, "sip:carol@example.com")
///     .via("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKhjhs8ass877")
///     .from("<sip:alice@example.com>;tag=1928301774")
///     .to("<sip:carol@example.com>")
///     .call_id("a84b4c76e66710")
///     .cseq(63_104)
///     .header(Name::Accept, "application/sdp")
///     .build();
/// assert_eq!(request.headers().get(Name::CSeq), Some(&b"63104 OPTIONS"[..]));
/// ```
///
/// ```compile_fail
/// # use attesta_sip::{Method, Request};
/// let request = Request::builder(Method::Options, "sip:carol@example.com").build();
/// ```
#[derive(Clone, Debug)]
pub struct RequestBuilder<Next> {
    request: Request,
    next: PhantomData<Next>,
}

/// The steps of a [`RequestBuilder`], in order.
pub mod step {
    /// Via comes next.
    #[derive(Clone, Copy, Debug)]
    pub struct Via;
    /// From comes next.
    #[derive(Clone, Copy, Debug)]
    pub struct From;
    /// To comes next.
    #[derive(Clone, Copy, Debug)]
    pub struct To;
    /// Call-ID comes next.
    #[derive(Clone, Copy, Debug)]
    pub struct CallId;
    /// CSeq comes next.
    #[derive(Clone, Copy, Debug)]
    pub struct CSeq;
    /// All mandatory headers are set.
    #[derive(Clone, Copy, Debug)]
    pub struct Complete;
}

impl Request {
    /// Starts a request; see [`RequestBuilder`].
    pub fn builder(method: Method, uri: impl Into<Bytes>) -> RequestBuilder<step::Via> {
        RequestBuilder { request: Self::new(method, uri), next: PhantomData }
    }
}

impl<Next> RequestBuilder<Next> {
    fn with<Then>(mut self, name: Name, value: impl AsRef<[u8]>) -> RequestBuilder<Then> {
        self.request.headers_mut().push(name, value);
        RequestBuilder { request: self.request, next: PhantomData }
    }
}

impl RequestBuilder<step::Via> {
    /// The Via value of the sender: transport, host and branch.
    pub fn via(self, value: impl AsRef<[u8]>) -> RequestBuilder<step::From> {
        self.with(Name::Via, value)
    }
}

impl RequestBuilder<step::From> {
    /// The From value: the caller, with a tag.
    pub fn from(self, value: impl AsRef<[u8]>) -> RequestBuilder<step::To> {
        self.with(Name::From, value)
    }
}

impl RequestBuilder<step::To> {
    /// The To value: the callee, with a tag inside a dialog.
    pub fn to(self, value: impl AsRef<[u8]>) -> RequestBuilder<step::CallId> {
        self.with(Name::To, value)
    }
}

impl RequestBuilder<step::CallId> {
    /// The Call-ID value, which all requests of one call share.
    pub fn call_id(self, value: impl AsRef<[u8]>) -> RequestBuilder<step::CSeq> {
        self.with(Name::CallId, value)
    }
}

impl RequestBuilder<step::CSeq> {
    /// The sequence number, below 2^31. The highest bit is cleared.
    pub fn cseq(self, number: u32) -> RequestBuilder<step::Complete> {
        let value = format!("{} {}", number & (u32::MAX >> 1), self.request.method());
        self.with::<step::Complete>(Name::CSeq, value)
            .header(Name::MaxForwards, MaxForwards::DEFAULT.to_string())
    }
}

impl RequestBuilder<step::Complete> {
    /// Adds a header line. If the header may occur only once, the new line replaces the existing
    /// line.
    #[must_use]
    pub fn header(mut self, name: Name, value: impl AsRef<[u8]>) -> Self {
        match name.shape() {
            Shape::Single => self.request.headers_mut().set(name, value),
            Shape::List | Shape::Lines => self.request.headers_mut().push(name, value),
        }
        self
    }

    /// Sets the body and its Content-Type.
    #[must_use]
    pub fn body(mut self, content_type: impl AsRef<[u8]>, body: impl Into<Bytes>) -> Self {
        self.request.headers_mut().set(Name::ContentType, content_type);
        self.request.set_body(body);
        self
    }

    /// The request.
    pub fn build(self) -> Request {
        self.request
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::message::Message;
    use crate::validate::Rules;

    #[test]
    fn a_built_request_follows_the_rules() {
        let request = Request::builder(Method::Message, "sip:b@example.com")
            .via("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
            .from("<sip:a@example.com>;tag=1")
            .to("<sip:b@example.com>")
            .call_id("1")
            .cseq(u32::MAX)
            .header(Name::MaxForwards, "10")
            .body("text/plain", "hi")
            .build();
        assert_eq!(Rules::default().request(&request), Ok(()));
        assert_eq!(request.headers().get(Name::MaxForwards), Some(&b"10"[..]));
        let printed = request.to_bytes();
        let read = Message::parse(printed.clone(), &Limits::default()).unwrap();
        assert_eq!((read.body(), read.to_bytes()), (&b"hi"[..], printed));
        assert_eq!(read.headers().get(Name::CSeq), Some(&b"2147483647 MESSAGE"[..]));
    }
}
