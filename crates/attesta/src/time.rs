//! Times on the command line and in output: RFC 3339 or seconds since the epoch.

use std::time::Duration;

use attesta_net::Clock;
use jiff::Timestamp;
use rustls::pki_types::UnixTime;

/// Returns the current time.
pub(crate) fn now() -> UnixTime {
    Clock::unix()
}

/// Parses a TIME of the command line.
pub(crate) fn parse(text: &str) -> Result<UnixTime, String> {
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => text.parse::<Timestamp>().ok().and_then(|time| u64::try_from(time.as_second()).ok()),
    };
    let seconds = seconds.filter(|seconds| *seconds <= LAST_SECOND);
    seconds.map(unix).ok_or_else(|| "write 2026-11-22T12:00:00Z, or seconds since the epoch".into())
}

/// Formats a time as `2026-11-22T12:00:00Z`.
pub(crate) fn display(time: UnixTime) -> String {
    let second = i64::try_from(time.as_secs()).ok();
    let timestamp = second.and_then(|second| Timestamp::from_second(second).ok());
    timestamp
        .map_or_else(|| format!("{} s after the epoch", time.as_secs()), |timestamp| timestamp.to_string())
}

/// Formats a time since the epoch as `2026-11-22T12:00:00.5Z`.
pub(crate) fn display_exact(since: Duration) -> String {
    let exact = i64::try_from(since.as_secs()).ok().zip(i32::try_from(since.subsec_nanos()).ok());
    let timestamp = exact.and_then(|(seconds, nanoseconds)| Timestamp::new(seconds, nanoseconds).ok());
    timestamp.map_or_else(|| display(unix(since.as_secs())), |timestamp| timestamp.to_string())
}

pub(crate) fn unix(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// 9999-12-31T23:59:59Z: the last second that RFC 3339 and X.509 can express.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        assert_eq!(parse("1443208345").unwrap().as_secs(), 1_443_208_345);
        assert_eq!(parse("2015-09-25T19:12:25Z").unwrap().as_secs(), 1_443_208_345);
        assert_eq!(parse("2015-09-25T21:12:25+02:00").unwrap().as_secs(), 1_443_208_345);
        for wrong in [
            "",
            "-1",
            "yesterday",
            "2015-09-25",
            "2015-09-25T19:12:25",
            "99999999999999",
            "1969-01-01T00:00:00Z",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn times_are_printed_as_rfc_3339() {
        assert_eq!(display(unix(1_443_208_345)), "2015-09-25T19:12:25Z");
    }
}
