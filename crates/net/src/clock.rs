//! The only place where the process reads a clock or asks the operating system for random octets.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use attesta_b2bua::Now;
use rustls::crypto::ring;
use rustls_pki_types::UnixTime;

/// The system's clock. The shell reads it and passes the time to the pure floors.
#[derive(Clone, Copy, Debug)]
pub struct Clock;

impl Clock {
    /// The monotonic time and the time of day.
    pub fn now() -> Now {
        Now { mono: Clock::mono(), unix: Clock::unix() }
    }

    /// The monotonic time.
    ///
    /// This is tokio's clock, so that a test that pauses tokio's time also pauses the drivers and the certificate
    /// service. Outside such tests it is the clock of the operating system.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that every other file is sent to")]
    pub fn mono() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// The time of day, in whole seconds since the epoch. Returns 0 if the system's clock is set to a time before the
    /// epoch.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that every other file is sent to")]
    pub fn unix() -> UnixTime {
        UnixTime::since_unix_epoch(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// `N` octets from the operating system's generator.
///
/// # Errors
/// [`NoRandomness`] if the operating system returns none. Nothing may start without random octets: tags, branches and
/// the keys of hash maps come from them.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut octets = [0; N];
    ring::default_provider().secure_random.fill(&mut octets).map_err(|_| NoRandomness)?;
    Ok(octets)
}

/// The operating system returned no random octets.
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
