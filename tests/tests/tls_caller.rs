//! A TLS caller that accepts no connections keeps its call, and hears the callee hang up (RFC 3261 section 18.1.1).

use attesta_tests::ring::{Edge, Ring, Sipp, TlsAuthority, is_installed};
use std::process::Command;
use std::time::Duration;

/// One call. The caller shows a certificate if `has_certificate` is true. Its Contact names a port where nothing listens if
/// `is_elsewhere` is true.
fn hears_the_callee_hang_up(test: &str, subnet: u8, has_certificate: bool, is_elsewhere: bool) {
    let Some(ring) = Ring::enter(test, subnet) else { return };
    if !is_installed(test, PYTHON, &["-c", "import ssl"], "python3") {
        return;
    }
    let authority = TlsAuthority::new(&ring);
    let (host, callee) = (ring.host(1), ring.free(3));
    let (certificate, key) = authority.issue("edge", "edge", None, &[host.to_string()]);
    let (client_ca, origin) = if has_certificate {
        (format!("client_ca = \"{}\"", authority.root().display()), "tls_names = [\"acme.example\"]")
    } else {
        (String::new(), "sources = [\"127.0.0.0/8\"]")
    };
    let config = format!(
        r#"[[listen]]
address = "{host}:0"
transport = ["udp", "tls"]
certificate = "{certificate}"
key = "{key}"
{client_ca}

[[trunk]]
name = "acme"
{origin}
inbound_identity = "pass"

[[trunk]]
name = "far"
sources = ["{far}"]
inbound_identity = "pass"
targets = ["sip:{callee};transport=udp"]
outbound_identity = "pass"

[[route]]
to = "far"
"#,
        certificate = certificate.display(),
        key = key.display(),
        far = callee.ip(),
    );
    let edge = Edge::start(&ring, "edge", 1, &config);
    let mut far = Sipp::callee("callee_hangs_up", callee).calls(1, 1).start(&ring);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/tls_caller.py");
    let mut caller = Command::new(PYTHON);
    caller.arg(script).arg(edge.address("tls").to_string()).arg("--root").arg(authority.root());
    if has_certificate {
        let (certificate, key) = authority.issue("client", "client", None, &["acme.example".to_owned()]);
        caller.arg("--certificate").arg(certificate).arg("--key").arg(key);
    }
    if is_elsewhere {
        caller.arg("--contact").arg(ring.free(2).to_string());
    }
    let output = caller.output().expect("python3 starts");
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), "hung up", "{complained}");
    far.finish(LIMIT).assert_successful();
    edge.wait_until_no_calls(LIMIT);
}

#[test]
fn a_caller_without_a_certificate_hears_the_callee_hang_up() {
    hears_the_callee_hang_up("tls-caller", 97, false, false);
}

#[test]
fn a_caller_with_a_certificate_hears_the_callee_hang_up() {
    hears_the_callee_hang_up("tls-caller-certificate", 98, true, false);
}

#[test]
fn a_caller_whose_contact_takes_no_connections_hears_the_callee_hang_up() {
    hears_the_callee_hang_up("tls-caller-elsewhere", 102, true, true);
}

/// The path of the system's Python.
const PYTHON: &str = "/usr/bin/python3";
const LIMIT: Duration = Duration::from_secs(60);
