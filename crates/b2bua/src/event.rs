//! The events of calls, for the embedder and for call records.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use attesta_sip::Status;
use attesta_stir::{Attestation, Identity, OrigId, UnixTime, Verification};
use bytes::Bytes;

/// The number of a call within one switchboard. No number is used twice.
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

/// A call or MESSAGE as it arrived: the facts for policy and call records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// The number of the call.
    pub call: CallNumber,
    /// The trunk of origin.
    pub trunk: Arc<str>,
    /// The source address.
    pub source: SocketAddr,
    /// The Call-ID from the caller.
    pub call_id: Bytes,
    /// The caller: P-Asserted-Identity if the trunk is trusted for it, else From. `None`: neither can be read.
    pub caller: Option<Identity>,
    /// The called party: the To header field.
    pub callee: Option<Identity>,
    /// The destination: the Request-URI.
    pub destination: Option<Identity>,
    /// True for an emergency call.
    pub emergency: bool,
}

/// An event of a call. The first event of each call is `Started`, the last is `Ended`.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// A call from a known trunk has passed screening.
    Started {
        /// The time.
        at: UnixTime,
        /// The call as it arrived.
        arrival: Arc<Arrival>,
    },
    /// The Identity header fields of the call were verified, or the call has no Identity header fields.
    Verified {
        /// The call.
        call: CallNumber,
        /// The time.
        at: UnixTime,
        /// The outcome, for each header field and as a whole.
        verification: Arc<Verification>,
    },
    /// The outgoing INVITE has an Identity header field of ours.
    Signed {
        /// The call.
        call: CallNumber,
        /// The time.
        at: UnixTime,
        /// How well we know the caller.
        attestation: Attestation,
        /// Identifies the origin of the call.
        origid: OrigId,
    },
    /// The callee's side sent a provisional response, and the response was relayed.
    Ringing {
        /// The call.
        call: CallNumber,
        /// The time.
        at: UnixTime,
        /// The response.
        status: Status,
    },
    /// The callee answered.
    Answered {
        /// The call.
        call: CallNumber,
        /// The time.
        at: UnixTime,
    },
    /// The call has ended.
    Ended {
        /// The call.
        call: CallNumber,
        /// The time.
        at: UnixTime,
        /// The reason.
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
    /// The caller ended the call before the answer.
    Cancelled,
    /// The callee's side refused the call with this status.
    Declined(Status),
    /// This edge refused the call with this status, before the call was sent to a target.
    Refused(Status),
    /// No target answered, or no target could be reached.
    Unreachable,
    /// A target rang, and the callee did not answer within the trunk's limit.
    NotAnswered,
    /// The caller did not acknowledge the answer, or a reliable provisional response of ours.
    NotAcknowledged,
    /// The call reached the time limit of the outbound trunk.
    TooLong,
    /// One side neither refreshed the session nor answered a probe (RFC 4028 section 10).
    SessionExpired,
    /// One side no longer knew the call, or did not respond to a request within the call.
    Lost,
    /// This edge was told to stop ([`Input::HangUp`](crate::Input::HangUp)).
    ShutDown,
}

impl Cause {
    /// The label under which calls with this cause are counted.
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
            Self::SessionExpired => "session-expired",
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
            | Self::SessionExpired
            | Self::Lost
            | Self::ShutDown => f.write_str(self.as_str()),
        }
    }
}
