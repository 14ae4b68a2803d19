//! Caller, callee and time: From, To, P-Asserted-Identity, the Request-URI, Date and the clock.

use super::case::{Case, World};
use super::support::NOW;

pub(super) fn cases() -> Vec<Case> {
    let world = World::new();
    let mut cases: Vec<_> = MESSAGES
        .iter()
        .map(|(from, to, expected)| {
            world.call(format!("message: {from} -> {to}")).edit(from, to).expect(expected)
        })
        .collect();
    cases.extend(CLOCKS.iter().map(|(shift, date, expected)| {
        let name = format!("verified {shift} s later, Date {date}");
        world.call(name).edit(DATE, date).at(NOW.checked_add_signed(*shift).unwrap()).expect(expected)
    }));
    let renamed =
        world.call("To and Request-URI are elsewhere").edit(URI, "INVITE sip:+12155559999@example.net");
    cases.push(renamed.edit(TO, "To: <sip:+12155559999@").expect("Failed 438 dest-mismatch"));
    cases
}

const URI: &str = "INVITE sip:+12155551213@example.net";
const FROM: &str = "<sip:+12155551212@example.net;user=phone>;tag";
const TO: &str = "To: <sip:+12155551213@";
const CONTACT: &str = "Contact: <sip:192.0.2.1>";
const DATE: &str = "Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n";

/// The text to replace in the ordinary message, its replacement, and the result.
#[rustfmt::skip]
const MESSAGES: &[(&str, &str, &str)] = &[
    (FROM, "<tel:+1-215-555-1212>;tag", "Passed A"),
    (FROM, "<tel:+1(215)555.1212>;tag", "Passed A"),
    (FROM, "<sip:+12155551212@elsewhere.example>;tag", "Passed A"),
    (FROM, "<sip:+1215%35551212@example.net;user=phone>;tag", "Passed A"),
    (FROM, "<sip:+12155551212;npdi;rn=+12155550000@example.net;user=phone>;tag", "Passed A"),
    (FROM, "<sip:+12155551212;verstat=TN-Validation-Failed@example.net;user=phone>;tag", "Passed A"),
    (FROM, "<sips:+12155551212:secret@example.net;user=phone>;tag", "Passed A"),
    (FROM, "<sip:12155551212@example.net;user=phone>;tag", "Passed A"),
    (FROM, "<sip:+12155559999@example.net;user=phone>;tag", "Failed 438 orig-mismatch"),
    (FROM, "<tel:+12155559999>;tag", "Failed 438 orig-mismatch"),
    (FROM, "<sip:anonymous@anonymous.invalid>;tag", "None 438 no-number"),
    (FROM, "<sip:alice@example.net>;tag", "None 438 no-number"),
    (FROM, "<sip:example.net>;tag", "None 438 no-number"),
    (FROM, "<mailto:a@example.net>;tag", "None 438 no-number"),
    // An asserted identity takes precedence over From.
    (FROM, "<sip:anonymous@anonymous.invalid>;tag=1\r\nP-Asserted-Identity: <tel:+12155551212>\r\nX-Rest: x", "Passed A"),
    (CONTACT, "Contact: <sip:192.0.2.1>\r\nP-Asserted-Identity: <sip:alice@example.net>, <tel:+12155551212>", "Passed A"),
    (CONTACT, "Contact: <sip:192.0.2.1>\r\nP-Asserted-Identity: <tel:+12155559999>", "Failed 438 orig-mismatch"),
    (TO, "To: <sip:+12155551213;postd=22@", "Passed A"),
    (TO, "To: \"+12155559999\" <sip:+12155551213@", "Passed A"),
    // The Request-URI may name the callee instead of To. This is common if calls are retargeted without a div.
    (TO, "To: <sip:+12155559999@", "Passed A"),
    (URI, "INVITE sip:+12155559999@example.net", "Passed A"),
    (URI, "INVITE tel:+12155559999", "Passed A"),
    (URI, "INVITE urn:service:sos", "Passed A"),
];

/// The delay of the verification, the Date line, and the result.
#[rustfmt::skip]
const CLOCKS: &[(i64, &str, &str)] = &[
    (60, DATE, "Passed A"),
    (-60, DATE, "Passed A"),
    (61, DATE, "Failed 403 date-stale"),
    (61, "", "Failed 403 iat-stale"),
    (61, "Date: Fri, 15 Jan 2027 08:01:01 GMT\r\n", "Failed 403 iat-stale"),
    (61, "Date: yesterday\r\n", "Failed 403 iat-stale"),
    (-61, DATE, "Failed 403 iat-in-future"),
    (0, "Date: Fri, 15 Jan 2027 07:00:00 GMT\r\n", "Passed A"),
    (0, "Date: Fri, 15 Jan 2027 09:00:00 GMT\r\n", "Passed A"),
    (0, "", "Passed A"),
    (86_401, "", "Failed 403 iat-stale"),
];
