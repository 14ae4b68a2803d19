//! Two workers at one address: calls are spread, and messages reach their call on any worker.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use attesta_b2bua::{DefaultPolicy, InboundIdentity, Listener, Switchboard};
use attesta_net::{
    Acceptor, Control, Driver, Report, StreamLimits, Udp, UdpOptions, Worker, WorkerLinks, drain, random,
};
use attesta_transaction::{Seed, Transport, WorkerPlace};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::phone::{hears, passing, response};

/// Workers with sockets at one address.
struct Workers {
    address: SocketAddr,
    /// The address where the first worker accepts connections.
    tcp: SocketAddr,
    controls: Vec<Control>,
    running: JoinSet<Report>,
}

impl Workers {
    fn start(count: u8) -> Workers {
        let shared = UdpOptions::default().shared(true);
        let mut address = "127.0.0.1:0".parse().unwrap();
        let mut tcp = address;
        let (mut controls, mut running) = (Vec::new(), JoinSet::new());
        for (number, links) in (0..).zip(WorkerLinks::between(NonZeroU8::new(count).unwrap(), 0).unwrap()) {
            let worker = Worker::new(format!("worker {number}")).unwrap();
            let socket = worker.within(|| Udp::bind(address, &shared)).unwrap();
            address = socket.local();
            let config = passing(InboundIdentity::Pass).callee(vec!["+120255501".parse().unwrap()]);
            let acceptor = (number == 0)
                .then(|| worker.within(|| Acceptor::tcp("127.0.0.1:0".parse().unwrap()).unwrap()));
            tcp = acceptor.as_ref().map_or(tcp, Acceptor::local);
            let config = config
                .listener(Listener::new("udp", Transport::Udp, address))
                .listener(Listener::new("tcp", Transport::Tcp, tcp))
                .build()
                .unwrap();
            let (place, seed) = (WorkerPlace { instance: 0, worker: number }, Seed::new(random().unwrap()));
            let switchboard = Switchboard::new(Arc::new(config), DefaultPolicy, place, &seed);
            let acceptors = acceptor.into_iter().collect();
            let driver = worker.within(|| Driver::new(switchboard, vec![socket]).worker_links(links));
            let driver = driver.streams(acceptors, StreamLimits::default());
            controls.push(driver.control());
            running.spawn(worker.run(driver));
        }
        Workers { address, tcp, controls, running }
    }

    async fn stop(mut self) -> Vec<Report> {
        for control in &self.controls {
            control.stop().await.unwrap();
        }
        let mut reports = Vec::new();
        while let Some(report) = self.running.join_next().await {
            reports.push(report.unwrap());
        }
        reports
    }
}

/// A phone that makes calls from one address and port.
struct Caller {
    socket: UdpSocket,
    edge: SocketAddr,
}

impl Caller {
    async fn tells(&self, method: &str, uri: &str, call: usize, seq: u32, branch: &str, to_tag: &str) {
        let phone = self.socket.local_addr().unwrap();
        let request = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {phone};branch=z9hG4bK{call}{branch};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:+12155550121@phone.example;user=phone>;tag=phone{call}\r\n\
             To: <sip:+12025550101@edge.example;user=phone>{to_tag}\r\n\
             Call-ID: {call}@phone.example\r\n\
             CSeq: {seq} {method}\r\n\
             Contact: <sip:phone@{phone}>\r\n\
             Content-Length: 0\r\n\r\n"
        );
        self.socket.send_to(request.as_bytes(), self.edge).await.unwrap();
    }

    /// Receives until each of `calls` has a final response to `method` with this status. Returns the To tag by call.
    async fn gets(&self, status: &str, method: &str, calls: usize) -> BTreeMap<usize, String> {
        let mut tags = BTreeMap::new();
        while tags.len() < calls {
            let (message, from) = timeout(Duration::from_secs(20), hears(&self.socket)).await.unwrap();
            assert_eq!(from, self.edge);
            let line = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
            if message.starts_with("SIP/2.0 1") || !line("CSeq:").ends_with(method) {
                continue;
            }
            assert!(message.starts_with(&format!("SIP/2.0 {status}")), "{message}");
            let call = line("Call-ID:").split('@').next().unwrap().parse().unwrap();
            let tag = line("To:").split_once('>').unwrap().1.to_owned();
            if let Some(before) = tags.insert(call, tag.clone()) {
                assert_eq!(before, tag, "one INVITE made two calls");
            }
        }
        tags
    }
}

#[tokio::test]
async fn the_calls_of_one_peer_are_spread_and_their_messages_find_them() {
    let workers = Workers::start(2);
    let caller = Caller { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), edge: workers.address };
    let uri = "sip:+12025550101@edge.example";
    for batch in 0..CALLS / BATCH {
        let calls = batch * BATCH..(batch + 1) * BATCH;
        for call in calls.clone() {
            // Sent twice: a retransmission reaches the worker of its INVITE.
            caller.tells("INVITE", uri, call, 1, "invite", "").await;
            caller.tells("INVITE", uri, call, 1, "invite", "").await;
        }
        let tags = caller.gets("200", "INVITE", BATCH).await;
        for call in calls {
            caller.tells("ACK", uri, call, 1, "ack", &tags[&call]).await;
            caller.tells("BYE", uri, call, 2, "bye", &tags[&call]).await;
        }
        caller.gets("200", "BYE", BATCH).await;
    }
    let reports = workers.stop().await;
    assert_eq!(reports.iter().map(|report| report.calls.calls).sum::<u64>(), CALLS as u64);
    for report in &reports {
        assert!(report.calls.calls > CALLS as u64 / 3, "{:?}", report.calls);
        assert_eq!(report.calls.refused().map(|(_, count)| count).sum::<u64>(), 0);
    }
    // The system delivers all datagrams of one peer to one socket.
    assert!(reports.iter().any(|report| report.shell.datagrams_received == 0));
    assert!(reports.iter().all(|report| report.shell.handovers_dropped == 0));
}

#[tokio::test]
async fn what_cancels_or_answers_a_call_finds_it() {
    let workers = Workers::start(2);
    let caller = Caller { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), edge: workers.address };
    let callee = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("sip:+12025550777@{}", callee.local_addr().unwrap());
    for call in 0..BATCH {
        caller.tells("INVITE", &uri, call, 1, "invite", "").await;
    }
    // All INVITEs reach the callee from one address. Each call rings before it is cancelled.
    let mut rung = BTreeMap::new();
    while rung.len() < BATCH {
        let (invite, from) = hears(&callee).await;
        callee.send_to(response(&invite, "180 Ringing").as_bytes(), from).await.unwrap();
        rung.insert(invite.lines().find(|line| line.starts_with("Call-ID")).unwrap().to_owned(), invite);
    }
    for call in 0..BATCH {
        caller.tells("CANCEL", &uri, call, 1, "invite", "").await;
    }
    let mut cancelled = 0;
    while cancelled < BATCH {
        let (message, from) = hears(&callee).await;
        if message.starts_with("CANCEL ") {
            callee.send_to(response(&message, "200 OK").as_bytes(), from).await.unwrap();
            let id = message.lines().find(|line| line.starts_with("Call-ID")).unwrap();
            let gone = response(&rung[id], "487 Request Terminated");
            callee.send_to(gone.as_bytes(), from).await.unwrap();
            cancelled += usize::from(rung.remove(id).is_some());
        }
    }
    let tags = caller.gets("487", "INVITE", BATCH).await;
    for (call, tag) in tags {
        caller.tells("ACK", &uri, call, 1, "invite", &tag).await;
    }
    let reports = workers.stop().await;
    for report in &reports {
        assert!(report.calls.calls > 0);
        assert_eq!(report.calls.refused().map(|(_, count)| count).sum::<u64>(), 0, "{:?}", report.calls);
    }
}

#[tokio::test]
async fn the_calls_of_one_connection_are_spread_and_answered_on_it() {
    let workers = Workers::start(2);
    let mut phone = TcpStream::connect(workers.tcp).await.unwrap();
    let here = phone.local_addr().unwrap();
    for call in 0..BATCH {
        let invite = format!(
            "INVITE sip:+12025550101@edge.example SIP/2.0\r\nVia: SIP/2.0/TCP {here};branch=z9hG4bKtcp{call}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+12155550121@phone.example>;tag=phone\r\n\
             To: <sip:+12025550101@edge.example>\r\nCall-ID: {call}@tcp.example\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:phone@{here};transport=tcp>\r\nContent-Length: 0\r\n\r\n"
        );
        phone.write_all(invite.as_bytes()).await.unwrap();
    }
    let (mut heard, mut slot) = (String::new(), vec![0; 65_536]);
    while heard.matches("SIP/2.0 200").count() < BATCH {
        let length = timeout(Duration::from_secs(20), phone.read(&mut slot)).await.unwrap().unwrap();
        assert!(length > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&slot[..length]));
    }
    for report in workers.stop().await {
        assert!(report.calls.calls > 0 && report.shell.handed_over > 0, "{:?}", report.shell);
    }
}

#[tokio::test]
async fn a_dropped_worker_frees_its_port() {
    let workers = Workers::start(2);
    let address = workers.address;
    drop(workers);
    let bound = async {
        while UdpSocket::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(Duration::from_secs(20), bound).await.is_ok());
}

const CALLS: usize = 120;

/// Calls at the same time.
const BATCH: usize = 20;

#[tokio::test]
async fn workers_end_their_calls_before_any_of_them_stops() {
    let mut workers = Workers::start(2);
    let caller = Caller { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), edge: workers.address };
    let uri = "sip:+12025550101@edge.example";
    for call in 0..BATCH {
        caller.tells("INVITE", uri, call, 1, "invite", "").await;
    }
    let tags = caller.gets("200", "INVITE", BATCH).await;
    for (call, tag) in &tags {
        caller.tells("ACK", uri, *call, 1, "ack", tag).await;
    }
    let controls = workers.controls.clone();
    let draining = tokio::spawn(async move { drain(&controls, Duration::from_secs(3600)).await });
    for control in &workers.controls {
        while control.report().await.unwrap().calls.draining == 0 {}
    }
    // Each worker gets some of the new calls. It refuses them as long as another worker still has an old call.
    let new = |call: usize| call + BATCH;
    for (call, tag) in tags.iter().skip(1) {
        caller.tells("BYE", uri, *call, 2, "bye", tag).await;
    }
    caller.gets("200", "BYE", BATCH - 1).await;
    for call in 0..BATCH {
        caller.tells("INVITE", uri, new(call), 1, "invite", "").await;
    }
    for (call, tag) in caller.gets("503", "INVITE", BATCH).await {
        caller.tells("ACK", uri, call, 1, "invite", &tag).await;
    }
    assert!(!draining.is_finished());
    let (call, tag) = tags.first_key_value().unwrap();
    caller.tells("BYE", uri, *call, 2, "bye", tag).await;
    caller.gets("200", "BYE", 1).await;
    draining.await.unwrap().unwrap();
    let (mut refused, mut live) = (0, 0);
    while let Some(report) = workers.running.join_next().await {
        let report = report.unwrap();
        live += report.calls.calls_live;
        refused += report.calls.refused().find(|(why, _)| *why == "draining").unwrap().1;
    }
    assert_eq!((refused, live), (BATCH as u64, 0));
}

#[tokio::test]
async fn workers_with_no_time_to_wait_hang_up() {
    let mut workers = Workers::start(2);
    let caller = Caller { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), edge: workers.address };
    for call in 0..FEW {
        caller.tells("INVITE", "sip:+12025550101@edge.example", call, 1, "invite", "").await;
    }
    for (call, tag) in caller.gets("200", "INVITE", FEW).await {
        caller.tells("ACK", "sip:+12025550101@edge.example", call, 1, "ack", &tag).await;
    }
    let controls = workers.controls.clone();
    let draining = tokio::spawn(async move { drain(&controls, Duration::ZERO).await });
    let mut hung_up = BTreeSet::new();
    while hung_up.len() < FEW {
        let (message, from) = timeout(Duration::from_secs(60), hears(&caller.socket)).await.unwrap();
        if message.starts_with("BYE ") {
            let answer = response(&message, "200 OK").replace(";tag=callee", "");
            caller.socket.send_to(answer.as_bytes(), from).await.unwrap();
            hung_up.insert(message.lines().find(|line| line.starts_with("Call-ID:")).unwrap().to_owned());
        }
    }
    draining.await.unwrap().unwrap();
    let mut ended = 0;
    while let Some(report) = workers.running.join_next().await {
        let report = report.unwrap();
        assert_eq!(report.calls.calls_live, 0);
        let shut_down = report.calls.ended().find(|(cause, _)| *cause == "shut-down");
        ended += shut_down.map_or(0, |(_, count)| count);
    }
    assert_eq!(ended, FEW as u64);
}

const FEW: usize = 8;
