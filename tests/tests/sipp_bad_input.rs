//! Invalid messages, sent during calls in progress. Each gets the response that RFC 3261 defines, or none, and is counted once.

use attesta_tests::ring::{Edge, Mood, Pki, Repository, Ring, Sipp, configuration, until};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

#[test]
fn bad_input_is_answered_or_dropped_and_calls_go_on() {
    let Some(ring) = Ring::enter("bad-input", 17) else { return };
    let pki = Pki::new(&ring, "pki");
    let repository = Repository::start(ring.host(4), pki.chain_octets(), Mood::Serves);
    let there = ring.free(3);
    let config = configuration::signing(&ring, 1, &pki, &repository, ring.host(2), there);
    let mut edge = Edge::start(&ring, "edge", 1, &config);
    let mut callee = Sipp::callee("callee_answers", there).calls(UNTIL_TOLD, 20).start(&ring);
    let mut caller = Sipp::caller("caller_hangs_up", ring.free(2), edge.udp())
        .calls(UNTIL_TOLD, 20)
        .pause(Duration::from_secs(3))
        .start(&ring);
    until(LIMIT, "calls are in progress", || (edge.metrics().live()[0] >= 20.0).then_some(()));

    // The address is that of a known trunk, so that the edge does not refuse the messages because of their source.
    let peer = Peer::new(ring.host(2), &edge);
    peer.wants_silence("noise", &noise());
    peer.wants_silence("a word that is not SIP", &[b"hello".to_vec()]);
    peer.wants_silence("65,507 octets of noise", &[vec![b'A'; 65_507]]);
    peer.wants_silence("an INVITE without Via", &[peer.without("INVITE", "Via")]);
    peer.wants_silence("a response that matches nothing", &[peer.stray_response()]);
    peer.wants_no_answer("an ACK that matches nothing", "stray-ack");
    for length in peer.cuts() {
        peer.wants_400_or_silence(length);
    }
    let whole = peer.request("INVITE", "cut-body");
    let (all_but_one, _) = whole.split_at(whole.len() - 1);
    peer.wants("an INVITE whose body is one octet short", all_but_one, 400);
    peer.wants("an INVITE without a Call-ID", &peer.without("INVITE", "Call-ID"), 400);
    peer.wants("an unknown method", &peer.request("FROBNICATE", "unknown"), 501);
    peer.wants("a REGISTER", &peer.request("REGISTER", "register"), 405);
    peer.wants("a CANCEL that matches nothing", &peer.request("CANCEL", "stray-cancel"), 481);
    peer.wants("a BYE without a call", &peer.request("BYE", "stray-bye"), 481);
    peer.wants(
        "another version of SIP",
        &replaced(&peer.request("INVITE", "version"), "SIP/2.0\r\n", "SIP/3.0\r\n"),
        505,
    );
    peer.refuses_or_drops("an INVITE of 65,507 octets", &peer.largest(), "without-Content-Length");

    assert!(edge.metrics().live()[0] >= 1.0, "calls are still in progress");
    caller.wind_down();
    let heard = caller.finish(LIMIT);
    callee.wind_down();
    let said = callee.finish(LIMIT);
    heard.assert_none_failed();
    said.assert_none_failed();
    heard.assert_few_repeats();
    edge.assert_alive();
    assert_eq!(heard.successful, said.successful);
    assert_eq!(callee.requests("INVITE").len() as u64, heard.successful, "no bad INVITE was relayed");
}

/// A peer that sends single datagrams to an edge and reads the answers.
struct Peer<'a> {
    socket: UdpSocket,
    local: SocketAddr,
    edge: &'a Edge,
}

impl<'a> Peer<'a> {
    fn new(host: Ipv4Addr, edge: &'a Edge) -> Self {
        let socket = UdpSocket::bind((host, 0)).expect("a loopback address can be bound");
        socket.connect(edge.udp()).expect("a loopback address can be reached");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket takes a timeout");
        let local = socket.local_addr().expect("a bound socket has an address");
        Self { socket, local, edge }
    }

    /// Checks that each of `datagrams` is dropped without a response and counted once.
    fn wants_silence(&self, what: &str, datagrams: &[Vec<u8>]) {
        for datagram in datagrams {
            let answer = self.answer_once_counted(what, datagram);
            assert_eq!(answer, None, "{what}: {:?}", String::from_utf8_lossy(datagram));
        }
    }

    /// Checks that `datagram` is answered with `status` and counted once.
    fn wants(&self, what: &str, datagram: &[u8], status: u16) {
        let answer = self.answer_once_counted(what, datagram);
        assert_eq!(answer.as_deref().map(status_of), Some(Some(status)), "{what}: {answer:?}");
        if status == 405 {
            assert!(
                answer.is_some_and(|text| text.contains("\r\nAllow:")),
                "{what}: RFC 3261 section 8.2.1 wants Allow"
            );
        }
    }

    /// Checks that an INVITE cut after `length` octets is answered with 400 or not at all, and counted once.
    fn wants_400_or_silence(&self, length: usize) {
        let what = format!("an INVITE cut after {length} octets");
        let whole = self.request("INVITE", "cut");
        let answer = self.answer_once_counted(&what, whole.get(..length).unwrap_or_default());
        assert!(matches!(answer.as_deref().map(status_of), None | Some(Some(400))), "{what}: {answer:?}");
    }

    /// Checks that the ACK named `id` is dropped without a response. An ACK is never answered, and a late ACK is not an error.
    fn wants_no_answer(&self, what: &str, id: &str) {
        self.send(&self.request("ACK", id));
        assert_eq!(self.answer_before_a_probe(id), None, "{what}");
    }

    /// Checks that `datagram` gets a response of 400 or above, or no response. Its Call-ID is that of the request named `id`.
    fn refuses_or_drops(&self, what: &str, datagram: &[u8], id: &str) {
        self.send(datagram);
        let answer = self.answer_before_a_probe(id);
        assert!(
            answer.as_deref().and_then(status_of).is_none_or(|status| status >= 400),
            "{what}: {answer:?}"
        );
    }

    /// Sends `datagram`, waits until it is counted, and returns its final response. A worker sends a response before it reports
    /// its counters.
    fn answer_once_counted(&self, what: &str, datagram: &[u8]) -> Option<String> {
        let before = self.refused();
        self.send(datagram);
        until(LIMIT, &format!("{what}: is counted"), || (self.refused() > before).then_some(()));
        assert_eq!(self.refused() - before, 1.0, "{what}: attesta_messages_refused_total");
        self.socket.set_nonblocking(true).expect("a socket can be told not to block");
        let answer = std::iter::from_fn(|| self.receive()).find(|text| status_of(text) != Some(100));
        self.socket.set_nonblocking(false).expect("a socket can be told to block");
        answer
    }

    /// Sends a request with an unknown method, which is always answered with 501. It has the Call-ID of the request named `id`,
    /// so it goes to the same worker. Returns the response that arrived before the 501.
    fn answer_before_a_probe(&self, id: &str) -> Option<String> {
        self.send(&self.request("PROBE", id));
        let mut first = None;
        loop {
            let text = self.receive().expect("the edge answers the probe");
            if text.contains("CSeq: 1 PROBE\r\n") {
                return first;
            }
            // A 100 precedes the final response.
            if status_of(&text) != Some(100) {
                first.get_or_insert(text);
            }
        }
    }

    fn send(&self, datagram: &[u8]) {
        self.socket.send(datagram).expect("loopback takes a datagram");
    }

    fn receive(&self) -> Option<String> {
        let mut slot = vec![0; 65_536];
        let length = self.socket.recv(&mut slot).ok()?;
        Some(String::from_utf8_lossy(slot.get(..length)?).into_owned())
    }

    fn refused(&self) -> f64 {
        self.edge.metrics().sum("attesta_messages_refused_total", &[])
    }

    fn request(&self, method: &str, id: &str) -> Vec<u8> {
        let (local, edge) = (self.local, self.edge.udp());
        format!(
            "{method} sip:+12025550143@{edge} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};rport;branch=z9hG4bK-bad-{id}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:+12155550112@{local}>;tag=bad-{id}\r\n\
             To: <sip:+12025550143@{edge}>\r\n\
             Call-ID: bad-{id}@{local}\r\n\
             CSeq: 1 {method}\r\n\
             Contact: <sip:+12155550112@{local}>\r\n\
             Content-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{SDP}",
            SDP.len()
        )
        .into_bytes()
    }

    fn without(&self, method: &str, header: &str) -> Vec<u8> {
        let text =
            String::from_utf8(self.request(method, &format!("without-{header}"))).expect("a request is text");
        let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with(&format!("{header}:")));
        lines.collect::<String>().into_bytes()
    }

    fn stray_response(&self) -> Vec<u8> {
        let edge = self.edge.udp();
        format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {edge};branch=z9hG4bK-nobody-sent-this\r\nFrom: <sip:a@{edge}>;tag=1\r\n\
             To: <sip:b@{edge}>;tag=2\r\nCall-ID: stray@{edge}\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    /// The positions at which the INVITE is cut: after the first octet, inside each line, after each line, inside the body.
    fn cuts(&self) -> Vec<usize> {
        let whole = self.request("INVITE", "cut");
        let ends: Vec<usize> =
            whole.iter().enumerate().filter(|(_, octet)| **octet == b'\n').map(|(at, _)| at + 1).collect();
        ends.iter()
            .flat_map(|end| [end - 5, end - 1, *end])
            .filter(|length| *length < whole.len())
            .chain([1])
            .collect()
    }

    /// An INVITE of the maximum size of a datagram.
    fn largest(&self) -> Vec<u8> {
        const LARGEST: usize = 65_507;
        let mut invite =
            replaced(&self.without("INVITE", "Content-Length"), "Contact:", "Subject: large\r\nContact:");
        let padding = LARGEST - invite.len();
        invite.extend(std::iter::repeat_n(b'a', padding));
        invite
    }
}

/// Random octets from a fixed seed, in datagrams of many sizes.
fn noise() -> Vec<Vec<u8>> {
    let mut chance = ChaCha8Rng::seed_from_u64(2);
    (0..100)
        .map(|n| {
            let mut octets = vec![0; 1 + n * 13];
            chance.fill_bytes(&mut octets);
            octets
        })
        .collect()
}

fn replaced(message: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8_lossy(message).replacen(from, to, 1).into_bytes()
}

fn status_of(answer: &str) -> Option<u16> {
    answer.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

const SDP: &str =
    "v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
const UNTIL_TOLD: u32 = 100_000;
const LIMIT: Duration = Duration::from_secs(30);
