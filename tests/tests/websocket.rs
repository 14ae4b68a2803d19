//! Calls over WebSocket by an independent client, and attacks by hostile clients.

use attesta_tests::ring::{Edge, Ring, Sipp, TlsAuthority, is_installed, until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An edge with WebSocket listeners and a callee on UDP.
struct Scene {
    ring: Ring,
    authority: TlsAuthority,
    edge: Edge,
    callee: SocketAddr,
}

impl Scene {
    fn new(test: &str, subnet: u8) -> Option<Self> {
        let ring = Ring::enter(test, subnet)?;
        if !is_installed(test, PYTHON, &["-c", "import websockets"], "python3-websockets") {
            return None;
        }
        let authority = TlsAuthority::new(&ring);
        let (host, callee) = (ring.host(1), ring.free(3));
        let (certificate, key) = authority.issue("edge", "edge", None, &[host.to_string()]);
        let config = format!(
            r#"[[listen]]
address = "{host}:0"
transport = ["udp", "ws", "wss"]
certificate = "{certificate}"
key = "{key}"

[[trunk]]
name = "browsers"
sources = ["127.0.0.0/8"]
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
        Some(Self { ring, authority, edge, callee })
    }

    /// Starts a client that makes `calls` calls over `transport`. The side `hangs_up` ends each call.
    fn client(&self, transport: &str, calls: u32, hangs_up: &str) -> Client {
        let url = format!("{transport}://{}/", self.edge.address(transport));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/websocket_calls.py");
        let child = Command::new(PYTHON)
            .args([script, &url, "--calls", &calls.to_string(), "--hangs-up", hangs_up, "--root"])
            .arg(self.authority.root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        Client(child)
    }

    /// Makes calls over `transport` and runs `meanwhile` at the same time. The side `hangs_up` ends each call. No call fails.
    fn calls(&self, transport: &str, calls: u32, hangs_up: &str, meanwhile: impl FnOnce()) {
        let scenario = if hangs_up == "caller" { "callee_answers" } else { "callee_hangs_up" };
        let mut callee = Sipp::callee(scenario, self.callee).calls(calls, 200).quiet().start(&self.ring);
        let client = self.client(transport, calls, hangs_up);
        meanwhile();
        client.succeeds(calls);
        callee.finish(LIMIT).assert_successful();
        self.edge.wait_until_no_calls(Duration::from_secs(60));
    }

    fn failures(&self, reason: &str) -> f64 {
        let label = format!("reason=\"{reason}\"");
        self.edge.metrics().sum("attesta_websocket_failures_total", &[&label])
    }

    /// Opens a raw TCP stream and completes the WebSocket handshake.
    fn raw(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.edge.address("ws")).expect("the edge listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
        stream.set_write_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
        stream.write_all(HANDSHAKE.as_bytes()).expect("the edge reads");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("the edge answers");
        assert_eq!(&answer, b"HTTP/1.1 101");
        stream
    }
}

/// The independent client. Drop kills the process.
struct Client(Child);

impl Client {
    fn succeeds(mut self, calls: u32) {
        until(LIMIT, "the client ends", || self.0.try_wait().expect("a child can be waited for"));
        let (mut said, mut complained) = (String::new(), String::new());
        let (out, err) = (self.0.stdout.as_mut(), self.0.stderr.as_mut());
        out.expect("it is piped").read_to_string(&mut said).expect("it is UTF-8");
        err.expect("it is piped").read_to_string(&mut complained).expect("it is UTF-8");
        assert_eq!(said.trim(), format!("{calls} calls"), "{complained}");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_thousand_calls_over_ws() {
    let Some(scene) = Scene::new("ws", 85) else { return };
    scene.calls("ws", 1_000, "caller", || {});
    assert_eq!(scene.edge.metrics().sum("attesta_websockets_opened_total", &[]), 4.0);
}

#[test]
fn a_thousand_calls_over_wss() {
    let Some(scene) = Scene::new("wss", 86) else { return };
    scene.calls("wss", 1_000, "caller", || {});
}

#[test]
fn a_bye_reaches_a_browser() {
    let Some(scene) = Scene::new("ws-bye", 87) else { return };
    scene.calls("wss", 100, "callee", || {});
}

/// The WebSocket of the browser is lost in mid-call. The way to the browser follows its next request.
#[test]
fn a_bye_reaches_a_browser_that_came_back_on_another_websocket() {
    let Some(scene) = Scene::new("ws-returns", 104) else { return };
    let mut callee = Sipp::callee("callee_hangs_up_after_info", scene.callee).calls(1, 1).start(&scene.ring);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/websocket_returns.py");
    let url = format!("ws://{}/", scene.edge.address("ws"));
    let output = Command::new(PYTHON).args([script, &url]).output().expect("python3 starts");
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "hung up", "{complained}");
    callee.finish(LIMIT).assert_successful();
    scene.edge.wait_until_no_calls(Duration::from_secs(60));
}

#[test]
fn hostile_clients_meet_counted_limits_and_calls_go_on() {
    let Some(scene) = Scene::new("ws-hostile", 88) else { return };
    let before = scene.edge.usage();
    scene.calls("ws", 300, "caller", || {
        // This frame announces more octets than a SIP message may have.
        let mut large = scene.raw();
        large.write_all(&[0x81, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]).expect("the edge reads");
        // This peer sends fragments and never ends the message.
        let mut fragments = scene.raw();
        fragments.write_all(&[0x01, 0x81, 0, 0, 0, 0, b'I']).expect("the edge reads");
        let empty = [0x00, 0x80, 0, 0, 0, 0].repeat(1_000);
        while fragments.write_all(&empty).is_ok() {}
        // This frame has no mask.
        let mut bare = scene.raw();
        bare.write_all(&[0x81, 0x02, b'h', b'i']).expect("the edge reads");
        // This handshake never ends.
        let mut slow = TcpStream::connect(scene.edge.address("ws")).expect("the edge listens");
        slow.write_all(b"GET / HTTP/1.1\r\n").expect("the edge reads");
        for reason in ["too-large", "fragments", "protocol", "timeout"] {
            until(LIMIT, &format!("{reason} is counted"), || (scene.failures(reason) == 1.0).then_some(()));
        }
    });
    let after = scene.edge.usage();
    assert!(after.peak < before.resident + GROWTH, "{} KiB, then {} KiB", before.resident, after.peak);
}

/// The system's Python, for which Debian has the websockets package.
const PYTHON: &str = "/usr/bin/python3";
const LIMIT: Duration = Duration::from_secs(120);
/// The most resident memory that calls and attacks may add, in KiB.
const GROWTH: u64 = 48 * 1024;
const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\
                         Sec-WebSocket-Version: 13\r\n\r\n";
