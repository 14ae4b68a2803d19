//! Stream connections: framing, reuse, keep-alive, limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use attesta_b2bua::{Builder, DefaultPolicy, InboundIdentity, Listener, Switchboard};
use attesta_net::{Acceptor, Control, Driver, Ended, Report, StreamLimits, Unaccepted, random};
use attesta_transaction::{Seed, WorkerPlace};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::phone::{passing, passing_from, response};

/// An edge with one stream listener.
pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) control: Control,
    running: JoinHandle<Report>,
}

impl Edge {
    fn start(limits: StreamLimits) -> Edge {
        Edge::on("127.0.0.1:0", limits)
    }

    fn on(address: &str, limits: StreamLimits) -> Edge {
        let acceptor = Acceptor::tcp(address.parse().unwrap()).unwrap();
        Edge::of(acceptor, limits, passing(InboundIdentity::Pass))
    }

    /// An edge whose only trunk claims 127.0.0.1.
    pub(crate) fn among_unknown_sources(acceptor: Acceptor, limits: StreamLimits) -> Edge {
        Edge::of(acceptor, limits, passing_from("127.0.0.1", InboundIdentity::Pass))
    }

    fn of(acceptor: Acceptor, limits: StreamLimits, config: Builder) -> Edge {
        let address = acceptor.local();
        let config = config.listener(Listener::new("streams", acceptor.transport(), address));
        let config = Arc::new(config.build().unwrap());
        let seed = Seed::new(random().unwrap());
        let switchboard = Switchboard::new(config, DefaultPolicy, WorkerPlace::default(), &seed);
        let driver = Driver::new(switchboard, Vec::new()).streams(vec![acceptor], limits);
        let control = driver.control();
        Edge { address, control, running: tokio::spawn(driver.run()) }
    }

    async fn phone(&self) -> Phone {
        Phone::on(TcpStream::connect(self.address).await.unwrap())
    }

    /// A phone at this loopback address.
    pub(crate) async fn phone_at(&self, host: &str) -> Phone {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(host.parse().unwrap(), 0)).unwrap();
        Phone::on(socket.connect(self.address).await.unwrap())
    }

    pub(crate) async fn stop(self) -> Report {
        self.control.stop().await.unwrap();
        self.running.await.unwrap()
    }

    /// Waits until `count` connections have ended for this reason.
    pub(crate) async fn ends(&self, why: Ended, count: u64) {
        while ended(&self.control.report().await.unwrap(), why) < count {
            tokio::task::yield_now().await;
        }
    }
}

fn ended(report: &Report, why: Ended) -> u64 {
    report.shell.streams.ended().find(|(each, _)| *each == why).unwrap().1
}

pub(crate) fn unaccepted(report: &Report, why: Unaccepted) -> u64 {
    report.shell.streams.unaccepted().find(|(each, _)| *each == why).unwrap().1
}

/// One connection of a peer.
pub(crate) struct Phone<S = TcpStream> {
    pub(crate) stream: S,
    read: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Phone<S> {
    pub(crate) fn on(stream: S) -> Phone<S> {
        Phone { stream, read: Vec::new() }
    }

    pub(crate) async fn says(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.unwrap();
    }

    /// The next message without a body. `None` at the end of the stream.
    pub(crate) async fn hears(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let message = self.read.drain(..end + 4).collect();
                return Some(String::from_utf8(message).unwrap());
            }
            let mut slot = [0; 4096];
            match self.stream.read(&mut slot).await {
                Ok(0) | Err(_) => return None,
                Ok(octets) => self.read.extend_from_slice(&slot[..octets]),
            }
        }
    }
}

impl Phone {
    pub(crate) fn request(&self, method: &str, uri: &str, via: &str) -> String {
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP {};branch=z9hG4bK{method}{via}\r\nMax-Forwards: 70\r\n\
             From: <sip:+12155550121@phone.example>;tag=1\r\nTo: <sip:+12025550101@edge.example>\r\n\
             Call-ID: {method}\r\nCSeq: 1 {method}\r\nContact: <sip:{}>\r\nContent-Length: 0\r\n\r\n",
            self.stream.local_addr().unwrap(),
            self.stream.local_addr().unwrap(),
        )
    }
}

/// Accepts a connection from the edge.
async fn accept(listener: &TcpListener) -> Phone {
    let (stream, _) = listener.accept().await.unwrap();
    Phone::on(stream)
}

/// The callee at `far` refuses the call that it receives, and the phone calls `uri` again. Returns the refused INVITE.
async fn refused_and_called_again(far: &mut Phone, phone: &mut Phone, uri: &str, call: &str) -> String {
    let invite = far.hears().await.unwrap();
    far.says(response(&invite, "486 Busy Here")).await;
    let ack = far.hears().await.unwrap();
    assert!(ack.starts_with("ACK "), "{ack}");
    while !phone.hears().await.unwrap().starts_with("SIP/2.0 486 ") {}
    phone
        .says(phone.request("INVITE", uri, call).replace("Call-ID: INVITE", &format!("Call-ID: {call}")))
        .await;
    invite
}

#[tokio::test]
async fn requests_are_answered_on_their_connection_however_they_are_cut() {
    let edge = Edge::start(StreamLimits::default());
    let mut phone = edge.phone().await;
    let (first, second) =
        (phone.request("OPTIONS", "sip:edge.example", ""), phone.request("REGISTER", "sip:edge.example", ""));
    let both = format!("{first}\r\n\r\n{second}");
    for piece in both.as_bytes().chunks(7) {
        phone.says(piece).await;
    }
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let message = phone.hears().await.unwrap();
        // The pong precedes the message.
        heard.extend(message.trim_start().lines().next().map(str::to_owned));
    }
    assert_eq!(heard, ["SIP/2.0 200 OK", "SIP/2.0 405 Method Not Allowed"]);
    let report = edge.stop().await;
    let streams = report.shell.streams;
    assert_eq!((streams.accepted, streams.messages_received, streams.messages_sent), (1, 2, 2));
    assert!(phone.hears().await.is_none(), "an edge that stops closes its connections");
}

#[tokio::test]
async fn a_ping_is_answered_with_a_pong() {
    let edge = Edge::start(StreamLimits::default());
    let mut phone = edge.phone().await;
    phone.says("\r\n\r\n").await;
    let mut pong = [0; 2];
    phone.stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\r\n");
}

#[tokio::test]
async fn what_cannot_be_framed_is_answered_with_400_and_closed() {
    let edge = Edge::start(StreamLimits::default());
    for (length, status) in
        [("Content-Length: -1", "400"), ("X: y", "400"), ("l: 1\r\nl: 2", "400"), ("l: 4294967296", "4")]
    {
        let mut phone = edge.phone().await;
        let broken = phone.request("INVITE", "sip:edge.example", "").replace("Content-Length: 0", length);
        phone.says(broken).await;
        let answer = phone.hears().await.unwrap();
        assert!(answer.starts_with(&format!("SIP/2.0 {status}")), "{length}: {answer}");
        assert!(answer.contains("\r\nTo: <sip:+12025550101@edge.example>;tag="), "{answer}");
        assert!(phone.hears().await.is_none());
    }
    edge.ends(Ended::Framing, 4).await;
    let report = edge.stop().await;
    assert_eq!(report.calls.refused().find(|(reason, _)| *reason == "malformed"), Some(("malformed", 4)));
}

#[tokio::test]
async fn a_call_opens_one_connection_and_the_next_takes_it() {
    let edge = Edge::start(StreamLimits::default());
    let callee = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("sip:+12025550101@{};transport=tcp", callee.local_addr().unwrap());
    let mut phone = edge.phone().await;
    phone.says(phone.request("INVITE", &uri, "a")).await;
    let mut far = accept(&callee).await;
    for call in ["b", "c"] {
        let invite = refused_and_called_again(&mut far, &mut phone, &uri, call).await;
        assert!(invite.starts_with("INVITE ") && invite.contains("Via: SIP/2.0/TCP "), "{invite}");
        assert!(invite.contains(&format!("Contact: <sip:{};transport=tcp>", edge.address)), "{invite}");
    }
    assert_eq!(edge.stop().await.shell.streams.opened, 1);
}

#[tokio::test]
async fn a_request_that_met_a_closing_connection_goes_by_a_new_one() {
    let edge = Edge::start(StreamLimits::default());
    let callee = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("sip:+12025550101@{};transport=tcp", callee.local_addr().unwrap());
    let mut phone = edge.phone().await;
    phone.says(phone.request("INVITE", &uri, "a")).await;
    let mut far = accept(&callee).await;
    refused_and_called_again(&mut far, &mut phone, &uri, "b").await;
    let lost = far.hears().await.unwrap();
    drop(far);
    let mut far = accept(&callee).await;
    assert_eq!(far.hears().await.unwrap(), lost, "the same octets, so the same transaction");
    assert_eq!(edge.stop().await.shell.streams.messages_moved, 1);
}

#[tokio::test]
async fn a_target_that_refuses_connections_fails_its_call_at_once() {
    let edge = Edge::start(StreamLimits::default());
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut phone = edge.phone().await;
    phone.says(phone.request("INVITE", &format!("sip:+12025550101@{free};transport=tcp"), "")).await;
    while !phone.hears().await.unwrap().starts_with("SIP/2.0 500 ") {}
    let report = edge.stop().await;
    assert_eq!(ended(&report, Ended::Unreachable), 1);
}

#[tokio::test]
async fn a_response_whose_connection_is_gone_goes_to_the_port_of_sent_by() {
    let edge = Edge::start(StreamLimits::default());
    let callee = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let home = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("sip:+12025550101@{};transport=tcp", callee.local_addr().unwrap());
    let mut phone = edge.phone().await;
    let (from, to) = (phone.stream.local_addr().unwrap(), home.local_addr().unwrap());
    phone.says(phone.request("INVITE", &uri, "").replace(&from.to_string(), &to.to_string())).await;
    let mut far = accept(&callee).await;
    let invite = far.hears().await.unwrap();
    drop(phone);
    edge.ends(Ended::ByPeer, 1).await;
    far.says(response(&invite, "486 Busy Here")).await;
    let mut phone = accept(&home).await;
    assert!(phone.hears().await.unwrap().starts_with("SIP/2.0 486 "));
}

#[tokio::test]
async fn a_request_comes_back_on_a_connection_with_an_alias() {
    let edge = Edge::start(StreamLimits::default());
    let mut registrar = edge.phone().await;
    // Nothing listens at this port: only the existing connection leads there.
    let options = registrar.request("OPTIONS", "sip:edge.example", ";alias");
    let own = registrar.stream.local_addr().unwrap().to_string();
    registrar.says(options.replace(&format!("TCP {own}"), "TCP 127.0.0.1:9")).await;
    registrar.hears().await.unwrap();
    let mut phone = edge.phone().await;
    phone.says(phone.request("INVITE", "sip:+12025550101@127.0.0.1:9;transport=tcp", "")).await;
    assert!(registrar.hears().await.unwrap().starts_with("INVITE "));
    assert_eq!(edge.stop().await.shell.streams.opened, 0);
}

#[tokio::test]
async fn an_unknown_source_gets_no_requests_by_an_alias() {
    let acceptor = Acceptor::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let edge = Edge::among_unknown_sources(acceptor, StreamLimits::default());
    let mut unknown = edge.phone_at("127.0.0.2").await;
    let options = unknown.request("OPTIONS", "sip:edge.example", ";alias");
    let own = unknown.stream.local_addr().unwrap().to_string();
    unknown.says(options.replace(&format!("TCP {own}"), "TCP 127.0.0.2:9")).await;
    assert!(unknown.hears().await.unwrap().starts_with("SIP/2.0 403 "));
    let mut phone = edge.phone_at("127.0.0.1").await;
    phone.says(phone.request("INVITE", "sip:+12025550101@127.0.0.2:9;transport=tcp", "")).await;
    // Nothing listens there.
    while !phone.hears().await.unwrap().starts_with("SIP/2.0 500 ") {}
    let report = edge.stop().await;
    assert_eq!((report.shell.streams.opened, ended(&report, Ended::Unreachable)), (1, 1));
}

#[tokio::test]
async fn connections_are_limited_in_total_and_per_peer() {
    for (limits, why) in [
        (StreamLimits::default().accepted(2), Unaccepted::Cap),
        (StreamLimits::default().per_peer(2), Unaccepted::PeerCap),
    ] {
        let edge = Edge::start(limits);
        let (mut first, mut second) = (edge.phone().await, edge.phone().await);
        for phone in [&mut first, &mut second] {
            phone.says(phone.request("OPTIONS", "sip:edge.example", "")).await;
            phone.hears().await.unwrap();
        }
        let mut third = edge.phone().await;
        assert!(third.hears().await.is_none());
        drop(first);
        edge.ends(Ended::ByPeer, 1).await;
        let mut fourth = edge.phone().await;
        fourth.says(fourth.request("REGISTER", "sip:edge.example", "")).await;
        assert!(fourth.hears().await.is_some());
        let report = edge.stop().await;
        assert_eq!(unaccepted(&report, why), 1);
    }
}

#[tokio::test]
async fn each_time_limit_ends_its_connection() {
    let short = Duration::from_millis(50);
    let limits = StreamLimits::default();
    for (limits, says, why) in [
        (limits.first_message(short), "", Ended::Silent),
        (limits.message(short), "INVITE sip:edge.example SIP/2.0\r\nVia:", Ended::SlowSender),
        (limits.message(short), "OPTIONS sip:edge.example SIP/2.0\r\nl: 10\r\n\r\nhalf", Ended::SlowSender),
    ] {
        let edge = Edge::start(limits);
        let mut phone = edge.phone().await;
        phone.says(says).await;
        assert!(phone.hears().await.is_none(), "{why}");
        assert_eq!(ended(&edge.stop().await, why), 1, "{why}");
    }
    let edge = Edge::start(limits.idle(short));
    let mut phone = edge.phone().await;
    phone.says(phone.request("OPTIONS", "sip:edge.example", "")).await;
    assert!(phone.hears().await.is_some() && phone.hears().await.is_none());
    assert_eq!(ended(&edge.stop().await, Ended::Idle), 1);
}

#[tokio::test]
async fn a_peer_that_answers_no_more_keep_alives_is_left() {
    let edge = Edge::start(StreamLimits::default().keep_alive(Some(Duration::from_millis(20))));
    let callee = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("sip:+12025550101@{};transport=tcp", callee.local_addr().unwrap());
    let mut phone = edge.phone().await;
    phone.says(phone.request("INVITE", &uri, "")).await;
    let mut far = accept(&callee).await;
    assert!(far.hears().await.unwrap().starts_with("INVITE "));
    // Before its first answer, the edge cannot know if the peer answers keep-alives.
    for _ in 0..3 {
        assert_eq!(far.hears().await.unwrap(), "\r\n\r\n");
    }
    far.says("\r\n").await;
    while far.hears().await.is_some() {}
    assert_eq!(ended(&edge.stop().await, Ended::NoPong), 1);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_disconnected() {
    let edge = Edge::start(StreamLimits::default().queue(8).stalled(Duration::from_millis(200)));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = Phone::on(socket.connect(edge.address).await.unwrap());
    let request = deaf.request("OPTIONS", "sip:edge.example", "");
    let writing = tokio::spawn(async move {
        for at in 0_u64.. {
            let request = request.replace("z9hG4bK", &format!("z9hG4bK{at}"));
            let request = request.replace("Call-ID: ", &format!("Call-ID: {at}"));
            if deaf.stream.write_all(request.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let mut phone = edge.phone().await;
    phone.says(phone.request("REGISTER", "sip:edge.example", "")).await;
    assert!(phone.hears().await.is_some());
    writing.await.unwrap();
    let report = edge.stop().await;
    assert!(ended(&report, Ended::SlowReader) + ended(&report, Ended::QueueFull) > 0);
}

#[tokio::test]
async fn ipv6_carries_connections_too() {
    let edge = Edge::on("[::1]:0", StreamLimits::default());
    let mut phone = edge.phone().await;
    phone.says(phone.request("OPTIONS", "sip:edge.example", "")).await;
    assert!(phone.hears().await.unwrap().starts_with("SIP/2.0 403 "), "no trunk claims ::1 here");
}
