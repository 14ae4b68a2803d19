//! What goes into the switchboard and what comes out of it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use attesta_sip::StreamError;
use attesta_stir::X5u;
use attesta_stir::cert::Snapshot;
use attesta_transaction::{Flow, Seed, Transmit, Transport};
use bytes::Bytes;

use crate::config::Config;
use crate::config::transports::Transports;
use crate::event::CallEvent;
use crate::identity::claims::Claims;
use crate::policy::{Decision, Question};
use crate::token::Token;
use crate::trunk::target::Target;

/// What the shell hands to the switchboard.
#[derive(Debug)]
pub enum Input {
    /// A datagram, or a message framed out of a stream.
    Datagram {
        /// The path it took.
        flow: Flow,
        /// All of it.
        data: Bytes,
    },
    /// The time of the last [`Output::Timeout`] has come. Early ones do no harm.
    Timeout,
    /// The answer to [`Output::Resolve`].
    Resolved {
        /// The question's token.
        token: Token,
        /// Where the target can be reached, best first.
        result: Result<Vec<Destination>, ResolveError>,
    },
    /// The certificate cache has changed: this is what is known from now on.
    Certificates(Arc<Snapshot>),
    /// The answer to [`Output::Reach`].
    Reached {
        /// The question's token.
        token: Token,
        /// Whether there is a connection.
        result: Result<(), Unreachable>,
    },
    /// The answer to [`Output::Sign`].
    Signed {
        /// The question's token.
        token: Token,
        /// The value of an Identity header field.
        result: Result<Bytes, SignError>,
    },
    /// The answer to [`Output::Decide`].
    Decided {
        /// The question's token.
        token: Token,
        /// The answer, which must be of the question's phase.
        decision: Decision,
    },
    /// What arrives on this stream cannot be cut into messages any further (RFC 3261 section 18.3): it is answered, if it is
    /// a request that can be; the shell closes the connection then.
    Unreadable {
        /// The stream.
        flow: Flow,
        /// What was wrong, with what arrived of the message.
        error: StreamError,
    },
    /// What was sent on this flow did not leave, or came back as unreachable.
    TransportFailed(Transmit),
    /// The same where a limit of the shell's own is the reason: the next target is tried, and this one is not blamed.
    NoRoom(Transmit),
    /// New calls follow this configuration; those in progress keep theirs.
    Configure(Arc<Config>),
    /// No call begins any more but emergency calls: other INVITEs, MESSAGEs and OPTIONS outside a dialog get a 503. Calls in
    /// progress go on.
    Drain,
    /// Calls in progress are hung up, or refused where they are not answered yet, emergency calls too; none begins any more.
    HangUp,
}

/// What the switchboard asks of the shell.
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Transmit(Transmit),
    /// Find where a target can be reached, and answer with [`Input::Resolved`]; literal addresses are asked for too.
    Resolve {
        /// Stands in the answer.
        token: Token,
        /// What is looked for.
        target: Target,
        /// What it may be reached by: records of other transports are of no use.
        transports: Transports,
        /// What the choice among servers of one priority is drawn from (RFC 2782).
        seed: Seed,
    },
    /// Have a connection ready along this flow: find one or open it, send nothing, and answer with [`Input::Reached`]. An
    /// answer that takes too long is not waited for.
    Reach {
        /// Stands in the answer.
        token: Token,
        /// From where and to where.
        flow: Flow,
    },
    /// Have this certificate fetched into the cache, and publish the result with [`Input::Certificates`].
    FetchCertificate(X5u),
    /// Have an outside signer make an Identity header field, and answer with [`Input::Signed`].
    Sign {
        /// Stands in the answer.
        token: Token,
        /// The signer's name in the configuration.
        signer: Arc<str>,
        /// What is to be signed.
        claims: Claims,
    },
    /// The policy said that it answers later: its answer comes by [`Input::Decided`].
    Decide {
        /// Stands in the answer.
        token: Token,
        /// What is asked.
        question: Question,
    },
    /// Something happened in a call.
    Event(CallEvent),
    /// Nothing else is to be done until an input comes, [`Input::Timeout`] at this time at the latest.
    Timeout(Option<Instant>),
}

/// One place where a target can be reached (RFC 3263 section 4.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Destination {
    /// The transport to use.
    pub transport: Transport,
    /// The address to send to.
    pub address: SocketAddr,
    /// The domain to which the certificate of a TLS peer has to answer: the host of the target, before it was resolved
    /// (RFC 5922 section 4). `None` without TLS.
    pub server_name: Option<Arc<str>>,
}

/// Why a target led nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResolveError {
    /// The name does not exist, or has no address.
    NotFound,
    /// The name servers did not answer in time.
    Timeout,
    /// The target asks for a transport that this edge does not have.
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
    /// The peer took none, or not in time.
    Refused,
    /// A limit of our own is reached, which says nothing of the peer.
    NoRoom,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "no connection could be opened",
            Self::NoRoom => "as many connections are open as may be",
        })
    }
}

impl std::error::Error for Unreachable {}

/// Why an outside signer gave no Identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignError {
    /// It could not be reached, or failed.
    Unavailable,
    /// It declined to vouch for the call.
    Refused,
    /// Its answer cannot stand in a header field.
    Invalid,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "the signer could not be reached",
            Self::Refused => "the signer declined",
            Self::Invalid => "the signer's answer is not an Identity",
        })
    }
}

impl std::error::Error for SignError {}
