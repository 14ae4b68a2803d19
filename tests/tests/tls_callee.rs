//! A callee reached as `sips:name` whose 2xx names an IP address gets ACK and BYE (RFC 3261 section 18.1.1, RFC 5923 section 5).

use attesta_tests::ring::{Edge, NameServer, Ring, Sipp, Stunnel, StunnelEnd, TlsAuthority, is_installed};
use std::time::Duration;

#[test]
fn a_callee_with_a_name_and_an_address_as_contact_gets_ack_and_bye() {
    let test = "tls-callee";
    let Some(ring) = Ring::enter(test, 103) else { return };
    if !NameServer::is_there(test) || !is_installed(test, "stunnel4", &["-version"], "stunnel4") {
        return;
    }
    let authority = TlsAuthority::new(&ring);
    let (host, callee, callee_tls) = (ring.host(1), ring.free(3), ring.free(4));
    let dns = NameServer::start(&ring, 9, &[("dns.test", format!("callee A {}\n", callee_tls.ip()))]);
    // The certificate proves the name, and not the address.
    let identity = authority.issue("callee", "callee", None, &["callee.dns.test".to_owned()]);
    let (certificate, key) = authority.issue("edge", "edge", None, &[host.to_string()]);
    let config = format!(
        r#"[[listen]]
address = "{host}:0"
transport = ["udp", "tls"]
certificate = "{certificate}"
key = "{key}"

[tls]
roots = "{root}"

[dns]
servers = ["{dns}"]

[[trunk]]
name = "near"
sources = ["{near}"]
inbound_identity = "pass"

[[trunk]]
name = "far"
targets = ["sips:callee.dns.test:{port}"]
outbound_identity = "pass"

[[route]]
to = "far"
"#,
        certificate = certificate.display(),
        key = key.display(),
        root = authority.root().display(),
        dns = dns.address(),
        near = ring.host(2),
        port = callee_tls.port(),
    );
    let ends = (callee_tls, callee);
    let _tunnel = Stunnel::start(&ring, StunnelEnd::Server, ends, &authority.root(), Some(&identity), false);
    let edge = Edge::start(&ring, "edge", 1, &config);
    let mut far =
        Sipp::callee("callee_answers_tls", callee).target(callee_tls).calls(10, 10).over_tcp().start(&ring);
    let mut near = Sipp::caller("caller_hangs_up", ring.free(2), edge.udp()).calls(10, 10).start(&ring);
    near.finish(LIMIT).assert_successful();
    far.finish(LIMIT).assert_successful();
    edge.wait_until_no_calls(LIMIT);
    // One connection carries all requests.
    assert_eq!(
        edge.metrics().sum("attesta_tls_handshakes_total", &["side=\"connect\"", "result=\"full\""]),
        1.0
    );
}

const LIMIT: Duration = Duration::from_secs(60);
