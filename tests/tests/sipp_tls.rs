//! Calls over TLS with SIPp behind stunnel at both ends, and the edge as seen by OpenSSL.

use attesta_tests::ring::{Edge, Ring, Sipp, Stunnel, StunnelEnd, TlsAuthority, is_installed, until};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A caller and a callee with a tunnel each, and the edge between them.
struct Scene {
    ring: Ring,
    authority: TlsAuthority,
    edge: Edge,
    callee: SocketAddr,
    /// The TLS address of the callee.
    callee_tls: SocketAddr,
    _callee_tunnel: Stunnel,
}

impl Scene {
    /// Builds the scene. `client_auth` (lines of `[[listen]]`) says how the edge asks clients for a certificate. `origin` (a
    /// line of its `[[trunk]]`) says how the edge recognises the caller. With `mutual`, the callee's tunnel asks the edge for a
    /// certificate.
    fn new(test: &str, subnet: u8, client_auth: &str, origin: &str, mutual: bool) -> Option<Self> {
        let ring = Ring::enter(test, subnet)?;
        if !is_installed(test, "stunnel4", &["-version"], "stunnel4")
            || !is_installed(test, "openssl", &["version"], "openssl")
        {
            return None;
        }
        let authority = TlsAuthority::new(&ring);
        let (callee, callee_tls) = (ring.free(3), ring.free(4));
        let callee_identity = authority.issue("callee", "callee", None, &[callee_tls.ip().to_string()]);
        let edge_names = [ring.host(1).to_string(), "edge.example".to_owned()];
        let (certificate, key) = authority.issue("edge", "first", Some("edge.example"), &edge_names);
        let config = format!(
            r#"[[listen]]
address = "{host}:0"
transport = "tls"
certificate = "{certificate}"
key = "{key}"
{client_auth}

[tls]
roots = "{root}"

[[trunk]]
name = "near"
{origin}
inbound_identity = "pass"

[[trunk]]
name = "far"
targets = ["sip:{callee_tls};transport=tls"]
outbound_identity = "pass"

[[route]]
to = "far"
"#,
            host = ring.host(1),
            certificate = certificate.display(),
            key = key.display(),
            root = authority.root().display(),
        );
        let tunnel = Stunnel::start(
            &ring,
            StunnelEnd::Server,
            (callee_tls, callee),
            &authority.root(),
            Some(&callee_identity),
            mutual,
        );
        let edge = Edge::start(&ring, "edge", 1, &config);
        Some(Self { ring, authority, edge, callee, callee_tls, _callee_tunnel: tunnel })
    }

    /// Runs `calls` calls through tunnels of the caller that show the certificate `own`. No call fails.
    fn calls(&self, calls: u32, rate: u32, own: Option<&(PathBuf, PathBuf)>, meanwhile: impl FnOnce()) {
        let entrance = self.ring.free(2);
        let tls = self.edge.address("tls");
        let _tunnel = Stunnel::start(
            &self.ring,
            StunnelEnd::Client,
            (entrance, tls),
            &self.authority.root(),
            own,
            false,
        );
        let mut callee = Sipp::callee("callee_answers_tls", self.callee)
            .target(self.callee_tls)
            .calls(calls, rate)
            .over_tcp()
            .quiet()
            .start(&self.ring);
        let mut caller = Sipp::caller("caller_hangs_up", self.ring.free(5), entrance)
            .target(tls)
            .calls(calls, rate)
            .pause(Duration::from_millis(300))
            .over_tcp()
            .quiet()
            .start(&self.ring);
        meanwhile();
        let (heard, said) = (caller.finish(LIMIT), callee.finish(LIMIT));
        heard.assert_successful();
        said.assert_successful();
        assert_eq!((heard.retransmissions, heard.out_of_call, said.out_of_call), (0, 0, 0));
        self.edge.wait_until_no_calls(Duration::from_secs(60));
    }

    fn handshakes(&self, side: &str, result: &str) -> f64 {
        let labels = [format!("side=\"{side}\""), format!("result=\"{result}\"")];
        let labels = labels.each_ref().map(String::as_str);
        self.edge.metrics().sum("attesta_tls_handshakes_total", &labels)
    }

    /// Returns the output of `openssl s_client` with `arguments`, connected to the edge.
    fn s_client(&self, arguments: &[&str]) -> String {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &self.edge.address("tls").to_string(), "-CAfile"])
            .arg(self.authority.root())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("openssl starts");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

#[test]
fn a_thousand_calls_with_client_certificates() {
    let origin = "tls_names = [\"acme.example\"]";
    let client_auth = format!("client_ca = \"{}\"", "tls-root.pem");
    let Some(scene) = Scene::new("tls-mutual", 80, &client_auth, origin, true) else { return };
    let acme = scene.authority.issue("acme", "acme", Some("acme.example"), &[]);
    scene.calls(1_000, 100, Some(&acme), || {});
    assert_eq!((scene.handshakes("accept", "full"), scene.handshakes("connect", "full")), (1.0, 1.0));

    // A peer that proves another domain is an unknown source. A peer that proves no domain fails in the handshake.
    let other = scene.authority.issue("other", "other", Some("other.example"), &[]);
    let refused = |own| {
        let entrance = scene.ring.free(2);
        let tls = scene.edge.address("tls");
        let root = scene.authority.root();
        let _tunnel = Stunnel::start(&scene.ring, StunnelEnd::Client, (entrance, tls), &root, own, false);
        let mut stream = TcpStream::connect(entrance).expect("the tunnel listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
        std::io::Write::write_all(&mut stream, INVITE.as_bytes()).expect("the tunnel takes it");
        let mut answer = [0; 12];
        let read = stream.read(&mut answer).unwrap_or_default();
        String::from_utf8_lossy(&answer[..read]).into_owned()
    };
    assert_eq!(refused(Some(&other)), "SIP/2.0 403 ");
    assert_eq!(refused(None), "");
    until(Duration::from_secs(10), "the handshake without a certificate is counted", || {
        (scene.handshakes("accept", "no-certificate") == 1.0).then_some(())
    });
}

#[test]
fn a_thousand_calls_without_client_certificates() {
    let Some(scene) = Scene::new("tls-plain", 81, "", "sources = [\"127.41.81.0/24\"]", false) else {
        return;
    };
    scene.calls(1_000, 100, None, || {});
}

#[test]
fn a_certificate_change_under_load_loses_no_call() {
    let Some(scene) = Scene::new("tls-swap", 82, "", "sources = [\"127.41.82.0/24\"]", false) else { return };
    let reloads = |result: &str| {
        let label = format!("result=\"{result}\"");
        scene.edge.metrics().sum("attesta_tls_reloads_total", &[&label])
    };
    let subject = || scene.s_client(&[]);
    assert!(subject().contains("CN = first"), "{}", subject());
    scene.calls(2_000, 200, None, || {
        let names = [scene.ring.host(1).to_string()];
        let (certificate, _) = scene.authority.issue("edge", "second", Some("edge.example"), &names);
        until(LIMIT, "the new certificate is loaded", || (reloads("loaded") == 1.0).then_some(()));
        assert!(subject().contains("CN = second"), "{}", subject());
        std::fs::write(certificate, "no certificate").expect("the file can be written");
        until(LIMIT, "the unusable certificate is refused", || (reloads("refused") == 1.0).then_some(()));
        assert!(subject().contains("CN = second"), "{}", subject());
    });
}

#[test]
fn openssl_sees_the_offered_versions_and_certificates() {
    let client_auth = "client_ca = \"tls-root.pem\"\nclient_auth = \"optional\"";
    let Some(scene) = Scene::new("tls-offer", 83, client_auth, "tls_names = [\"acme.example\"]", false)
    else {
        return;
    };
    let latest = scene.s_client(&["-alpn", "sip/2", "-servername", "edge.example"]);
    for part in [
        "TLSv1.3",
        "ALPN protocol: sip/2",
        "Verify return code: 0 (ok)",
        "CN = root of the test",
        "CN = first",
    ] {
        assert!(latest.contains(part), "{part}: {latest}");
    }
    let older = scene.s_client(&["-tls1_2"]);
    assert!(older.contains("Protocol  : TLSv1.2") && older.contains("Verify return code: 0"), "{older}");
    for refused in [&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"][..], &["-alpn", "h2"]] {
        let said = scene.s_client(refused);
        assert!(said.contains("alert") && !said.contains("BEGIN CERTIFICATE"), "{refused:?}: {said}");
    }

    // The client resumes a session, with TLS 1.2 and 1.3.
    for version in ["-tls1_2", "-tls1_3"] {
        let session = scene.ring.directory().join(format!("session{version}"));
        let session = session.to_str().expect("the path is UTF-8");
        let first = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "(sleep 1) | openssl s_client -connect {} {version} -sess_out {session}",
                scene.edge.address("tls")
            ))
            .output()
            .expect("sh starts");
        assert!(String::from_utf8_lossy(&first.stdout).contains("New, "), "{version}");
        let again = scene.s_client(&[version, "-sess_in", session]);
        assert!(again.contains("Reused, "), "{version}: {again}");
    }
    assert_eq!(scene.handshakes("accept", "resumed"), 2.0);
    assert!(scene.handshakes("accept", "incompatible") >= 2.0);
}

#[test]
fn handshakes_that_never_end_delay_no_call() {
    let Some(scene) = Scene::new("tls-stalled", 84, "", "sources = [\"127.41.84.0/24\"]", false) else {
        return;
    };
    let (tls, before) = (scene.edge.address("tls"), scene.edge.usage());
    let stalled: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(tls).expect("the edge listens");
            // Sends the head of a record whose rest never follows.
            std::io::Write::write_all(&mut stream, &[0x16, 0x03, 0x01, 0x02, 0x00]).expect("it is taken");
            stream
        })
        .collect();
    scene.calls(200, 50, None, || {});
    until(LIMIT, "each handshake times out", || {
        (scene.handshakes("accept", "timeout") == 200.0).then_some(())
    });
    drop(stalled);
    let after = scene.edge.usage();
    assert!(after.peak < before.resident + GROWTH, "{} KiB, then {} KiB", before.resident, after.peak);
}

const LIMIT: Duration = Duration::from_secs(120);
/// The most resident memory that calls and handshakes may add, in KiB.
const GROWTH: u64 = 48 * 1024;
const INVITE: &str = "INVITE sip:+12025550143@edge.example SIP/2.0\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\n\
                      Max-Forwards: 70\r\nFrom: <sip:a@a.example>;tag=1\r\nTo: <sip:+12025550143@edge.example>\r\n\
                      Call-ID: unknown\r\nCSeq: 1 INVITE\r\nContact: <sip:a@a.example>\r\nContent-Length: 0\r\n\r\n";
