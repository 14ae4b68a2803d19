//! The exit status of a command.

use std::process::ExitCode;

/// The result of a command. It sets the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: success, or the answer is yes.
    Done,
    /// 1: the answer is no. For example, a verification failed or a message was refused.
    No,
    /// 2: a fault of usage or configuration.
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
