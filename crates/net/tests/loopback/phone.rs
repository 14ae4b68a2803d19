//! An edge under test, and the phones on both sides.

use std::net::SocketAddr;
use std::sync::Arc;

use attesta_b2bua::{
    Builder, Config, InboundIdentity, Listener, OutboundIdentity, Policy, Route, RouteTo, Source,
    Switchboard, Trunk,
};
use attesta_net::{Control, Driver, Report, Udp, UdpOptions, random};
use attesta_transaction::{Seed, Transport, WorkerPlace};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// An edge and the phone that calls it.
pub(crate) struct Edge {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) control: Control,
    pub(crate) phone: UdpSocket,
    running: JoinHandle<Report>,
}

/// A configuration that sends calls from loopback to the Request-URI, unsigned.
pub(crate) fn passing(inbound: InboundIdentity) -> Builder {
    passing_from("127.0.0.0/8", inbound)
}

/// The same, but only for calls from `source`.
pub(crate) fn passing_from(source: &str, inbound: InboundIdentity) -> Builder {
    let trunk = Trunk::new("phones")
        .source(source.parse::<Source>().unwrap())
        .inbound_identity(inbound)
        .outbound_identity(OutboundIdentity::Pass);
    Config::builder().trunk(trunk).route(Route::new(RouteTo::RequestUri))
}

impl Edge {
    /// An edge on `count` sockets.
    pub(crate) async fn start<P: Policy + Send + 'static>(
        count: usize,
        mut config: Builder,
        policy: P,
        adjust: impl FnOnce(Driver<P>) -> Driver<P>,
    ) -> Edge {
        let loopback = "127.0.0.1:0".parse().unwrap();
        let sockets: Vec<_> =
            (0..count).map(|_| Udp::bind(loopback, &UdpOptions::default()).unwrap()).collect();
        let addresses: Vec<_> = sockets.iter().map(Udp::local).collect();
        for (name, address) in ["first", "second"].into_iter().zip(&addresses) {
            config = config.listener(Listener::new(name, Transport::Udp, *address));
        }
        let config = Arc::new(config.build().unwrap());
        let switchboard =
            Switchboard::new(config, policy, WorkerPlace::default(), &Seed::new(random().unwrap()));
        let driver = adjust(Driver::new(switchboard, sockets));
        let control = driver.control();
        let running = tokio::spawn(driver.run());
        let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Edge { addresses, control, phone, running }
    }

    /// Sends `message` from the phone to one of the edge's sockets.
    pub(crate) async fn is_told(&self, socket: usize, message: impl AsRef<[u8]>) {
        self.phone.send_to(message.as_ref(), self.addresses[socket]).await.unwrap();
    }

    /// The next final response that the phone receives: its status, its text, and its source.
    pub(crate) async fn answers(&self) -> (u16, String, SocketAddr) {
        loop {
            let (message, from) = hears(&self.phone).await;
            let status = message.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
            if let Some(status @ 200..) = status {
                return (status, message, from);
            }
        }
    }

    /// A request of the phone. `more` contains further header lines, each with its line end.
    pub(crate) fn request(&self, method: &str, uri: &str, more: &str, body: &str) -> String {
        let phone = self.phone.local_addr().unwrap();
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {phone};branch=z9hG4bKphone{method};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:+12155550121@phone.example;user=phone>;tag=phone\r\n\
             To: <sip:+12025550101@edge.example;user=phone>\r\n\
             Call-ID: {method}@phone.example\r\n\
             CSeq: 1 {method}\r\n\
             Contact: <sip:phone@{phone}>\r\n\
             {more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Stops the edge.
    pub(crate) async fn stop(self) -> Report {
        self.control.stop().await.unwrap();
        self.running.await.unwrap()
    }
}

/// The next message that a socket receives, and its source.
pub(crate) async fn hears(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut slot = vec![0; 65_536];
    let (length, from) = socket.recv_from(&mut slot).await.unwrap();
    (String::from_utf8(slot[..length].to_vec()).unwrap(), from)
}

/// A response of the callee, with the header fields that RFC 3261 section 8.2.6.2 copies.
pub(crate) fn response(request: &str, status: &str) -> String {
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"];
    let is_copied = |line: &&str| line.split(':').next().is_some_and(|name| copied.contains(&name));
    let mut response = format!("SIP/2.0 {status}\r\n");
    for line in request.split("\r\n").filter(is_copied) {
        let tag = if line.starts_with("To:") { ";tag=callee" } else { "" };
        response.push_str(&format!("{line}{tag}\r\n"));
    }
    response + "Content-Length: 0\r\n\r\n"
}
