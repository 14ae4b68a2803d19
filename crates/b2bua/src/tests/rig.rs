//! Alice, an edge and Bob: a switchboard under virtual time. The test writes the messages of its peers as text.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attesta_sip::{Limits, Message, Name, Request, Response, Status};
use attesta_stir::{UnixTime, X5u};
use attesta_transaction::{ConnectionId, Flow, Seed, Transmit, Transport, WorkerPlace};
use bytes::Bytes;

use crate::headers::dialog_names::DialogName;
use crate::{
    Builder, CallEvent, Cause, Claims, Config, Counters, DefaultPolicy, Destination, Input, Listener, Now,
    Output, Policy, Question, ResolveError, Route, RouteTo, Switchboard, Target, Token, Trunk,
};
use crate::{InboundIdentity, OutboundIdentity};

pub(super) const ALICE: &str = "192.0.2.1:5060";
pub(super) const BOB: &str = "192.0.2.2:5060";
pub(super) const CAROL: &str = "192.0.2.3:5060";
pub(super) const MALLORY: &str = "203.0.113.66:5060";
pub(super) const EDGE: &str = "192.0.2.100:5060";
pub(super) const CALLER: &str = "+12155551212";
pub(super) const CALLEE: &str = "+12155551213";
/// The clock at the start of each test.
pub(super) const EPOCH: u64 = 1_800_000_000;

pub(super) const ACK: &str = "ACK";
pub(super) const BYE: &str = "BYE";
pub(super) const CANCEL: &str = "CANCEL";
pub(super) const INFO: &str = "INFO";
pub(super) const INVITE: &str = "INVITE";
pub(super) const MESSAGE: &str = "MESSAGE";
pub(super) const OPTIONS: &str = "OPTIONS";
pub(super) const PRACK: &str = "PRACK";
pub(super) const UPDATE: &str = "UPDATE";

pub(super) const OFFER: &str =
    "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
pub(super) const ANSWER: &str =
    "v=0\r\no=b 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n";

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn unix(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// The trunks `alice` and `bob`. Both pass an Identity unchanged.
pub(super) fn trunks() -> (Trunk, Trunk) {
    let alice = Trunk::new("alice").source("192.0.2.1".parse().unwrap());
    let bob =
        Trunk::new("bob").source("192.0.2.2".parse().unwrap()).target("sip:192.0.2.2:5060".parse().unwrap());
    let quiet = |trunk: Trunk| {
        trunk.inbound_identity(InboundIdentity::Pass).outbound_identity(OutboundIdentity::Pass)
    };
    (quiet(alice), quiet(bob))
}

/// A configuration with the listener of the edge and a route to `bob`.
pub(super) fn builder() -> Builder {
    Config::builder()
        .listener(Listener::new("edge", Transport::Udp, address(EDGE)))
        .route(Route::new(RouteTo::Trunks(vec!["bob".into()])))
        .emergency(vec!["911".parse().unwrap()])
}

pub(super) fn config() -> Config {
    let (alice, bob) = trunks();
    builder().trunk(alice).trunk(bob).build().unwrap()
}

pub(super) struct Rig<P = DefaultPolicy> {
    pub(super) board: Switchboard<P>,
    pub(super) now: Now,
    pub(super) events: Vec<CallEvent>,
    pub(super) fetches: Vec<X5u>,
    pub(super) questions: VecDeque<(Token, Question)>,
    pub(super) to_sign: VecDeque<(Token, Arc<str>, Claims)>,
    /// True if the test itself resolves the targets in `names`.
    pub(super) holds_names: bool,
    pub(super) names: VecDeque<(Token, Target)>,
    /// The connections that the switchboard asks for. The test reports the result.
    pub(super) reaches: VecDeque<(Token, Flow)>,
    pub(super) lookups: VecDeque<(Token, WorkerPlace, DialogName)>,
    /// The messages that the edge sent and that no test step has taken yet.
    pub(super) wire: VecDeque<Transmit>,
    /// The last message that the edge sent.
    last: Option<Transmit>,
    /// The connection by which each peer sends. Other peers send datagrams.
    connections: BTreeMap<SocketAddr, (Transport, ConnectionId, Option<Arc<str>>)>,
    deadline: Option<Instant>,
    branches: u32,
}

impl Rig {
    pub(super) fn new(config: Config) -> Self {
        Self::with_policy(config, DefaultPolicy)
    }

    pub(super) fn plain() -> Self {
        Self::new(config())
    }
}

impl<P: Policy> Rig<P> {
    #[expect(clippy::disallowed_methods, reason = "there is no other instant to start from")]
    pub(super) fn with_policy(config: Config, policy: P) -> Self {
        let place = WorkerPlace { instance: 1, worker: 0 };
        super::record::listen();
        Self {
            board: Switchboard::new(Arc::new(config), policy, place, &Seed::new([7; 32])),
            now: Now { mono: Instant::now(), unix: unix(EPOCH) },
            events: Vec::new(),
            fetches: Vec::new(),
            questions: VecDeque::new(),
            to_sign: VecDeque::new(),
            holds_names: false,
            names: VecDeque::new(),
            reaches: VecDeque::new(),
            lookups: VecDeque::new(),
            wire: VecDeque::new(),
            last: None,
            connections: BTreeMap::new(),
            deadline: None,
            branches: 0,
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        self.board.handle_input(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.board.poll_output() {
                Output::Transmit(transmit) => {
                    self.last = Some(transmit.clone());
                    self.wire.push_back(transmit);
                }
                Output::Resolve { token, target, .. } if self.holds_names => {
                    self.names.push_back((token, target));
                }
                Output::Resolve { token, target, .. } => {
                    let result = literal(&target);
                    self.board.handle_input(self.now, Input::Resolved { token, result });
                }
                Output::Reach { token, flow } => self.reaches.push_back((token, flow)),
                Output::FetchCertificate(url) => self.fetches.push(url),
                Output::Sign { token, signer, claims } => self.to_sign.push_back((token, signer, claims)),
                Output::Decide { token, question } => self.questions.push_back((token, question)),
                Output::FindDialog { token, place, dialog } => self.lookups.push_back((token, place, dialog)),
                Output::Event(event) => self.events.push(event),
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    /// The names that were asked for lead to this address.
    pub(super) fn finds_names_at(&mut self, at: &str) {
        while let Some((token, _)) = self.names.pop_front() {
            let address = address(at);
            let found = Destination { transport: Transport::Udp, address, server_name: None };
            self.input(Input::Resolved { token, result: Ok(vec![found]) });
        }
    }

    pub(super) fn counters(&self) -> Counters {
        self.board.counters()
    }

    /// Lets time pass. Each timer fires when it is due.
    pub(super) fn run_for(&mut self, span: Duration) {
        let end = self.now.mono + span;
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= end) {
            self.advance_to(deadline.max(self.now.mono));
            self.input(Input::Timeout);
        }
        self.advance_to(end);
    }

    fn advance_to(&mut self, mono: Instant) {
        let start = self.now.mono;
        let passed = mono.duration_since(start);
        let whole = Duration::from_secs(self.now.unix.as_secs()) + passed;
        self.now = Now { mono, unix: UnixTime::since_unix_epoch(whole) };
    }

    pub(super) fn receives(&mut self, from: &str, message: impl Into<Bytes>) {
        let udp = Flow::udp(address(EDGE), address(from));
        let flow = match self.connections.get(&udp.remote) {
            Some((transport, id, server_name)) => {
                let (connection, server_name) = (Some(*id), server_name.clone());
                Flow { transport: *transport, connection, server_name, ..udp }
            }
            None => udp,
        };
        self.input(Input::Datagram { flow, data: message.into() });
    }

    /// From now on this peer sends by this connection.
    pub(super) fn connects(&mut self, peer: &str, transport: Transport, id: u64, server_name: Option<&str>) {
        let end = (transport, ConnectionId(id), server_name.map(Into::into));
        self.connections.insert(address(peer), end);
    }

    /// The flow of the next message to `at`.
    pub(super) fn flow_to(&self, at: &str) -> &Flow {
        let transmit = self.wire.iter().find(|transmit| transmit.flow.remote == address(at));
        &transmit.unwrap().flow
    }

    /// `from` sends a request with a new branch.
    pub(super) fn request(&mut self, from: &str, method: &str, uri: &str, headers: &str, body: &str) {
        self.branches += 1;
        let message = request(from, method, uri, &format!("z9hG4bK{}", self.branches), headers, body);
        self.receives(from, message);
    }

    /// `from` responds without further header fields. Every response but 100 has a To tag.
    pub(super) fn responds(&mut self, from: &str, request: &Request, status: u16) {
        let tag = match from {
            _ if status == 100 => "",
            CAROL => "c",
            _ => "b",
        };
        self.reply(from, request, status, tag, "");
    }

    /// `from` responds. `tag` is for a To without a tag, `rest` is header lines.
    pub(super) fn reply(&mut self, from: &str, request: &Request, status: u16, tag: &str, rest: &str) {
        self.reply_with(from, request, status, tag, rest, "");
    }

    pub(super) fn reply_with(
        &mut self,
        from: &str,
        request: &Request,
        status: u16,
        tag: &str,
        headers: &str,
        body: &str,
    ) {
        let mut response = Response::to_request(request, Status::new(status).unwrap());
        let to = String::from_utf8_lossy(request.headers().get(Name::To).unwrap()).into_owned();
        if !tag.is_empty() && !to.contains(";tag=") {
            response.headers_mut().set(Name::To, format!("{to};tag={tag}"));
        }
        for line in headers.lines().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            response.headers_mut().push_named(name, value);
        }
        if !body.is_empty() {
            response.headers_mut().push(Name::ContentType, "application/sdp");
            response.set_body(body.to_owned());
        }
        self.receives(from, response.to_bytes());
    }

    /// Takes the next message to `at`.
    pub(super) fn gets(&mut self, at: &str) -> Message {
        self.gets_if_any(at).unwrap_or_else(|| panic!("nothing was sent to {at}"))
    }

    pub(super) fn gets_if_any(&mut self, at: &str) -> Option<Message> {
        let position = self.wire.iter().position(|transmit| transmit.flow.remote == address(at))?;
        let transmit = self.wire.remove(position).unwrap();
        Some(Message::parse(transmit.payload, &Limits::default()).unwrap())
    }

    pub(super) fn gets_request(&mut self, at: &str, method: &str) -> Request {
        match self.gets(at) {
            Message::Request(request) => {
                assert_eq!(request.method().as_str(), method);
                request
            }
            Message::Response(response) => panic!("{:?} instead of {method}", response.status()),
        }
    }

    pub(super) fn gets_response(&mut self, at: &str, status: u16) -> Response {
        match self.gets(at) {
            Message::Response(response) => {
                assert_eq!(response.status().code(), status);
                response
            }
            Message::Request(request) => panic!("{} instead of {status}", request.method()),
        }
    }

    /// Asserts that the wire is empty.
    pub(super) fn is_silent(&self) {
        let lines: Vec<_> = self.wire.iter().map(|transmit| first_line(&transmit.payload)).collect();
        assert!(lines.is_empty(), "{lines:?}");
    }

    /// Drops every message on the wire.
    pub(super) fn clear(&mut self) {
        self.wire.clear();
    }

    /// The next message to `at` cannot be delivered.
    pub(super) fn fails_to_reach(&mut self, at: &str) {
        let transmit = self.takes_from_wire(at);
        self.input(Input::TransportFailed(transmit));
    }

    /// The next message to `at` stays on the wire. [`Input::TransportFailed`] may follow later.
    pub(super) fn takes_from_wire(&mut self, at: &str) -> Transmit {
        let position = self.wire.iter().position(|transmit| transmit.flow.remote == address(at)).unwrap();
        self.wire.remove(position).unwrap()
    }

    /// The next message to `at` meets a limit of the shell.
    pub(super) fn finds_no_room_towards(&mut self, at: &str) {
        let transmit = self.takes_from_wire(at);
        self.input(Input::NoRoom(transmit));
    }

    /// The last message that the edge sent cannot be delivered.
    pub(super) fn loses_the_last(&mut self) {
        if let Some(transmit) = self.last.take() {
            self.input(Input::TransportFailed(transmit));
        }
    }

    /// True if no timer runs.
    pub(super) fn is_asleep(&self) -> bool {
        self.deadline.is_none()
    }

    /// Asserts that no call remains after the longest timer, and why the last call ended.
    pub(super) fn ends_clean(&mut self, cause: Cause) {
        self.clear();
        self.run_for(Duration::from_secs(70));
        let counters = self.counters();
        assert_eq!((counters.calls_live, counters.dialogs_live, counters.transactions_live), (0, 0, 0));
        assert!(self.is_asleep());
        assert_eq!(self.cause(), Some(cause));
    }

    /// The cause of the last call that ended.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.events.iter().rev().find_map(|event| {
            let CallEvent::Ended { cause, .. } = event else { return None };
            Some(*cause)
        })
    }

    /// How many requests were refused for `reason`.
    pub(super) fn refused(&self, reason: &str) -> u64 {
        self.counters().refused().find(|(word, _)| *word == reason).map(|(_, count)| count).unwrap()
    }
}

/// The header fields that every request within a dialog has.
pub(super) fn in_dialog(from: &str, to: &str, call_id: &str, method: &str, seq: u32) -> String {
    format!("From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {seq} {method}\r\n")
}

/// The header fields of the INVITE of Alice. `headers` are added, or replace their defaults.
pub(super) fn dialog_forming(headers: &str) -> String {
    outside_dialog(INVITE, "call-1", headers)
}

/// The header fields of a request of Alice outside a dialog. `headers` are added, or replace their defaults.
pub(super) fn outside_dialog(method: &str, call_id: &str, headers: &str) -> String {
    let named = |name: &str| headers.lines().any(|line| line.starts_with(name));
    let mut text = format!("Call-ID: {call_id}\r\nCSeq: 1 {method}\r\n");
    for (name, value) in [
        ("From:", format!("\"Alice\" <{}>;tag=a", uri(CALLER))),
        ("To:", format!("<{}>", uri(CALLEE))),
        ("Contact:", format!("<sip:{ALICE}>")),
        ("Content-Type:", "application/sdp".to_owned()),
    ] {
        if !named(name) {
            text.push_str(&format!("{name} {value}\r\n"));
        }
    }
    text + headers
}

/// A request of `from` as text.
pub(super) fn request(
    from: &str,
    method: &str,
    uri: &str,
    branch: &str,
    headers: &str,
    body: &str,
) -> String {
    let forwards = if headers.contains("Max-Forwards:") { "" } else { "Max-Forwards: 70\r\n" };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch={branch};rport\r\n{forwards}{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(super) fn uri(number: &str) -> String {
    format!("sip:{number}@edge.example")
}

pub(super) fn edge() -> String {
    format!("sip:{EDGE}")
}

pub(super) fn contact(at: &str) -> String {
    format!("Contact: <sip:{at}>\n")
}

/// The first value of a header of a response.
pub(super) fn header(response: &Response, name: Name) -> String {
    String::from_utf8_lossy(response.headers().get(name).unwrap_or_default()).into_owned()
}

/// The first value of a header of a request.
pub(super) fn value(request: &Request, name: Name) -> String {
    String::from_utf8_lossy(request.headers().get(name).unwrap_or_default()).into_owned()
}

fn literal(target: &Target) -> Result<Vec<Destination>, ResolveError> {
    let transport = target.transport.unwrap_or(Transport::Udp);
    let address = format!("{}:{}", target.host, target.port.unwrap_or(5060));
    let address = address.parse().map_err(|_| ResolveError::NotFound)?;
    let server_name = (transport == Transport::Tls).then(|| (*target.host).into());
    Ok(vec![Destination { transport, address, server_name }])
}

fn first_line(payload: &[u8]) -> String {
    let line = payload.split(|octet| *octet == b'\r').next().unwrap();
    String::from_utf8_lossy(line).into_owned()
}
