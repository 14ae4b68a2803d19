//! SIP messages: parse, inspect, edit and print without loss.
//!
//! A [`Message`] keeps the datagram that it was read from. Header lines and the body are ranges of
//! the datagram. Typed values are parsed from these ranges on request. Unedited parts print as
//! received. Reading a message with up to 32 header lines allocates no memory.
//!
//! The crate separates three tasks. [`Message::parse`] finds the parts of a message, within
//! [`Limits`]. [`Rules`] find faults in a message and the status to answer. [`Framer`] splits a
//! byte stream into messages. None of them does input or output, and none reads a clock.
//!
//! # Parse
//!
//! ```
//! use attesta_sip::{From, Limits, Message, Name, Via};
//!
//! let datagram = &b"OPTIONS sip:example.com SIP/2.0\r\n\
//!     v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/TCP 192.0.2.2\r\n\
//!     From: \"Alice\" <sip:alice@example.com>;tag=88\r\n\
//!     t: <sip:example.com>\r\nCall-ID: 1\r\nCSeq: 7 OPTIONS\r\n\r\n"[..];
//! let message = Message::parse(datagram.into(), &Limits::default())?;
//! let from: From = message.headers().read().unwrap()?;
//! assert_eq!(from.tag(), Some(&b"88"[..]));
//! assert_eq!(message.headers().read_all::<Via>().count(), 2);
//! assert_eq!(message.headers().get(Name::To), Some(&b"<sip:example.com>"[..]));
//! assert_eq!(message.to_bytes(), datagram);
//! # Ok::<(), attesta_sip::ParseError>(())
//! ```
//!
//! # Check
//!
//! ```
//! use attesta_sip::{Limits, Message, Rules, UnreadableRequest, Status};
//!
//! let broken = &b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nCSeq: 7 BYE\r\n\r\n"[..];
//! let message = Message::parse(broken.into(), &Limits::default())?;
//! assert_eq!(Rules::default().check(&message).unwrap_err().answer(), Some(Status::BAD_REQUEST));
//!
//! let unreadable = &b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nnonsense\r\n\r\n"[..];
//! let error = Message::parse(unreadable.into(), &Limits::default()).unwrap_err();
//! let answer = UnreadableRequest::read(unreadable).and_then(|found| found.answer(&error)).unwrap();
//! assert_eq!(answer.status(), Status::BAD_REQUEST);
//! # Ok::<(), attesta_sip::ParseError>(())
//! ```
//!
//! # Edit
//!
//! ```
//! use attesta_sip::{Limits, Message, Name};
//!
//! let datagram = &b"BYE sip:a SIP/2.0\r\nv:  SIP/2.0/UDP a\r\nMax-Forwards: 70\r\nX-Odd : \xff\r\n\r\n"[..];
//! let mut message = Message::parse(datagram.into(), &Limits::default())?;
//! message.headers_mut().push_front(Name::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2");
//! message.headers_mut().set(Name::MaxForwards, "69");
//! assert_eq!(
//!     message.to_bytes(),
//!     &b"BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2\r\nv:  SIP/2.0/UDP a\r\n\
//!         Max-Forwards: 69\r\nX-Odd : \xff\r\nContent-Length: 0\r\n\r\n"[..]
//! );
//! # Ok::<(), attesta_sip::ParseError>(())
//! ```
//!
//! # Build and answer
//!
//! ```
//! use attesta_sip::{Method, Request, Response, Status};
//!
//! let request = Request::builder(Method::Options, "sip:carol@example.com")
//!     .via("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKhjhs8ass877")
//!     .from("<sip:alice@example.com>;tag=1928301774")
//!     .to("<sip:carol@example.com>")
//!     .call_id("a84b4c76e66710")
//!     .cseq(63_104)
//!     .build();
//! let mut response = Response::to_request(&request, Status::OK);
//! response.set_to_tag("93810874");
//! assert!(response.to_bytes().starts_with(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1"));
//! ```
//!
//! # Accepted forms that RFC 3261 does not allow
//!
//! A line feed alone may end a line, as in the messages of RFC 5118. A carriage return alone never
//! ends a line. If the start line ends with a line feed alone, the empty line at the end of the
//! message may be missing, and the body may be shorter than Content-Length says. After a comma, a
//! list may continue on the next line with `<`, even without white space. An unquoted display name
//! may hold escapes and all visible characters that are not delimiters. A host may hold `_`, and a
//! user part `#`. The list of any header may be empty. The text after the `=` of a parameter may be
//! empty. A status line may end after its code. This crate never produces these forms, but still
//! prints them as received.
//!
//! # rsip
//!
//! With the feature `rsip`, messages convert to and from rsip 0.4. rsip rejects compact headers, folds, IPv6, `tel:` and `urn:`
//! Request-URIs, unknown methods and octets that are not UTF-8. Therefore rsip cannot read all received messages. `RsipError`
//! is the reason for which a message does not convert.

mod builder;
mod compare;
mod error;
mod header;
mod host;
mod invalid;
mod lex;
mod limits;
mod mask;
mod message;
mod method;
mod param;
mod parse;
mod part;
mod reader;
mod reason_phrase;
mod request;
mod response;
#[cfg(feature = "rsip")]
mod rsip;
mod sdp;
mod status;
mod stream;
mod tel;
mod unreadable_request;
mod uri;
mod validate;
mod version;
mod writer;

pub use builder::{RequestBuilder, step};
pub use error::{Limit, ParseError, ParseErrorKind};
pub use header::address::{
    From, NameAddr, PAssertedIdentity, PPreferredIdentity, Path, RecordRoute, ReferTo, ReferredBy, ReplyTo,
    Route, ServiceRoute, To,
};
pub use header::authentication::{
    Authentication, Authorization, ProxyAuthenticate, ProxyAuthorization, WwwAuthenticate,
};
pub use header::call_id::CallId;
pub use header::call_info::{CallInfo, Geolocation};
pub use header::contact::Contact;
pub use header::content_disposition::ContentDisposition;
pub use header::cseq::CSeq;
pub use header::date::Date;
pub use header::diversion::Diversion;
pub use header::event::{Event, SubscriptionState};
pub use header::expires::{Expires, MaxBreadth, MinExpires, RSeq};
pub use header::field::Field;
pub use header::headers::Headers;
pub use header::history_info::HistoryInfo;
pub use header::identity::Identity;
pub use header::max_forwards::MaxForwards;
pub use header::media_type::{Accept, ContentType, MediaType};
pub use header::name::{Name, Shape};
pub use header::privacy::Privacy;
pub use header::rack::RAck;
pub use header::reason::Reason;
pub use header::replaces::Replaces;
pub use header::resource_priority::ResourcePriority;
pub use header::retry_after::RetryAfter;
pub use header::session_expires::{MinSe, Refresher, SessionExpires};
pub use header::text::{Organization, Server, Subject, UserAgent};
pub use header::timestamp::Timestamp;
pub use header::token::{Allow, ProxyRequire, Require, Supported, Unsupported};
pub use header::typed::Typed;
pub use header::values::Values;
pub use header::via::Via;
pub use header::warning::Warning;
pub use host::Host;
pub use invalid::{Invalid, InvalidKind};
pub use limits::Limits;
pub use message::Message;
pub use method::{Extension, Method};
pub use param::{Params, ParamsIter, unquote};
pub use reason_phrase::ReasonPhrase;
pub use request::Request;
pub use response::Response;
#[cfg(feature = "rsip")]
pub use rsip::RsipError;
pub use sdp::{Direction, Media, Origin, Sdp};
pub use status::Status;
pub use stream::{Frame, Framer, StreamError};
pub use tel::TelUri;
pub use unreadable_request::UnreadableRequest;
pub use uri::{AbsoluteUri, SipUri, Uri, unescape};
pub use validate::Rules;
pub use version::Version;
