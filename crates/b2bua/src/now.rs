//! The time that an input carries.

use std::time::Instant;

use attesta_stir::UnixTime;

/// The two readings of the clock that an input carries: they are taken together, once per batch of inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// For timers.
    pub mono: Instant,
    /// For Date, `iat` and the validity of certificates.
    pub unix: UnixTime,
}
