//! What happens in calls, as the embedder and the call record learn it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use attesta_sip::Status;
use attesta_stir::{Attestation, Identity, OrigId, UnixTime, Verification};
use bytes::Bytes;

/// The number of a call within one switchboard; not used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct CallNumber(pub(crate) u64);

impl CallNumber {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for CallNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A call as it arrived: what policy is asked about and what records begin with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// The call.
    pub call: CallNumber,
    /// The trunk it came from.
    pub trunk: Arc<str>,
    /// The address it came from.
    pub source: SocketAddr,
    /// The Call-ID that the caller gave it.
    pub call_id: Bytes,
    /// Who calls: P-Asserted-Identity where it is trusted, else From. `None`: neither can be read.
    pub caller: Option<Identity>,
    /// Who is called: the To header field.
    pub callee: Option<Identity>,
    /// Where the call is to go: the Request-URI.
    pub destination: Option<Identity>,
    /// Whether it is an emergency call.
    pub emergency: bool,
}

/// Something that happened in a call. The first event of each call is `Started`, the last is `Ended`.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// A call was admitted to screening by a known trunk.
    Started {
        /// When.
        at: UnixTime,
        /// The call.
        arrival: Arc<Arrival>,
    },
    /// Its Identity header fields were judged, or found missing.
    Verified {
        /// The call.
        call: CallNumber,
        /// When.
        at: UnixTime,
        /// The outcome, field by field and as a whole.
        verification: Arc<Verification>,
    },
    /// The INVITE that left was given an Identity header field of ours.
    Signed {
        /// The call.
        call: CallNumber,
        /// When.
        at: UnixTime,
        /// How well we know the caller.
        attestation: Attestation,
        /// What tells this origin from others.
        origid: OrigId,
    },
    /// The callee's side sent a provisional response, which was relayed.
    Ringing {
        /// The call.
        call: CallNumber,
        /// When.
        at: UnixTime,
        /// The response.
        status: Status,
    },
    /// The callee answered.
    Answered {
        /// The call.
        call: CallNumber,
        /// When.
        at: UnixTime,
    },
    /// The call is over.
    Ended {
        /// The call.
        call: CallNumber,
        /// When.
        at: UnixTime,
        /// Why.
        cause: Cause,
    },
}

/// Why a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The caller hung up after the answer.
    CallerHungUp,
    /// The callee hung up after the answer.
    CalleeHungUp,
    /// The caller gave up before the answer.
    Cancelled,
    /// The callee's side refused with this status.
    Declined(Status),
    /// This edge refused with this status, before the call was sent on.
    Refused(Status),
    /// No target answered, or none could be reached.
    Unreachable,
    /// A target rang, and nobody answered within the trunk's limit.
    NotAnswered,
    /// The answer was not acknowledged by the caller.
    NotAcknowledged,
    /// The call lasted as long as a call towards that trunk may.
    TooLong,
    /// One side no longer knew the call, or did not respond to a request within it.
    Lost,
    /// This edge was told to stop ([`Input::HangUp`](crate::Input::HangUp)).
    ShutDown,
}

impl Cause {
    /// The word under which calls that ended so are counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller-hung-up",
            Self::CalleeHungUp => "callee-hung-up",
            Self::Cancelled => "cancelled",
            Self::Declined(_) => "declined",
            Self::Refused(_) => "refused",
            Self::Unreachable => "unreachable",
            Self::NotAnswered => "not-answered",
            Self::NotAcknowledged => "not-acknowledged",
            Self::TooLong => "too-long",
            Self::Lost => "lost",
            Self::ShutDown => "shut-down",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined(status) | Self::Refused(status) => {
                write!(f, "{} {}", self.as_str(), status.code())
            }
            Self::CallerHungUp
            | Self::CalleeHungUp
            | Self::Cancelled
            | Self::Unreachable
            | Self::NotAnswered
            | Self::NotAcknowledged
            | Self::TooLong
            | Self::Lost
            | Self::ShutDown => f.write_str(self.as_str()),
        }
    }
}
