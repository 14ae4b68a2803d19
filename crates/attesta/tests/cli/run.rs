//! Tests of `attesta run`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Stdio};
use std::time::Duration;

use attesta::UnixTime;
use attesta::pki::{Scope, ThrowAwayPki};

use crate::support::{attesta, path, program, throw_away_pki};

/// A running edge. Dropping it kills the process, for tests that fail.
struct Edge {
    child: Child,
    /// The lines of standard output, up to `ready`.
    ready: Vec<String>,
}

impl Edge {
    fn start(args: &[&str]) -> Self {
        let mut child =
            program().arg("run").args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut ready = Vec::new();
        while ready.last().map(String::as_str) != Some("ready") {
            let Some(Ok(line)) = lines.next() else {
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("not ready after {ready:?}: {said}");
            };
            ready.push(line);
        }
        Self { child, ready }
    }

    fn address(&self, listener: &str) -> SocketAddr {
        let prefix = format!("ready {listener} ");
        self.ready.iter().find_map(|line| line.strip_prefix(&prefix)).unwrap().parse().unwrap()
    }

    /// Returns the status and the body of `GET path` from the admin listener.
    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address("admin")).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    #[cfg(unix)]
    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Stops the edge immediately with a second signal. Returns the exit status and the text on standard error.
    #[cfg(unix)]
    fn stop(self) -> (Option<i32>, String) {
        self.signal("-TERM");
        self.signal("-INT");
        self.ends()
    }

    /// Waits for the end of the edge. Returns the exit status and the text on standard error.
    #[cfg(unix)]
    fn ends(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the INVITE of a call to the built-in callee.
fn test_call(to: SocketAddr, from: SocketAddr) -> String {
    format!(
        "INVITE sip:+12025550100@{to};user=phone SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKrun1;rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+12155551212@127.0.0.1;user=phone>;tag=1\r\n\
         To: <sip:+12025550100@127.0.0.1;user=phone>\r\nCall-ID: run-1\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:{from}>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Returns the embedded default with free ports.
fn default_on_free_ports(folder: &tempfile::TempDir) -> String {
    let printed = attesta(["check", "--print-default"]).expect(0).stdout;
    let text = printed.replace("127.0.0.1:5060", "127.0.0.1:0").replace("127.0.0.1:8060", "127.0.0.1:0");
    let file = folder.path().join("edge.toml");
    fs::write(&file, text).unwrap();
    path(&file).to_owned()
}

#[test]
#[cfg(unix)]
fn the_edge_is_ready_answers_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let edge = Edge::start(&["--config", &default_on_free_ports(&folder)]);
    assert_eq!(edge.ready.len(), 4, "udp, tcp, admin and `ready` alone: {:?}", edge.ready);
    assert_ne!(edge.address("udp").port(), 0, "the bound port");

    assert_eq!(edge.get("/health").0, 200);
    let (status, metrics) = edge.get("/metrics");
    assert_eq!(status, 200);
    for line in ["attesta_calls_live 0", "attesta_dialogs_live 0", "attesta_transactions_live 0", "# EOF"] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
    for name in [
        "attesta_messages_refused_total{reason=\"",
        "attesta_identity_signed_total ",
        concat!("attesta_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "attesta_certificate_fetches_total{result=\"",
    ] {
        assert!(metrics.lines().any(|found| found.starts_with(name)), "{name}: {metrics}");
    }
    assert_eq!(edge.get("/nothing").0, 404);
    let (code, _) = edge.stop();
    assert_eq!(code, Some(0));
}

#[test]
#[cfg(unix)]
fn the_built_in_callee_answers() {
    let folder = tempfile::tempdir().unwrap();
    let edge = Edge::start(&["--config", &default_on_free_ports(&folder)]);
    let to = edge.address("udp");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let from = socket.local_addr().unwrap();
    socket.send_to(test_call(to, from).as_bytes(), to).unwrap();
    let mut buffer = [0; 65_535];
    let answer = loop {
        let octets = socket.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..octets]).into_owned();
        if !text.starts_with("SIP/2.0 1") {
            break text;
        }
    };
    assert!(answer.starts_with("SIP/2.0 200 ") && answer.contains("application/sdp"), "{answer}");
    let (_, metrics) = edge.get("/metrics");
    assert!(metrics.contains("attesta_calls_live 1"), "{metrics}");
    edge.signal("-HUP");
    let (code, said) = edge.stop();
    assert_eq!(code, Some(0), "SIGHUP stops nothing");
    assert!(said.contains("SIGHUP has no effect: the configuration is read at start only"), "{said}");
    assert!(said.contains("stopped with calls in progress; no BYE was sent calls=1"), "{said}");
}

#[test]
#[cfg(unix)]
fn a_stopping_edge_lets_its_calls_end() {
    let folder = tempfile::tempdir().unwrap();
    let edge = Edge::start(&["--config", &default_on_free_ports(&folder), "--drain", "1h"]);
    let mut phone = Phone::towards(edge.address("udp"));
    phone.calls();
    edge.signal("-TERM");
    // The signal needs a moment to reach each worker.
    let is_open = |line: &str| line == "attesta_draining 0";
    while edge.get("/metrics").1.lines().any(is_open) {}
    let new = test_call(phone.edge, phone.local).replace("run", "new");
    phone.asks(&new);
    let refusal = phone.gets("SIP/2.0 503 ");
    phone.asks(&new.replace("INVITE", "ACK"));
    assert!(refusal.contains("Retry-After: 30\r\n"), "{refusal}");
    phone.asks(&phone.within("BYE", 2));
    phone.gets("SIP/2.0 200 ");
    let (code, said) = edge.ends();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("draining calls=1") && said.contains("hung_up=0"), "{said}");
}

#[test]
#[cfg(unix)]
fn an_edge_without_drain_time_hangs_up() {
    let folder = tempfile::tempdir().unwrap();
    let edge = Edge::start(&["--config", &default_on_free_ports(&folder), "--drain", "0s"]);
    let mut phone = Phone::towards(edge.address("udp"));
    phone.calls();
    edge.signal("-TERM");
    let bye = phone.gets("BYE ");
    phone.asks(&response(&bye));
    let (code, said) = edge.ends();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("draining calls=1") && said.contains("hung_up=1"), "{said}");
    assert!(said.contains("cause=shut-down"), "{said}");
}

/// A telephone in a call to the built-in callee.
struct Phone {
    socket: UdpSocket,
    edge: SocketAddr,
    local: SocketAddr,
    /// The callee's To header field in the dialog.
    to: String,
}

impl Phone {
    fn towards(edge: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let local = socket.local_addr().unwrap();
        Self { socket, edge, local, to: String::new() }
    }

    fn asks(&self, message: &str) {
        self.socket.send_to(message.as_bytes(), self.edge).unwrap();
    }

    /// Places a call and acknowledges the answer.
    fn calls(&mut self) {
        self.asks(&test_call(self.edge, self.local));
        let ok = self.gets("SIP/2.0 200 ");
        self.to = ok.lines().find(|line| line.starts_with("To:")).unwrap().to_owned();
        self.asks(&self.within("ACK", 1));
    }

    /// Returns a request within the dialog.
    fn within(&self, method: &str, seq: u32) -> String {
        let invite = test_call(self.edge, self.local);
        let to = invite.lines().find(|line| line.starts_with("To:")).unwrap();
        invite
            .replace(to, &self.to)
            .replace("1 INVITE", &format!("{seq} {method}"))
            .replacen("INVITE", method, 1)
            .replace("z9hG4bKrun1", &format!("z9hG4bK{method}"))
    }

    /// Returns the next message that begins with `start`. Retransmissions and 100 responses are skipped.
    fn gets(&self, start: &str) -> String {
        let mut buffer = [0; 65_535];
        loop {
            let octets = self.socket.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..octets]).into_owned();
            if text.starts_with(start) {
                return text;
            }
        }
    }
}

/// Returns a 200 response to a request.
fn response(request: &str) -> String {
    let copied = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let lines = request.lines().filter(|line| copied.iter().any(|name| line.starts_with(name)));
    let head: String = lines.map(|line| format!("{line}\r\n")).collect();
    format!("SIP/2.0 200 OK\r\n{head}Content-Length: 0\r\n\r\n")
}

#[test]
#[cfg(unix)]
fn log_lines_can_be_json_and_show_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let config = default_on_free_ports(&folder);
    let text = fs::read_to_string(&config).unwrap().replace("format = \"text\"", "format = \"json\"");
    fs::write(&config, text).unwrap();
    let edge = Edge::start(&["--config", &config]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let from = socket.local_addr().unwrap();
    socket.send_to(test_call(edge.address("udp"), from).as_bytes(), edge.address("udp")).unwrap();
    socket.recv(&mut [0; 65_535]).unwrap();
    let (_, said) = edge.stop();
    let lines: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "stopped"), "{said}");
    assert!(!said.contains("2155551212"), "numbers are personal data: {said}");
}

#[test]
fn an_address_in_use_is_reported_with_its_place() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edge.toml");
    fs::write(
        &file,
        format!("[admin]\nlisten = \"off\"\n[[listen]]\naddress = \"{}\"\n", taken.local_addr().unwrap()),
    )
    .unwrap();
    let refused = attesta(["run", "--config", path(&file)]).expect(2);
    assert!(refused.stderr.contains("edge.toml:3:1: cannot listen on 127.0.0.1:"), "{}", refused.stderr);
    assert!(refused.stdout.is_empty());
}

#[test]
fn a_faulty_file_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edge.toml");
    fs::write(&file, "[[listen]]\nadress = \"127.0.0.1:0\"\n").unwrap();
    let refused = attesta(["run", "--config", path(&file)]).expect(2);
    assert!(refused.stderr.contains("edge.toml:2:1: unknown key `adress`"), "{}", refused.stderr);
}

const SIGNER: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\n[admin]\nlisten = \"off\"\n[[signer]]\nname = \"acme\"\n\
    key = \"leaf.key.pem\"\ncertificate = \"leaf.chain.pem\"\nx5u = \"https://cr.example.net/leaf.pem\"\n";

#[test]
fn a_key_that_does_not_fit_stops_the_start() {
    let folder = throw_away_pki(&[]);
    let file = folder.path().join("edge.toml");
    fs::write(&file, SIGNER.replace("leaf.key.pem", "root.key.pem")).unwrap();
    let refused = attesta(["run", "--config", path(&file)]).expect(2);
    assert!(refused.stderr.contains("edge.toml:7:7: "), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("root.key.pem: ") && refused.stderr.contains("help: "),
        "{}",
        refused.stderr
    );
}

#[test]
#[cfg(unix)]
fn an_expired_signer_is_out_of_service_and_check_refuses_it() {
    let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let scope = Scope::provider("1234").unwrap();
    // The certificates are valid in the first days of 2024.
    let pki = ThrowAwayPki::generate(&[scope], at(1_704_067_200), at(1_704_240_000)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("leaf.key.pem"), pki.leaf_key_pem()).unwrap();
    fs::write(folder.path().join("leaf.chain.pem"), pki.leaf_chain_pem()).unwrap();
    let file = folder.path().join("edge.toml");
    fs::write(&file, SIGNER).unwrap();

    let refused = attesta(["check", "--config", path(&file)]).expect(2);
    assert!(
        refused.stderr.contains("edge.toml:8:15: ") && refused.stderr.contains("expired"),
        "{}",
        refused.stderr
    );

    let edge = Edge::start(&["--config", path(&file)]);
    let (code, said) = edge.stop();
    assert_eq!(code, Some(0), "the edge ran anyway");
    assert!(said.contains("ERROR") && said.contains("signer \"acme\" is out of service"), "{said}");
}
