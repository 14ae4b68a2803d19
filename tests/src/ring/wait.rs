//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// Probes until `probe` gives a value, and returns it; panics with `what` after `limit`.
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

/// Between two probes.
const STEP: Duration = Duration::from_millis(20);
