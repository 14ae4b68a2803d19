//! A driver on real loopback sockets, port 0: what enters, what leaves, and what never stops it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use attesta_b2bua::{
    CallEvent, Config, DefaultPolicy, InboundIdentity, Listener, OutboundIdentity, Route, RouteTo, Source,
    Switchboard, Trunk,
};
use attesta_net::{Control, Driver, Lookup, LookupError, Names, Report, Udp, UdpOptions, random};
use attesta_transaction::{Place, Seed, Transport};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// An edge under test and the phone that talks to it.
struct Edge {
    addresses: Vec<SocketAddr>,
    control: Control,
    running: JoinHandle<Report>,
    phone: UdpSocket,
}

impl Edge {
    /// An edge on `count` sockets that sends calls from loopback where the Request-URI points, unsigned.
    async fn start(
        count: usize,
        adjust: impl FnOnce(Driver<DefaultPolicy>) -> Driver<DefaultPolicy>,
    ) -> Edge {
        let loopback = "127.0.0.1:0".parse().unwrap();
        let sockets: Vec<_> =
            (0..count).map(|_| Udp::bind(loopback, &UdpOptions::default()).unwrap()).collect();
        let addresses: Vec<_> = sockets.iter().map(Udp::local).collect();
        let trunk = Trunk::new("phones")
            .source("127.0.0.0/8".parse::<Source>().unwrap())
            .inbound_identity(InboundIdentity::Pass)
            .outbound_identity(OutboundIdentity::Pass);
        let mut config = Config::builder().trunk(trunk).route(Route::new(RouteTo::RequestUri));
        for (name, address) in ["first", "second", "third"].into_iter().zip(&addresses) {
            config = config.listener(Listener::new(name, Transport::Udp, *address));
        }
        let config = Arc::new(config.build().unwrap());
        let place = Place { instance: 1, worker: 0 };
        let switchboard = Switchboard::new(config, DefaultPolicy, place, &Seed::new(random().unwrap()));
        let driver = adjust(Driver::new(switchboard, sockets));
        let control = driver.control();
        let running = tokio::spawn(driver.run());
        let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Edge { addresses, control, running, phone }
    }

    async fn says(&self, to: usize, message: &[u8]) {
        self.phone.send_to(message, self.addresses[to]).await.unwrap();
    }

    /// The next message that the phone gets, and from where.
    async fn hears(&self) -> (String, SocketAddr) {
        hears(&self.phone).await
    }

    /// A request of the phone.
    fn request(&self, method: &str, uri: &str, body: &str) -> String {
        let phone = self.phone.local_addr().unwrap();
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {phone};branch=z9hG4bKphone{method};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:+12155550121@phone.example>;tag=phone\r\n\
             To: <sip:+12025550101@edge.example>\r\n\
             Call-ID: {method}@phone.example\r\n\
             CSeq: 1 {method}\r\n\
             Contact: <sip:phone@{phone}>\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    async fn stop(self) -> Report {
        self.control.stop().await.unwrap();
        self.running.await.unwrap()
    }
}

async fn hears(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut slot = vec![0; 65_536];
    let (length, from) = socket.recv_from(&mut slot).await.unwrap();
    (String::from_utf8(slot[..length].to_vec()).unwrap(), from)
}

fn status(message: &str) -> &str {
    message.strip_prefix("SIP/2.0 ").map_or("request", |rest| &rest[..3])
}

#[tokio::test]
async fn a_request_is_answered_from_the_address_that_was_asked() {
    let edge = Edge::start(2, |driver| driver).await;
    for asked in [1, 0] {
        let method = ["REGISTER", "PUBLISH"][asked];
        edge.says(asked, edge.request(method, "sip:edge.example", "").as_bytes()).await;
        let (answer, from) = edge.hears().await;
        assert_eq!((status(&answer), from), ("405", edge.addresses[asked]));
        let rport = format!("rport={}", edge.phone.local_addr().unwrap().port());
        assert!(answer.contains(&rport), "RFC 3581 section 4: {answer}");
    }
}

#[tokio::test]
async fn the_largest_datagram_is_read_whole() {
    let edge = Edge::start(1, |driver| driver).await;
    let bare = edge.request("REGISTER", "sip:edge.example", "").len() + "65507".len() - "0".len();
    let message = edge.request("REGISTER", "sip:edge.example", &"x".repeat(65_507 - bare));
    assert_eq!(message.len(), 65_507);
    edge.says(0, message.as_bytes()).await;
    assert_eq!(status(&edge.hears().await.0), "405");
    assert_eq!(edge.stop().await.shell.octets_received, 65_507);
}

#[tokio::test]
async fn rubbish_and_keepalives_stop_nothing() {
    let edge = Edge::start(1, |driver| driver).await;
    let rubbish: [&[u8]; 5] = [b"\r\n\r\n", b"", b"\0", b"\xff\xfe\xfd", b"INVITE"];
    for datagram in rubbish {
        edge.says(0, datagram).await;
    }
    edge.says(0, edge.request("REGISTER", "sip:edge.example", "").as_bytes()).await;
    assert_eq!(status(&edge.hears().await.0), "405");
    let report = edge.stop().await;
    assert_eq!((report.shell.keepalives, report.shell.datagrams_received), (3, 3));
}

#[tokio::test]
async fn a_call_goes_to_the_address_of_a_name() {
    let callee = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let names = Arc::new(OneHost(callee.local_addr().unwrap().ip()));
    let edge = Edge::start(1, |driver| driver.names(names)).await;
    let uri = format!("sip:+12025550101@callee.example:{}", callee.local_addr().unwrap().port());
    edge.says(0, edge.request("INVITE", &uri, "").as_bytes()).await;
    let (invite, from) = hears(&callee).await;
    assert!(invite.starts_with("INVITE "), "{invite}");
    assert_eq!(from, edge.addresses[0]);
}

#[tokio::test]
async fn a_call_to_a_name_that_is_not_there_is_refused() {
    let edge = Edge::start(1, |driver| driver.names(Arc::new(NoHost))).await;
    edge.says(0, edge.request("INVITE", "sip:+12025550101@nowhere.example", "").as_bytes()).await;
    let mut answer = edge.hears().await.0;
    if status(&answer) == "100" {
        answer = edge.hears().await.0;
    }
    assert!(status(&answer) >= "400", "{answer}");
}

#[tokio::test]
async fn what_cannot_be_sent_fails_its_call_and_the_loop_goes_on() {
    let edge = Edge::start(1, |driver| driver).await;
    // Port 0 is an address to which nothing can be sent.
    edge.says(0, edge.request("INVITE", "sip:+12025550101@127.0.0.1:0", "").as_bytes()).await;
    let mut answer = edge.hears().await.0;
    if status(&answer) == "100" {
        answer = edge.hears().await.0;
    }
    assert!(status(&answer) >= "400", "{answer}");
    edge.says(0, edge.request("REGISTER", "sip:edge.example", "").as_bytes()).await;
    while status(&edge.hears().await.0) != "405" {}
    assert_eq!(edge.stop().await.shell.send_failures, 1);
}

#[tokio::test]
async fn a_slow_reader_of_events_costs_events_and_not_calls() {
    let (events, mut reader) = mpsc::channel(1);
    let callee = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let edge = Edge::start(1, |driver| driver.events(events)).await;
    let uri = format!("sip:+12025550101@{}", callee.local_addr().unwrap());
    edge.says(0, edge.request("INVITE", &uri, "").as_bytes()).await;
    let (invite, from) = hears(&callee).await;
    callee.send_to(response(&invite, "486 Busy Here").as_bytes(), from).await.unwrap();
    while status(&edge.hears().await.0) != "486" {}
    let report = edge.stop().await;
    assert!(matches!(reader.recv().await, Some(CallEvent::Started { .. })));
    assert!(reader.recv().await.is_none() && report.shell.events_dropped > 0);
}

#[tokio::test]
async fn a_stopped_driver_frees_its_port_and_answers_no_more() {
    let edge = Edge::start(1, |driver| driver).await;
    let (address, control) = (edge.addresses[0], edge.control.clone());
    assert_eq!(control.report().await.unwrap().shell.datagrams_received, 0);
    edge.stop().await;
    assert!(control.report().await.is_err() && control.stop().await.is_err());
    assert!(UdpSocket::bind(address).await.is_ok());
}

/// A response of the callee, with the header fields that RFC 3261 section 8.2.6.2 copies.
fn response(request: &str, status: &str) -> String {
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"];
    let is_copied = |line: &&str| line.split(':').next().is_some_and(|name| copied.contains(&name));
    let mut response = format!("SIP/2.0 {status}\r\n");
    for line in request.split("\r\n").filter(is_copied) {
        let tag = if line.starts_with("To:") { ";tag=callee" } else { "" };
        response.push_str(&format!("{line}{tag}\r\n"));
    }
    response + "Content-Length: 0\r\n\r\n"
}

/// All names lead to one address.
struct OneHost(IpAddr);

impl Names for OneHost {
    fn lookup(&self, _: &str) -> Lookup {
        let address = self.0;
        Box::pin(async move { Ok(vec![address]) })
    }
}

/// No name leads anywhere.
struct NoHost;

impl Names for NoHost {
    fn lookup(&self, _: &str) -> Lookup {
        Box::pin(async { Err(LookupError::NotFound) })
    }
}
