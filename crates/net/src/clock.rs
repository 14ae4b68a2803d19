//! The clock and the random generator of the operating system. No other file of the process uses them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use attesta_b2bua::Now;
use rustls::crypto::ring;
use rustls_pki_types::UnixTime;

/// The clock of the operating system. The shell reads the clock and passes the time to the pure crates.
#[derive(Clone, Copy, Debug)]
pub struct Clock;

impl Clock {
    /// Returns the monotonic time and the time of day.
    pub fn now() -> Now {
        Now { mono: Clock::mono(), unix: Clock::unix() }
    }

    /// Returns the monotonic time of tokio's clock. A test that pauses tokio's time therefore also pauses the drivers and the
    /// certificate service. Outside such tests, tokio's clock is the clock of the operating system.
    #[expect(clippy::disallowed_methods, reason = "the lint tells all other files to use this function")]
    pub fn mono() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// Returns the time of day, in whole seconds since the epoch. Returns 0 if the clock is set to a time before the epoch.
    #[expect(clippy::disallowed_methods, reason = "the lint tells all other files to use this function")]
    pub fn unix() -> UnixTime {
        UnixTime::since_unix_epoch(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// Returns `N` octets from the random generator of the operating system.
///
/// # Errors
/// [`NoRandomness`] if the operating system returns no octets. The program must not start then: tags, branches and the keys of
/// hash maps need random octets.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut octets = [0; N];
    ring::default_provider().secure_random.fill(&mut octets).map_err(|_| NoRandomness)?;
    Ok(octets)
}

/// The error if the operating system returns no random octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness;

impl std::fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the operating system gave no random octets")
    }
}

impl std::error::Error for NoRandomness {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_in_this_century() {
        assert!(Clock::unix().as_secs() > 1_700_000_000);
    }

    #[test]
    fn two_seeds_differ() {
        assert_ne!(random::<32>().unwrap(), random::<32>().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn paused_time_is_this_clock_s_time() {
        let before = Clock::mono();
        tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        assert!(Clock::mono() - before >= std::time::Duration::from_secs(3600));
    }
}
