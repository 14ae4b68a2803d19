//! Connects an answer to its question.

use std::fmt;

use attesta_transaction::WorkerId;

/// Connects an answer to its question. No token is used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Token(pub(crate) u64);

impl Token {
    /// The worker whose switchboard asked, and which gets the answer.
    #[must_use]
    pub const fn worker(self) -> WorkerId {
        let [_, worker, ..] = self.0.to_be_bytes();
        WorkerId(worker)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
