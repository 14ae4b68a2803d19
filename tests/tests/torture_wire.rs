//! The torture messages of RFC 4475, sent as datagrams to a running edge: each gets one of its answers, or none.

use attesta_sip::{Method, Name, UnreadableRequest, Values, Via};
use attesta_tests::ring::{Edge, Ring, skips, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

#[test]
fn every_torture_message_gets_its_answer_on_the_wire() {
    let Some(folder) = torture() else { return };
    let Some(ring) = Ring::enter("torture-wire", 23) else { return };
    // It takes everything and answers nothing, so that what a call or a MESSAGE gets is the edge's own doing.
    let silent = ring.socket(0);
    let onward = silent.local_addr().expect("a bound socket has an address");
    let list = std::fs::read_to_string(folder.join("answers.jsonl")).expect("the list is there");
    let mut peers: Vec<_> = list
        .lines()
        .zip(FIRST_PEER..)
        .map(|(line, host)| {
            let entry: Value = serde_json::from_str(line).expect("a line is an object");
            let octets = std::fs::read(folder.join(text(&entry, "file"))).expect("the file is there");
            Peer::new(&ring, host, entry, octets)
        })
        .collect();
    assert_eq!(peers.len(), 49);
    let mut edges: Vec<(Edge, Vec<Transaction>)> = Vec::new();
    for peer in &peers {
        // Some messages have the Via of another message: one edge would take them for retransmissions.
        let transaction = transaction(&peer.octets);
        let fresh = |(_, seen): &(Edge, Vec<_>)| transaction.is_none() || !seen.contains(&transaction);
        let place = edges.iter().position(fresh).unwrap_or(edges.len());
        if place == edges.len() {
            let host = 1 + u8::try_from(place).expect("there are few edges");
            let name = format!("edge-{host}");
            edges.push((Edge::start(&ring, &name, host, &config(&ring, host, onward)), Vec::new()));
        }
        let (edge, seen) = edges.get_mut(place).expect("it is there by now");
        seen.push(transaction);
        peer.ask(edge.udp());
    }
    until(LIMIT, "all that were sent are dealt with", || {
        peers.iter_mut().for_each(Peer::listen);
        peers.iter().all(|peer| peer.done).then_some(())
    });
    edges.iter_mut().for_each(|(edge, _)| edge.assert_alive());
    let wrong: Vec<_> = peers.iter().filter_map(Peer::complaint).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), peers.len());
    let mut went_on = BTreeSet::new();
    until(LIMIT, "calls and MESSAGEs went on", || {
        went_on.extend(methods(&silent));
        went_on.iter().eq(["INVITE", "MESSAGE"]).then_some(())
    });
    assert!(edges.iter().any(|(edge, _)| edge.metrics().live()[0] > 0.0), "INVITEs became calls");
}

/// Who sends one of the messages, from an address of its own and the port to which its top Via has it answered.
struct Peer {
    entry: Value,
    octets: Vec<u8>,
    socket: UdpSocket,
    answer: Option<u16>,
    /// Whether what was sent after the message is answered, so that no answer at once is still to come.
    done: bool,
}

impl Peer {
    fn new(ring: &Ring, host: u8, entry: Value, octets: Vec<u8>) -> Self {
        let port = top_via(&octets).map_or(0, |via| via.port().unwrap_or(SIP));
        let socket = UdpSocket::bind((ring.host(host), port)).expect("a loopback address can be bound");
        socket.set_nonblocking(true).expect("a socket need not block");
        Self { entry, octets, socket, answer: None, done: false }
    }

    /// Sends the message, and behind it a request that is always answered.
    fn ask(&self, edge: SocketAddr) {
        let local = self.socket.local_addr().expect("a bound socket has an address");
        let last = format!(
            "OPTIONS sip:{edge} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKlast;rport\r\nMax-Forwards: 70\r\n\
             From: <sip:last@{local}>;tag=1\r\nTo: <sip:{edge}>\r\n{LAST}\r\nCSeq: 1 OPTIONS\r\n\r\n"
        );
        for datagram in [&self.octets[..], last.as_bytes()] {
            self.socket.send_to(datagram, edge).expect("a datagram can be sent");
        }
    }

    /// Takes in what came; a provisional response is no answer.
    fn listen(&mut self) {
        let mut datagram = vec![0; 65_535];
        while let Ok(length) = self.socket.recv(&mut datagram) {
            let Some(response) = datagram.get(..length) else { continue };
            if response.windows(LAST.len()).any(|octets| octets == LAST.as_bytes()) {
                self.done = true;
            } else {
                self.answer = self.answer.or(status(response).filter(|status| *status >= 200));
            }
        }
    }

    /// What is wrong with the answer.
    fn complaint(&self) -> Option<String> {
        let answer = self.answer.map_or(Value::Null, Value::from);
        let answers = self.entry.get("answer").and_then(Value::as_array).expect("an entry has answers");
        let file = text(&self.entry, "file");
        // RFC 4475 lets an element accept some invalid messages, as baddate.dat. Their INVITE then gets no answer here.
        let is_accepted = answer.is_null() && text(&self.entry, "result") == "either";
        (!is_accepted && !answers.contains(&answer)).then(|| format!("{file}: {answer}, not {answers:?}"))
    }
}

/// What tells a transaction from others: method and top Via (RFC 3261 section 17.2.3).
type Transaction = Option<(Method, String)>;

fn transaction(octets: &[u8]) -> Transaction {
    Some((UnreadableRequest::read(octets)?.method().clone(), top_via(octets)?.to_string()))
}

/// The top Via; `None` where there is none, or it cannot be read.
fn top_via(octets: &[u8]) -> Option<Via<'_>> {
    let line = UnreadableRequest::read(octets)?.get(Name::Via)?;
    Via::parse(Values::list(line).next()?).ok()
}

fn status(datagram: &[u8]) -> Option<u16> {
    std::str::from_utf8(datagram.strip_prefix(b"SIP/2.0 ")?.get(..3)?).ok()?.parse().ok()
}

/// What went on so far, by method.
fn methods(onward: &UdpSocket) -> BTreeSet<String> {
    onward.set_nonblocking(true).expect("a socket need not block");
    let mut datagram = vec![0; 65_535];
    let received = std::iter::from_fn(|| {
        let length = onward.recv(&mut datagram).ok()?;
        Some(String::from_utf8_lossy(datagram.get(..length)?).into_owned())
    });
    received.filter_map(|request| request.split(' ').next().map(str::to_owned)).collect()
}

/// An edge that sends whatever it takes to `onward`. One worker: what is sent behind a message is answered behind it.
fn config(ring: &Ring, host: u8, onward: SocketAddr) -> String {
    let (edge, callers) = (ring.host(host), ring.host(0));
    format!(
        r#"[workers]
count = 1

[[listen]]
address = "{edge}:0"
transport = "udp"

[[trunk]]
name = "torturers"
sources = ["{callers}/24"]
inbound_identity = "pass"
outbound_identity = "pass"

[[trunk]]
name = "onward"
sources = ["{onward}"]
targets = ["sip:{onward};transport=udp"]
inbound_identity = "pass"
outbound_identity = "pass"

[[route]]
from = "torturers"
to = "onward"
"#
    )
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).expect("an entry has texts")
}

/// The folder of the messages; `None`, with a word on standard error, where it is absent.
fn torture() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    let root = std::env::var_os("ATTESTA_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let folder = root.join("testdata/rfc4475");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("ATTESTA_REQUIRE_SHARED").is_none(), "{} is absent", folder.display());
    skips("torture-wire", &format!("{} is absent", folder.display()));
    None
}

/// The address of the first peer; those below are of the edges.
const FIRST_PEER: u8 = 10;
/// The port of a Via without one (RFC 3261 section 18.2.2).
const SIP: u16 = 5060;
/// What tells the last request, and its response, from the messages.
const LAST: &str = "Call-ID: behind-the-message";
const LIMIT: Duration = Duration::from_secs(30);
