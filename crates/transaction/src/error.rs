//! What can go wrong, by whose fault.

use std::error::Error;
use std::fmt;

/// Why a transaction failed: the network's or the peer's doing, but for [`NoRoom`](Self::NoRoom).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failure {
    /// No answer in time: Timer B, F or H fired, or a cancelled INVITE stayed without a final response.
    Timeout,
    /// The transport could not deliver the message (RFC 3261 section 18.4).
    Transport,
    /// A limit of our own kept the message from being sent, which says nothing of the peer.
    NoRoom,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "no answer in time",
            Self::Transport => "the transport could not deliver",
            Self::NoRoom => "no room to send it",
        })
    }
}

/// The endpoint holds as many transactions with work to do as its configuration allows: no new one is begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overloaded;

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cap on live transactions is reached")
    }
}

impl Error for Overloaded {}
