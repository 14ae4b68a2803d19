//! PASSporT types other than `shaken`: rich call data, priorities, messages, and media keys.

use super::case::{Case, World, value};
use super::forge;

pub(super) fn cases() -> Vec<Case> {
    let world = World::new();
    let rides_along = SHAKEN.iter().map(|(claims, expected)| {
        let payload = forge::payload().replacen(r#","origid""#, &format!(r#",{claims},"origid""#), 1);
        world.call_with(format!("shaken with {claims}"), &forge::header(), &payload).expect(expected)
    });
    let alone = ALONE.iter().map(|(ppt, claims, lines, expected)| {
        let case = world.bearing(format!("{ppt} with {claims} and {lines:?}"), &typed(&world, ppt, claims));
        let case = if lines.is_empty() {
            case
        } else {
            case.edit("Max-Forwards", &format!("{lines}\r\nMax-Forwards"))
        };
        case.expect(expected)
    });
    let messages = MESSAGES.iter().map(|(claims, body, expected)| {
        let case = world.bearing(format!("msg with {claims} and {body:?}"), &typed(&world, "msg", claims));
        let case = case.edit("INVITE sip", "MESSAGE sip").edit("1 INVITE", "1 MESSAGE");
        case.body("text/plain", body).expect(expected)
    });
    let keys = KEYS.iter().map(|(claims, kind, body, expected)| {
        let payload = forge::payload().replacen(r#","orig""#, &format!(r#",{claims},"orig""#), 1);
        let case = world.call_with(format!("{claims} and {kind}: {body}"), &forge::header(), &payload);
        let case = if body.is_empty() { case } else { case.body(kind, &body.replace('|', "\r\n")) };
        case.expect(expected)
    });
    rides_along.chain(alone).chain(messages).chain(keys).collect()
}

/// Returns a PASSporT of another type, without `attest` and `origid`.
fn typed(world: &World, ppt: &str, claims: &str) -> String {
    let header = forge::header().replace("shaken", ppt);
    let payload = format!(
        r#"{{"dest":{{"tn":["12155551213"]}},"iat":1800000000,"orig":{{"tn":"12155551212"}},{claims}}}"#
    );
    value(&forge::token(&world.key, &header, &payload), ppt)
}

/// Claims in addition to those of `shaken`.
#[rustfmt::skip]
const SHAKEN: &[(&str, &str)] = &[
    (r#""rcd":{"nam":"Example"}"#, "Passed A"),
    (r#""rcd":{"nam":"Example","icn":"https://example.net/i.png"}"#, "Passed A"),
    (r#""rcd":{"nam":"Q Branch Spy Gadgets"},"rcdi":{"/nam":"sha256-sM275lTgzCte+LHOKHtU4SxG8shlOo6OS4ot8IJQImY"}"#, "Passed A"),
    (r#""rcd":{"nam":"Another"},"rcdi":{"/nam":"sha256-sM275lTgzCte+LHOKHtU4SxG8shlOo6OS4ot8IJQImY"}"#, "Failed 438 rcdi-mismatch"),
    (r#""rcd":{"nam":"x"},"rcdi":{"/nam":"md5-AAAA"}"#, "Failed 438 rcdi-mismatch"),
    (r#""rcd":{"nam":"x"},"rcdi":{"/jcd":"sha256-sM275lTgzCte+LHOKHtU4SxG8shlOo6OS4ot8IJQImY"}"#, "Failed 438 rcdi-mismatch"),
    (r#""rcd":{"nam":"x"},"rcdi":"sha256-x""#, "Failed 438 extension-invalid"),
    (r#""rcdi":{"/nam":"sha256-x"}"#, "Failed 438 extension-invalid"),
    (r#""rcd":{}"#, "Failed 438 extension-invalid"),
    (r#""rcd":{"nam":7}"#, "Failed 438 extension-invalid"),
    (r#""rcd":"Example""#, "Failed 438 extension-invalid"),
    (r#""rcd":{"nam":"x","jcd":[],"jcl":"https://h/c"}"#, "Failed 438 extension-invalid"),
    (r#""crn":"For your car""#, "Passed A"),
    (r#""unheard":{"of":[1,null,true]}"#, "Passed A"),
    // Claims of other types, which this type ignores.
    (r#""msgi":"sha256-x""#, "Passed A"),
    (r#""rph":{"auth":["ets.0"]}"#, "Passed A"),
];

/// The type, its claims, header lines of the request, and the result. None of these types vouches for the caller.
#[rustfmt::skip]
const ALONE: &[(&str, &str, &str, &str)] = &[
    ("rcd", r#""rcd":{"nam":"Example"}"#, "", "None"),
    ("rcd", r#""x":1"#, "", "Failed 438 extension-invalid"),
    ("rph", r#""rph":{"auth":["ets.0","wps.0"]}"#, "Resource-Priority: ets.0", "None"),
    ("rph", r#""rph":{"auth":["ets.0","wps.0"]}"#, "Resource-Priority: WPS.0, ets.0", "None"),
    ("rph", r#""rph":{"auth":["ets.0","wps.0"]}"#, "Resource-Priority: ets.1", "Failed 438 priority-mismatch"),
    ("rph", r#""rph":{"auth":["ets.0","wps.0"]}"#, "Resource-Priority: ets.0,dsn.flash", "Failed 438 priority-mismatch"),
    ("rph", r#""rph":["ets.0"]"#, "Resource-Priority: ets.0", "Failed 438 extension-invalid"),
    ("rph", r#""rph":{"auth":"ets.0"}"#, "Resource-Priority: ets.0", "Failed 438 extension-invalid"),
    ("rph", r#""x":1"#, "Resource-Priority: ets.0", "Failed 438 extension-invalid"),
    ("rph", r#""rph":{"auth":["esnet.0"]},"sph":"psap-callback""#, "Resource-Priority: esnet.0\r\nPriority: psap-callback", "None"),
    ("rph", r#""rph":{"auth":["esnet.0"]},"sph":"psap-callback""#, "Resource-Priority: esnet.0\r\nPriority: urgent", "Failed 438 priority-mismatch"),
    ("rph", r#""rph":{"auth":["esnet.0"]},"sph":"psap-callback""#, "Resource-Priority: esnet.0", "Failed 438 priority-mismatch"),
    ("rph", r#""rph":{"auth":["ets.0"]},"sph":"psap-callback""#, "Priority: psap-callback", "Failed 438 priority-mismatch"),
    ("rph", r#""rph":{"auth":["esnet.0"]},"sph":"urgent""#, "Resource-Priority: esnet.0\r\nPriority: urgent", "Failed 438 priority-mismatch"),
];

/// The claims of a `msg`, the body of the MESSAGE, and the result. A `msg` vouches for the sender.
#[rustfmt::skip]
const MESSAGES: &[(&str, &str, &str)] = &[
    (r#""msgi":"sha256-sM275lTgzCte+LHOKHtU4SxG8shlOo6OS4ot8IJQImY""#, "\"Q Branch Spy Gadgets\"", "Passed"),
    (r#""msgi":"sha256-sM275lTgzCte+LHOKHtU4SxG8shlOo6OS4ot8IJQImY""#, "changed", "Failed 438 msgi-mismatch"),
    (r#""msgi":"sha256-""#, "changed", "Failed 438 msgi-mismatch"),
    (r#""x":1"#, "anything", "Passed"),
];

const SDP: &str = "v=0|o=a 1 1 IN IP4 192.0.2.1|s=-|t=0 0|a=fingerprint:sha-256 02:1A:CC:54|m=audio 9 RTP/SAVP 0|a=fingerprint:SHA-256 4a:ad:b9:b1|";
const PLAIN_SDP: &str = "v=0|o=a 1 1 IN IP4 192.0.2.1|s=-|t=0 0|m=audio 9 RTP/AVP 0|";
const BOTH: &str = r#""mky":[{"alg":"sha-256","dig":"021ACC54"},{"alg":"sha-256","dig":"4AADB9B1"}]"#;
const ONE: &str = r#""mky":[{"alg":"sha-256","dig":"021ACC54"}]"#;

/// The keys, the body of the request with `|` for a line break, and the result.
#[rustfmt::skip]
const KEYS: &[(&str, &str, &str, &str)] = &[
    (BOTH, "application/sdp", SDP, "Passed A"),
    (ONE, "application/sdp", SDP, "Failed 438 mky-mismatch"),
    (BOTH, "application/sdp", PLAIN_SDP, "Failed 438 mky-mismatch"),
    (BOTH, "application/sdp", "", "Failed 438 mky-mismatch"),
    (r#""mky":[]"#, "application/sdp", PLAIN_SDP, "Passed A"),
    (r#""mky":[]"#, "application/sdp", SDP, "Failed 438 mky-mismatch"),
    (r#""mky":{}"#, "application/sdp", SDP, "Failed 438 extension-invalid"),
    (r#""mky":[{"alg":"sha-256"}]"#, "application/sdp", SDP, "Failed 438 extension-invalid"),
    (r#""x":1"#, "application/sdp", SDP, "Passed A"),
];
