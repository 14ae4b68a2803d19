//! SIP messages: parse, inspect, edit and print without loss.
//!
//! A [`Message`] keeps the datagram it was read from. Header lines and the body are ranges of it,
//! typed values are read from those ranges when they are asked for, and what is not edited prints
//! as it came.
//!
//! ```
//! use attesta_sip::{From, Limits, Message, Name};
//!
//! let datagram = &b"OPTIONS sip:example.com SIP/2.0\r\n\
//!     Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
//!     From: \"Alice\" <sip:alice@example.com>;tag=88\r\n\
//!     t: <sip:example.com>\r\nCall-ID: 1\r\nCSeq: 7 OPTIONS\r\n\r\n"[..];
//! let message = Message::parse(datagram.into(), &Limits::default())?;
//! let from: From = message.headers().read().unwrap()?;
//! assert_eq!(from.tag(), Some(&b"88"[..]));
//! assert_eq!(message.headers().get(Name::To), Some(&b"<sip:example.com>"[..]));
//! assert_eq!(message.to_bytes(), datagram);
//! # Ok::<(), attesta_sip::ParseError>(())
//! ```

mod compare;
mod error;
mod header;
mod host;
mod lex;
mod limits;
mod mask;
mod message;
mod method;
mod param;
mod parse;
mod reader;
mod salvage;
mod sdp;
mod status;
mod stream;
mod tel;
mod uri;
mod validate;
mod writer;

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
pub use header::{Field, Headers};
pub use host::Host;
pub use limits::Limits;
pub use message::{Message, Request, Response, Version};
pub use method::{Extension, Method};
pub use param::{Params, ParamsIter, unquote};
pub use salvage::Salvage;
pub use sdp::{Direction, Media, Origin, Sdp};
pub use status::Status;
pub use stream::{Frame, Framer, StreamError};
pub use tel::TelUri;
pub use uri::{AbsoluteUri, SipUri, Uri, unescape};
pub use validate::{Invalid, InvalidKind, Rules};
