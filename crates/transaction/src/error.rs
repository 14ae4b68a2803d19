//! The errors of a transaction, and their causes.

use std::error::Error;
use std::fmt;

/// The reason for which a transaction failed. The network or the peer is the cause, except for [`NoRoom`](Self::NoRoom).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failure {
    /// No answer arrived in time: Timer B, F or H fired, or a cancelled INVITE got no final response.
    Timeout,
    /// The transport could not deliver the message (RFC 3261 section 18.4).
    Transport,
    /// One of our own limits prevented the message from being sent. The peer is not the cause.
    NoRoom,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "no answer in time",
            Self::Transport => "the transport could not deliver",
            Self::NoRoom => "one of our own limits prevented sending",
        })
    }
}

/// The error at the cap on live transactions. No new transaction starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overloaded;

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cap on live transactions is reached")
    }
}

impl Error for Overloaded {}
