//! The names of messages in a ladder, and the messages that scripted agents send.

use std::fmt;

use attesta_sip::{CSeq, Limits, Message, Method, Name};
use bytes::Bytes;

/// A message as a test names it: a request by its method, and a response by its status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// A request.
    Request(Method),
    /// A response.
    Status(u16),
}

/// An event that a user receives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A message.
    Said(Said),
    /// A transaction ended without a response or an ACK.
    Timeout,
    /// A message was not delivered.
    Unreachable,
}

impl Heard {
    /// Returns true if the message is a 1xx.
    pub(super) fn is_provisional(&self) -> bool {
        matches!(self, Self::Said(Said::Status(100..=199)))
    }
}

/// An INVITE.
pub const INVITE: Said = Said::Request(Method::Invite);
/// An ACK.
pub const ACK: Said = Said::Request(Method::Ack);
/// A BYE.
pub const BYE: Said = Said::Request(Method::Bye);
/// A CANCEL.
pub const CANCEL: Said = Said::Request(Method::Cancel);
/// An OPTIONS.
pub const OPTIONS: Said = Said::Request(Method::Options);
/// A MESSAGE.
pub const MESSAGE: Said = Said::Request(Method::Message);
/// A PRACK.
pub const PRACK: Said = Said::Request(Method::Prack);
/// An UPDATE.
pub const UPDATE: Said = Said::Request(Method::Update);
/// An INFO.
pub const INFO: Said = Said::Request(Method::Info);
/// A NOTIFY.
pub const NOTIFY: Said = Said::Request(Method::Notify);
/// A REFER.
pub const REFER: Said = Said::Request(Method::Refer);
/// A SUBSCRIBE.
pub const SUBSCRIBE: Said = Said::Request(Method::Subscribe);
/// A REGISTER.
pub const REGISTER: Said = Said::Request(Method::Register);
/// A PUBLISH.
pub const PUBLISH: Said = Said::Request(Method::Publish);
/// A transaction ended without a response or an ACK.
pub const TIMEOUT: Heard = Heard::Timeout;
/// A message was not delivered.
pub const UNREACHABLE: Heard = Heard::Unreachable;

impl From<u16> for Said {
    fn from(status: u16) -> Self {
        Self::Status(status)
    }
}

impl From<Said> for Heard {
    fn from(said: Said) -> Self {
        Self::Said(said)
    }
}

impl From<u16> for Heard {
    fn from(status: u16) -> Self {
        Self::Said(Said::Status(status))
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(method) => method.fmt(f),
            Self::Status(status) => status.fmt(f),
        }
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(said) => said.fmt(f),
            Self::Timeout => f.write_str("a timeout"),
            Self::Unreachable => f.write_str("that it is unreachable"),
        }
    }
}

/// Returns a request whose method no RFC defines.
///
/// # Panics
///
/// If the name is not a token.
#[must_use]
pub fn method(name: &str) -> Said {
    Said::Request(Method::parse(name.as_bytes()).expect("a method name is a token"))
}

/// Returns the text on the arrow of a datagram: `INVITE`, `200 INVITE`.
pub(super) fn label(data: &Bytes) -> String {
    match Message::parse(data.clone(), &Limits::default()) {
        Ok(Message::Request(request)) => request.method().to_string(),
        Ok(Message::Response(response)) => {
            let method = response.headers().get(Name::CSeq).and_then(|cseq| CSeq::parse(cseq).ok());
            match method {
                Some(cseq) => format!("{} {}", response.status(), cseq.method()),
                None => response.status().to_string(),
            }
        }
        Err(error) => format!("({})", error.kind().as_str()),
    }
}
