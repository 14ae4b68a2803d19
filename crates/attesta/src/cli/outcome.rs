//! How a command ended.

use std::process::ExitCode;

/// How a command ended: its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: what was asked is done, and the answer is yes.
    Done,
    /// 1: the answer is no: a verification failed, a message was refused.
    No,
    /// 2: usage or configuration.
    Refused,
    /// 3: there was nothing to judge.
    Nothing,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::No => 1,
            Outcome::Refused => 2,
            Outcome::Nothing => 3,
        })
    }
}
