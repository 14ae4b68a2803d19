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

mod error;
mod header;
mod host;
mod lex;
mod limits;
mod mask;
mod message;
mod method;
mod param;
mod reader;
mod salvage;
mod status;
mod stream;
mod tel;
mod uri;
mod validate;
mod writer;

pub use error::{Limit, ParseError, ParseErrorKind};
pub use header::address::{From, NameAddr, PAssertedIdentity, PPreferredIdentity, RecordRoute, Route, To};
pub use header::call_id::CallId;
pub use header::contact::Contact;
pub use header::cseq::CSeq;
pub use header::date::Date;
pub use header::identity::Identity;
pub use header::max_forwards::MaxForwards;
pub use header::name::{Name, Shape};
pub use header::reason::Reason;
pub use header::typed::Typed;
pub use header::values::Values;
pub use header::via::Via;
pub use header::{Field, Headers};
pub use host::Host;
pub use limits::Limits;
pub use message::{Message, Request, Response, Version};
pub use method::{Extension, Method};
pub use param::{Params, ParamsIter, unquote};
pub use salvage::Salvage;
pub use status::Status;
pub use stream::{Frame, Framer, StreamError};
pub use tel::TelUri;
pub use uri::{AbsoluteUri, SipUri, Uri, unescape};
pub use validate::{Invalid, InvalidKind, Rules};
