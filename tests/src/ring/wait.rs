//! Waits for a condition, never for a fixed time.

use std::time::{Duration, Instant};

/// Calls `probe` until it returns a value, and returns the value. Panics with `what` after `limit`.
#[expect(clippy::disallowed_methods, reason = "the processes under test live in real time")]
#[expect(clippy::panic, reason = "a test fails here")]
pub fn until<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        if begun.elapsed() > limit {
            panic!("waited {} s in vain: {what}", limit.as_secs_f32());
        }
        std::thread::sleep(STEP);
    }
}

/// The time between two calls of the probe.
const STEP: Duration = Duration::from_millis(20);
