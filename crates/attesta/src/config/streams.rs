//! `[streams]`: limits of stream connections.

use std::ops::RangeInclusive;
use std::time::Duration;

use attesta::StreamLimits;

use super::section::Section;
use super::value::duration;

/// Reads the limits. Absent keys have the values of [`StreamLimits::default`].
pub(super) fn read(section: Section<'_>) -> StreamLimits {
    let mut limits = StreamLimits::default();
    let count = |key| section.integer(key, COUNT).and_then(|count| usize::try_from(count).ok());
    for (key, set) in COUNTS {
        if let Some(count) = count(key) {
            limits = set(limits, count);
        }
    }
    for (key, set) in TIMES {
        if let Some(time) = section.duration(key, TIME) {
            limits = set(limits, time);
        }
    }
    let off = |text: &str| if text == "off" { Some(None) } else { duration(text).map(Some) };
    if let Some(interval) = section.parsed("keep_alive", "a duration, such as \"100s\", or \"off\"", off) {
        limits = limits.keep_alive(interval.map(|interval| interval.max(SHORTEST)));
    }
    section.close();
    limits
}

type Set<T> = fn(StreamLimits, T) -> StreamLimits;

const COUNTS: [(&str, Set<usize>); 5] = [
    ("accepted", StreamLimits::accepted),
    ("per_peer", StreamLimits::per_peer),
    ("handshakes", StreamLimits::handshakes),
    ("opened", StreamLimits::opened),
    ("queue", StreamLimits::queue),
];
const TIMES: [(&str, Set<Duration>); 6] = [
    ("connect", StreamLimits::connect),
    ("handshake", StreamLimits::handshake),
    ("first_message", StreamLimits::first_message),
    ("message", StreamLimits::message),
    ("idle", StreamLimits::idle),
    ("stalled", StreamLimits::stalled),
];
const COUNT: RangeInclusive<u64> = 1..=1_000_000;
const TIME: RangeInclusive<Duration> = SHORTEST..=Duration::from_secs(24 * 3600);
const SHORTEST: Duration = Duration::from_millis(100);
