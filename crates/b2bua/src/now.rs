//! The time of an input.

use std::time::Instant;

use attesta_stir::UnixTime;

/// The two clock readings of an input. They are taken together, once per batch of inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// The monotonic clock, for timers.
    pub mono: Instant,
    /// The wall clock, for Date, `iat` and the validity of certificates.
    pub unix: UnixTime,
}
