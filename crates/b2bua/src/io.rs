//! The inputs and outputs of the switchboard.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use attesta_sip::StreamError;
use attesta_stir::X5u;
use attesta_stir::cert::Snapshot;
use attesta_transaction::{Flow, Seed, Transmit, Transport, WorkerPlace};
use bytes::Bytes;

use crate::config::Config;
use crate::config::transports::Transports;
use crate::event::CallEvent;
use crate::headers::dialog_names::DialogName;
use crate::identity::claims::Claims;
use crate::policy::{Decision, Question};
use crate::token::Token;
use crate::trunk::target::Target;

/// An input from the shell to the switchboard.
#[derive(Debug)]
pub enum Input {
    /// A datagram, or one message from a stream.
    Datagram {
        /// The flow that the message arrived on.
        flow: Flow,
        /// The whole message.
        data: Bytes,
    },
    /// The time of the last [`Output::Timeout`] is reached. An early timeout is harmless.
    Timeout,
    /// The answer to [`Output::Resolve`].
    Resolved {
        /// The token of the question.
        token: Token,
        /// The addresses of the target, best first.
        result: Result<Vec<Destination>, ResolveError>,
    },
    /// The certificate cache has changed. The snapshot replaces the earlier snapshot.
    Certificates(Arc<Snapshot>),
    /// The answer to [`Output::Reach`].
    Reached {
        /// The token of the question.
        token: Token,
        /// `Ok` if there is a connection.
        result: Result<(), Unreachable>,
    },
    /// The answer to [`Output::Sign`].
    Signed {
        /// The token of the question.
        token: Token,
        /// The value of an Identity header field.
        result: Result<Bytes, SignError>,
    },
    /// The answer to [`Output::Decide`].
    Decided {
        /// The token of the question.
        token: Token,
        /// The answer. It must belong to the phase of the question.
        decision: Decision,
    },
    /// The answer to [`Output::FindDialog`].
    DialogFound {
        /// The token of the question.
        token: Token,
        /// What [`Switchboard::find_dialog`](crate::Switchboard::find_dialog) of the other worker returned.
        dialog: Option<DialogName>,
    },
    /// The data on this stream can no longer be split into messages (RFC 3261 section 18.3). The switchboard answers a
    /// request if that is possible. After that, the shell closes the connection.
    Unreadable {
        /// The stream.
        flow: Flow,
        /// What is wrong, with the received part of the message.
        error: StreamError,
    },
    /// A message on this flow could not be sent, or its destination was reported as unreachable.
    TransportFailed(Transmit),
    /// A limit of the shell prevented sending this message. The next target is tried, and this target stays in service.
    NoRoom(Transmit),
    /// New calls use this configuration. Calls in progress keep theirs.
    Configure(Arc<Config>),
    /// Emergency calls are the only new calls from now on. Other INVITEs, and MESSAGEs and OPTIONS outside a dialog,
    /// get a 503. Calls in progress continue.
    Drain,
    /// Ends all calls, emergency calls included: answered calls get a BYE, other calls are refused. From now on, no
    /// call begins.
    HangUp,
}

/// An output of the switchboard to the shell.
#[derive(Debug)]
pub enum Output {
    /// Send this message.
    Transmit(Transmit),
    /// Find the addresses of a target, and answer with [`Input::Resolved`]. The target may be a literal IP address.
    Resolve {
        /// Must be copied to the answer.
        token: Token,
        /// The target to resolve.
        target: Target,
        /// The transports that may be used. Records of other transports must be ignored.
        transports: Transports,
        /// The seed for the choice among servers of the same priority (RFC 2782).
        seed: Seed,
    },
    /// Find or open a connection for this flow, send nothing, and answer with [`Input::Reached`]. The switchboard does
    /// not wait for a late answer.
    Reach {
        /// Must be copied to the answer.
        token: Token,
        /// The local and remote address of the connection.
        flow: Flow,
    },
    /// Fetch this certificate into the cache, and publish the result with [`Input::Certificates`].
    FetchCertificate(X5u),
    /// Let an outside signer create an Identity header field, and answer with [`Input::Signed`].
    Sign {
        /// Must be copied to the answer.
        token: Token,
        /// The signer's name in the configuration.
        signer: Arc<str>,
        /// The claims to sign.
        claims: Claims,
    },
    /// The policy answers later. Return its answer with [`Input::Decided`].
    Decide {
        /// Must be copied to the answer.
        token: Token,
        /// The question.
        question: Question,
    },
    /// Call [`Switchboard::find_dialog`](crate::Switchboard::find_dialog) on the worker at this place, and answer with
    /// [`Input::DialogFound`]. An edge with one worker answers `None`. The switchboard does not wait for a late answer.
    FindDialog {
        /// Must be copied to the answer.
        token: Token,
        /// The worker that knows the dialog. It may be a worker that does not exist.
        place: WorkerPlace,
        /// The name of the dialog.
        dialog: DialogName,
    },
    /// An event of a call.
    Event(CallEvent),
    /// There is no other output until the next input. Hand in [`Input::Timeout`] at this time, if there is no input
    /// before that time.
    Timeout(Option<Instant>),
}

/// One address at which a target can be reached (RFC 3263 section 4.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Destination {
    /// The transport to use.
    pub transport: Transport,
    /// The address to send to.
    pub address: SocketAddr,
    /// The domain that the certificate of a TLS peer must show: the host of the target before resolution (RFC 5922
    /// section 4). `None` without TLS.
    pub server_name: Option<Arc<str>>,
}

/// Why a target could not be resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResolveError {
    /// The name does not exist, or has no address.
    NotFound,
    /// The name servers did not answer in time.
    Timeout,
    /// The target requires a transport that this edge does not have.
    Unsupported,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "the name has no address",
            Self::Timeout => "the name servers did not answer in time",
            Self::Unsupported => "the transport is not available",
        })
    }
}

impl std::error::Error for ResolveError {}

/// Why no connection could be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreachable {
    /// The peer did not accept a connection, or not in time.
    Refused,
    /// A limit of our own is reached. The peer is not at fault.
    NoRoom,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "no connection could be opened",
            Self::NoRoom => "the limit of open connections is reached",
        })
    }
}

impl std::error::Error for Unreachable {}

/// Why an outside signer returned no Identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignError {
    /// The signer could not be reached, or failed.
    Unavailable,
    /// The signer declined to sign the call.
    Refused,
    /// The answer of the signer is not valid in a header field.
    Invalid,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "the signer could not be reached",
            Self::Refused => "the signer declined to sign the call",
            Self::Invalid => "the signer's answer is not a valid Identity",
        })
    }
}

impl std::error::Error for SignError {}
