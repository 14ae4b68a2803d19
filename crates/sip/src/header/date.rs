use std::fmt;

use crate::error::{ParseError, ParseErrorKind};
use crate::header::typed::typed;
use crate::lex;

/// The value of `Date`: an RFC 1123 date in GMT (RFC 3261 section 20.17), kept as seconds since the
/// epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Date(u64);

impl Date {
    /// The date this many seconds after 1970-01-01 00:00:00 UTC; `None` after the year 9999.
    pub const fn from_unix(seconds: u64) -> Option<Self> {
        if seconds <= Self::LAST { Some(Self(seconds)) } else { None }
    }

    /// Reads the value. The day of the week must be a valid name, but may be the wrong day.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        read(value).ok_or(ParseError::new(ParseErrorKind::Date, 0))
    }

    /// Seconds since 1970-01-01 00:00:00 UTC, without leap seconds.
    pub const fn unix(self) -> u64 {
        self.0
    }

    const LAST: u64 = 253_402_300_799;
}

typed!(Date);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / DAY, self.0 % DAY);
        let (year, month, day) = civil(days);
        let weekday = WEEKDAYS.get(((days + 4) % 7) as usize).copied().unwrap_or_default();
        let month = MONTHS.get(month as usize).copied().unwrap_or_default();
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

/// `wkday "," SP 2DIGIT SP month SP 4DIGIT SP 2DIGIT ":" 2DIGIT ":" 2DIGIT SP "GMT"`.
fn read(value: &[u8]) -> Option<Date> {
    let (weekday, rest) = value.split_first_chunk::<3>()?;
    WEEKDAYS.iter().find(|name| name.as_bytes().eq_ignore_ascii_case(weekday))?;
    let rest = lex::trim_start(rest.strip_prefix(b",")?);
    let (day, rest) = digits(rest, b' ')?;
    let (name, rest) = rest.split_first_chunk::<3>()?;
    let month = MONTHS.iter().position(|month| month.as_bytes().eq_ignore_ascii_case(name))?;
    let (year, rest) = digits(rest.strip_prefix(b" ")?, b' ')?;
    let (hour, rest) = digits(rest, b':')?;
    let (minute, rest) = digits(rest, b':')?;
    let (second, rest) = digits(rest, b' ')?;
    let leap = u64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    let length = LENGTHS.get(month).copied()? + if month == 1 { leap } else { 0 };
    // A leap second (60) counts as the first second of the next minute.
    let exists = (1970..=9999).contains(&year)
        && (1..=length).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !exists || !rest.eq_ignore_ascii_case(b"GMT") {
        return None;
    }
    Date::from_unix(days(year, month as u64, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// Reads a number up to `end`; returns the number and the text after `end`.
fn digits(text: &[u8], end: u8) -> Option<(u64, &[u8])> {
    let (number, rest) = lex::split_once(text, end)?;
    Some((u64::from(lex::number(number)?), rest))
}

/// Days from the epoch to a Gregorian date. Months count from 0, days from 1. The calculation uses
/// years that start in March, so that a leap day is the last day of its year.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month < 2 { year - 1 } else { year };
    let month = (month + 10) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - EPOCH
}

/// The year, the month (from 0) and the day (from 1) of a number of days since the epoch.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH;
    let (era, day_of_era) = (days / ERA, days % ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12;
    (era * 400 + year_of_era + u64::from(month < 2), month, day)
}

const DAY: u64 = 86_400;
/// Days in 400 Gregorian years.
const ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: u64 = 719_468;
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const LENGTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_printed() {
        let date = Date::parse(b"Sat, 13 Nov 2010 23:29:00 GMT").unwrap();
        assert_eq!(date.unix(), 1_289_690_940);
        assert_eq!(date.to_string(), "Sat, 13 Nov 2010 23:29:00 GMT");
        assert_eq!(Date::from_unix(0).unwrap().to_string(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(Date::parse(b"Thu, 29 Feb 2024 00:00:00 GMT").unwrap().unix(), 1_709_164_800);
    }

    #[test]
    fn every_day_reads_back() {
        for day in (0..=Date::LAST / DAY).step_by(17) {
            let date = Date::from_unix(day * DAY + 86_399).unwrap();
            assert_eq!(Date::parse(date.to_string().as_bytes()), Ok(date));
        }
        assert_eq!(Date::from_unix(Date::LAST + 1), None);
    }

    #[test]
    fn other_zones_and_impossible_days_are_refused() {
        for bad in [
            "",
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Xxx, 01 Jan 2010 16:00:00 GMT",
            "Fri, 32 Jan 2010 16:00:00 GMT",
            "Fri, 29 Feb 2010 16:00:00 GMT",
            "Fri, 01 Jan 2010 24:00:00 GMT",
            "01 Jan 2010 16:00:00 GMT",
            "Fri, 01 Jan 1969 00:00:00 GMT",
            "Fri, 01 Jan 2010 16:00:00",
        ] {
            assert!(Date::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
