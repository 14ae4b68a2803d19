//! The header fields of session timers: RFC 4028.

use std::time::Duration;

use attesta_sip::{Headers, MinSe, Name, Refresher, SessionExpires};

use crate::headers::options;

/// The option tag of session timers.
const TIMER: &str = "timer";

/// True if the sender supports session timers (RFC 4028 section 7.1).
pub(crate) fn supports_timer(headers: &Headers) -> bool {
    options::supports(headers, TIMER)
}

/// The session timer that a request asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// True if the sender supports session timers.
    pub(crate) supports: bool,
    /// The session interval and the side that refreshes. `None` if there is no readable Session-Expires.
    pub(crate) session: Option<(Duration, Option<Refresher>)>,
    /// The Min-SE. Zero if there is no readable Min-SE.
    pub(crate) minimum: Duration,
    /// True if the sender accepts UPDATE (RFC 3311 section 4).
    pub(crate) takes_update: bool,
}

impl Asked {
    /// Reads a request. Only a sender that supports session timers can ask for one.
    pub(crate) fn of(request: &Headers) -> Self {
        if !supports_timer(request) {
            return Self { supports: false, session: None, minimum: Duration::ZERO, takes_update: false };
        }
        let update = |method: &[u8]| method.eq_ignore_ascii_case(b"UPDATE");
        Self {
            supports: true,
            session: session(request),
            minimum: minimum(request).unwrap_or_default(),
            takes_update: request.values(Name::Allow).any(update),
        }
    }
}

/// Returns the session interval and the side that refreshes. Returns `None` if there is no readable Session-Expires.
pub(crate) fn session(headers: &Headers) -> Option<(Duration, Option<Refresher>)> {
    let value = SessionExpires::parse(headers.get(Name::SessionExpires)?).ok()?;
    Some((Duration::from_secs(value.seconds().into()), value.refresher()))
}

/// Returns the shortest interval that the sender accepts. Returns `None` if there is no readable Min-SE.
pub(crate) fn minimum(headers: &Headers) -> Option<Duration> {
    let value = MinSe::parse(headers.get(Name::MinSe)?).ok()?;
    Some(Duration::from_secs(value.seconds().into()))
}

/// True if the request asks for a shorter interval than `shortest` (RFC 4028 sections 8.1 and 9). A sender that does not
/// support session timers would not understand a 422.
pub(crate) fn is_too_short(headers: &Headers, shortest: Duration) -> bool {
    session(headers).is_some_and(|(interval, _)| interval < shortest) && supports_timer(headers)
}

/// Offers a session timer in a request to the other side, if the sender offers none. Corrects an offer of the sender whose
/// interval is too short. `refresher` is the side that refreshes if the sender does not support session timers.
pub(crate) fn offer(headers: &mut Headers, (interval, shortest): (Duration, Duration), refresher: Refresher) {
    if let Some(asked) = session(headers) {
        return raise(headers, asked, shortest);
    }
    // A value that cannot be read does not cross (RFC 3261 section 8.2.2).
    headers.remove(Name::SessionExpires);
    // RFC 4028 section 8.1: at least the Min-SE of the request.
    let interval = minimum(headers).map_or(interval, |minimum| minimum.max(interval));
    if interval > LONGEST_SESSION {
        return;
    }
    let seconds = interval.as_secs();
    if supports_timer(headers) {
        return headers.push(Name::SessionExpires, seconds.to_string());
    }
    options::add(headers, Name::Supported, TIMER);
    headers.push(Name::SessionExpires, format!("{seconds};refresher={}", side(refresher)));
}

/// Raises the interval that the sender asks for to the Min-SE of the request. A sender that does not support session timers
/// understands no 422, so its request gets our shortest interval as its Min-SE (RFC 4028 section 8.1).
fn raise(headers: &mut Headers, (asked, refresher): (Duration, Option<Refresher>), shortest: Duration) {
    if asked < shortest && !supports_timer(headers) {
        raise_minimum(headers, shortest);
    }
    let Some(least) = minimum(headers).filter(|least| asked < *least) else { return };
    let refresher = refresher.map(|refresher| format!(";refresher={}", side(refresher)));
    headers.set(Name::SessionExpires, format!("{}{}", least.as_secs(), refresher.unwrap_or_default()));
}

/// Raises the Min-SE of a request (RFC 4028 section 7.4).
pub(crate) fn raise_minimum(headers: &mut Headers, least: Duration) {
    if minimum(headers).is_none_or(|minimum| minimum < least) {
        headers.set(Name::MinSe, least.as_secs().to_string());
    }
}

/// Begins a session timer in a 2xx, for a peer that supports session timers (RFC 4028 section 9).
pub(crate) fn begin(headers: &mut Headers, interval: Duration, refresher: Refresher) {
    let value = format!("{};refresher={}", interval.as_secs(), side(refresher));
    if headers.contains(Name::SessionExpires) {
        headers.set(Name::SessionExpires, value);
    } else {
        headers.push(Name::SessionExpires, value);
    }
    options::add(headers, Name::Require, TIMER);
}

/// Removes the session timer from a 2xx to a peer that does not support session timers.
pub(crate) fn strip(headers: &mut Headers) {
    headers.remove(Name::SessionExpires);
    options::remove(headers, Name::Require, TIMER);
}

const fn side(refresher: Refresher) -> &'static str {
    match refresher {
        Refresher::Uac => "uac",
        Refresher::Uas => "uas",
    }
}

/// The longest session interval that we offer or accept. A longer interval of other parties is shortened to this interval.
pub(crate) const LONGEST_SESSION: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(Name, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(*name, *value);
        }
        headers
    }

    fn text(headers: &Headers, name: Name) -> String {
        headers.values(name).map(String::from_utf8_lossy).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn an_offer_names_the_receiver_as_refresher_if_the_sender_supports_no_timer() {
        let mut plain = headers(&[(Name::Supported, "100rel")]);
        offer(&mut plain, (Duration::from_secs(1_800), SHORTEST), Refresher::Uas);
        assert_eq!(text(&plain, Name::Supported), "100rel, timer");
        assert_eq!(text(&plain, Name::SessionExpires), "1800;refresher=uas");
        let mut able = headers(&[(Name::Supported, "timer")]);
        offer(&mut able, (Duration::from_secs(1_800), SHORTEST), Refresher::Uas);
        assert_eq!(text(&able, Name::SessionExpires), "1800");
        let mut asks = headers(&[(Name::Supported, "timer"), (Name::SessionExpires, "600;refresher=uac")]);
        offer(&mut asks, (Duration::from_secs(1_800), SHORTEST), Refresher::Uas);
        assert_eq!(text(&asks, Name::SessionExpires), "600;refresher=uac");
    }

    const SHORTEST: Duration = Duration::from_secs(90);

    /// RFC 4028 section 8.1: not lower than the Min-SE of the request.
    #[test]
    fn an_offer_is_not_below_the_min_se_of_the_sender() {
        for (minimum, offered) in [("90", "1800"), ("3600", "3600"), ("soon", "1800"), ("1000000000", "")] {
            let mut asks = headers(&[(Name::Supported, "timer"), (Name::MinSe, minimum)]);
            offer(&mut asks, (Duration::from_secs(1_800), SHORTEST), Refresher::Uas);
            assert_eq!(text(&asks, Name::SessionExpires), offered, "{minimum}");
        }
        let mut request = headers(&[(Name::MinSe, "90")]);
        for (least, expected) in [(600, "600"), (300, "600")] {
            raise_minimum(&mut request, Duration::from_secs(least));
            assert_eq!(text(&request, Name::MinSe), expected);
        }
    }

    /// RFC 4028 section 8.1: Session-Expires is raised to Min-SE, and Min-SE only for a sender without support.
    #[test]
    fn an_offer_of_the_sender_is_corrected_if_it_is_too_short() {
        for (supported, expires, minimum, expected) in [
            ("timer", "1800", "3600", ("3600", "3600")),
            ("timer", "1800;refresher=uas", "3600", ("3600;refresher=uas", "3600")),
            ("timer", "3600;x=y", "1800", ("3600;x=y", "1800")),
            ("", "0", "", ("90", "90")),
            ("", "0", "60", ("90", "90")),
            ("", "1000000000", "", ("1000000000", "")),
        ] {
            let mut request = headers(&[(Name::Supported, supported), (Name::SessionExpires, expires)]);
            if !minimum.is_empty() {
                request.push(Name::MinSe, minimum);
            }
            offer(&mut request, (Duration::from_secs(1_800), SHORTEST), Refresher::Uas);
            let corrected = (text(&request, Name::SessionExpires), text(&request, Name::MinSe));
            assert_eq!((corrected.0.as_str(), corrected.1.as_str()), expected, "{expires} {minimum}");
        }
    }

    /// RFC 3261 section 8.2.2: a malformed header field is ignored. It does not cross.
    #[test]
    fn an_offer_replaces_a_session_expires_that_cannot_be_read() {
        for value in ["soon", "-1", "", "99999999999999999999", "90;refresher=\""] {
            let mut request = headers(&[(Name::Supported, "timer"), (Name::SessionExpires, value)]);
            offer(&mut request, (Duration::from_secs(1_800), SHORTEST), Refresher::Uas);
            assert_eq!(text(&request, Name::SessionExpires), "1800", "{value}");
        }
    }

    #[test]
    fn a_2xx_begins_and_strips_the_timer_and_keeps_other_options() {
        let mut answer = headers(&[(Name::Require, "100rel")]);
        begin(&mut answer, Duration::from_secs(90), Refresher::Uac);
        assert_eq!(text(&answer, Name::Require), "100rel, timer");
        assert_eq!(session(&answer), Some((Duration::from_secs(90), Some(Refresher::Uac))));
        strip(&mut answer);
        assert_eq!((text(&answer, Name::Require).as_str(), session(&answer)), ("100rel", None));
    }

    #[test]
    fn an_interval_is_too_short_only_for_a_sender_that_understands_422() {
        let shortest = Duration::from_secs(90);
        for (lines, expected) in [
            (&[(Name::Supported, "timer"), (Name::SessionExpires, "0")][..], true),
            (&[(Name::Supported, "timer"), (Name::SessionExpires, "90")], false),
            (&[(Name::Supported, "timer"), (Name::SessionExpires, "1000000000")], false),
            (&[(Name::Supported, "timer"), (Name::SessionExpires, "soon")], false),
            (&[(Name::SessionExpires, "60")], false),
        ] {
            assert_eq!(is_too_short(&headers(lines), shortest), expected, "{lines:?}");
        }
    }
}
