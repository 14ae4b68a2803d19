//! The header fields of session timers: RFC 4028.

use std::time::Duration;

use attesta_sip::{Headers, Name, Refresher, SessionExpires};

use crate::headers::options;

/// The option tag of session timers.
const TIMER: &str = "timer";

/// True if the sender supports session timers (RFC 4028 section 7.1).
pub(crate) fn supports_timer(headers: &Headers) -> bool {
    options::supports(headers, TIMER)
}

/// The session interval and the side that refreshes. `None` if there is no value, or no readable one.
pub(crate) fn session(headers: &Headers) -> Option<(Duration, Option<Refresher>)> {
    let value = SessionExpires::parse(headers.get(Name::SessionExpires)?).ok()?;
    Some((Duration::from_secs(value.seconds().into()), value.refresher()))
}

/// True if the request asks for a shorter interval than `shortest` (RFC 4028 sections 8.1 and 9). A sender that does not
/// support session timers would not understand a 422.
pub(crate) fn is_too_short(headers: &Headers, shortest: Duration) -> bool {
    supports_timer(headers) && session(headers).is_some_and(|(interval, _)| interval < shortest)
}

/// Offers a session timer in a request to the other side, for a sender that offers none. The receiver refreshes if the sender
/// does not support session timers, because we send no refresh of the sender's session.
pub(crate) fn offer(headers: &mut Headers, interval: Duration) {
    if headers.contains(Name::SessionExpires) {
        return;
    }
    let seconds = interval.as_secs();
    if supports_timer(headers) {
        headers.push(Name::SessionExpires, seconds.to_string());
        return;
    }
    options::add(headers, Name::Supported, TIMER);
    headers.push(Name::SessionExpires, format!("{seconds};refresher=uas"));
}

/// Begins a session timer in a 2xx, for a peer that supports session timers (RFC 4028 section 9).
pub(crate) fn begin(headers: &mut Headers, interval: Duration, refresher: Refresher) {
    let side = match refresher {
        Refresher::Uac => "uac",
        Refresher::Uas => "uas",
    };
    let value = format!("{};refresher={side}", interval.as_secs());
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
        offer(&mut plain, Duration::from_secs(1_800));
        assert_eq!(text(&plain, Name::Supported), "100rel, timer");
        assert_eq!(text(&plain, Name::SessionExpires), "1800;refresher=uas");
        let mut able = headers(&[(Name::Supported, "timer")]);
        offer(&mut able, Duration::from_secs(1_800));
        assert_eq!(text(&able, Name::SessionExpires), "1800");
        let mut asks = headers(&[(Name::Supported, "timer"), (Name::SessionExpires, "600;refresher=uac")]);
        offer(&mut asks, Duration::from_secs(1_800));
        assert_eq!(text(&asks, Name::SessionExpires), "600;refresher=uac");
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
