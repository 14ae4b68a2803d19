//! A call by baresip, a user agent that uses OpenSSL for TLS.

use attesta_tests::ring::{Edge, Ring, TlsAuthority, is_installed, until};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[test]
fn a_user_agent_with_a_client_certificate_calls() {
    let Some(ring) = Ring::enter("baresip", 89) else { return };
    if !is_installed("baresip", "sh", &["-c", "command -v baresip"], "baresip-core") {
        return;
    }
    let authority = TlsAuthority::new(&ring);
    let host = ring.host(1);
    let (certificate, key) = authority.issue("edge", "edge", Some("edge.example"), &[host.to_string()]);
    let config = format!(
        r#"[[listen]]
address = "{host}:0"
transport = "tls"
certificate = "{certificate}"
key = "{key}"
client_ca = "{root}"

[[trunk]]
name = "acme"
tls_names = ["acme.example"]
inbound_identity = "pass"
outbound_identity = "pass"

[[route]]
to = "request-uri"

[callee]
numbers = ["+120255501"]
"#,
        certificate = certificate.display(),
        key = key.display(),
        root = authority.root().display(),
    );
    let edge = Edge::start(&ring, "edge", 1, &config);
    let agent = Baresip::start(&ring, &authority, edge.address("tls"));
    until(LIMIT, "the call is answered", || {
        (edge.metrics().sum("attesta_calls_answered_total", &[]) == 1.0).then_some(())
    });
    agent.hangs_up();
    until(LIMIT, "the call ends", || {
        let ended = edge.metrics().sum("attesta_calls_ended_total", &["cause=\"caller-hung-up\""]);
        (ended == 1.0).then_some(())
    });
    edge.wait_until_idle(LIMIT * 2);
    let full = edge.metrics().sum("attesta_tls_handshakes_total", &["side=\"accept\"", "result=\"full\""]);
    assert_eq!(full, 1.0, "requests and responses on one connection");
}

/// A user agent in a call. Drop kills the process.
struct Baresip(Child);

impl Baresip {
    /// Starts a user agent that shows a certificate for acme.example and calls the edge's built-in callee.
    fn start(ring: &Ring, authority: &TlsAuthority, edge: SocketAddr) -> Self {
        let home = ring.directory().join("baresip");
        std::fs::create_dir(&home).expect("the test's directory can be written");
        let write = |name: &str, text: String| {
            std::fs::write(home.join(name), text).expect("the test's directory can be written");
        };
        let (certificate, key) = authority.issue("acme", "acme", Some("acme.example"), &[]);
        let read = |path| std::fs::read_to_string(path).expect("it was written");
        write("own.pem", read(certificate) + &read(key));
        write("contacts", String::new());
        write("accounts", format!("<sip:+12155550111@{edge};transport=tls>;regint=0\n"));
        let own = ring.host(2);
        write(
            "config",
            format!(
                "sip_listen {own}:0\nsip_certificate {home}/own.pem\nsip_cafile {root}\nnet_interface {own}\n\
                 audio_player aubridge,b\naudio_source aubridge,a\naudio_alert aubridge,c\n\
                 module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aubridge.so\nmodule_app account.so\n\
                 module_app menu.so\n",
                home = home.display(),
                root = authority.root().display()
            ),
        );
        let log = std::fs::File::create(ring.directory().join("baresip.log")).expect("a log can be written");
        let child = Command::new("baresip")
            .arg("-f")
            .arg(&home)
            .args(["-e", &format!("/dial sip:+12025550143@{edge};transport=tls")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the handle of the log can be cloned"))
            .stderr(log)
            .spawn()
            .expect("baresip starts");
        Self(child)
    }

    /// Asks the process to end. It then ends its calls.
    fn hangs_up(&self) {
        let asked = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        assert!(asked.expect("kill starts").success());
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const LIMIT: Duration = Duration::from_secs(60);
