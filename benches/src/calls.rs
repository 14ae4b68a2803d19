//! A switchboard between a caller and a callee, without a network.
//!
//! Only the work of the switchboard is measured, because only this work runs inside [`Meter::around`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attesta_b2bua::{
    Config, DefaultPolicy, Destination, InboundIdentity, Input, Listener, NamedSigner, Now, Numbers,
    OutboundIdentity, Output, Route, RouteTo, SigningMeans, Switchboard, Trunk, TrunkTimers, TrustDomain,
};
use attesta_sip::{Date, Limits, Message, Method, Name, Request, Response, Status};
use attesta_stir::{Verifier, VerifyPolicy};
use attesta_transaction::{Flow, Seed, Transport, WorkerPlace};
use bytes::Bytes;

use crate::messages::INVITE;
use crate::sti::{Fixture, NOW, now};

/// What the edge does with the Identity header field of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The edge forwards the caller's Identity unread.
    Plain,
    /// The caller sends no Identity, and the edge signs.
    Signed,
    /// The edge verifies the caller's Identity with a certificate that it knows. The verification succeeds.
    Verified,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Signed, Self::Verified];

    /// Returns the kind with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the name of the kind.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Signed => "signed",
            Self::Verified => "verified",
        }
    }
}

/// Measures the work of the switchboard.
pub trait Meter {
    /// Runs one piece of work.
    fn around(&mut self, work: impl FnOnce());
}

/// A switchboard with a trunk for the caller and one for the callee.
pub struct Exchange<M> {
    board: Switchboard<DefaultPolicy>,
    meter: M,
    now: Now,
    invite: Request,
    calls: u32,
    deadline: Option<Instant>,
    /// The outputs after an input. The vector is reused, so that it is not allocated each time.
    outputs: Vec<Output>,
}

/// An answered call as the two sides see it.
pub struct Dialog {
    number: u32,
    /// The answer that the caller received.
    answer: Response,
}

impl<M: Meter> Exchange<M> {
    /// Returns a switchboard that has already handled a few calls, so that its tables are allocated.
    #[must_use]
    pub fn new(start: Instant, kind: Kind, fixture: &Fixture, meter: M) -> Self {
        let (place, seed) = (WorkerPlace { instance: 1, worker: 0 }, Seed::new([7; 32]));
        let board = Switchboard::new(Arc::new(config(kind, fixture)), DefaultPolicy, place, &seed);
        let mut exchange = Self {
            board,
            meter,
            now: Now { mono: start, unix: now() },
            invite: invite(kind, fixture),
            calls: 0,
            deadline: None,
            outputs: Vec::with_capacity(64),
        };
        exchange.input(Input::Certificates(fixture.snapshot()));
        (0..WARM).for_each(|_| exchange.call());
        exchange
    }

    /// Makes a whole call: INVITE, 100, 180, 200, ACK, BYE, 200 on both sides, and the timers of its transactions.
    pub fn call(&mut self) {
        let dialog = self.hold();
        self.hang_up(&dialog);
        self.rest();
    }

    /// Makes a call that is answered and acknowledged, and does not end the call.
    pub fn hold(&mut self) -> Dialog {
        self.calls += 1;
        let mut invite = self.invite.clone();
        invite.headers_mut().push_front(Name::Via, via(self.calls, "invite"));
        invite.headers_mut().set(Name::CallId, call_id(self.calls));
        let sent = self.receives(CALLER, invite.to_bytes());
        let invite = sent.iter().find_map(|message| request(message, &Method::Invite)).expect("an INVITE");
        self.receives(CALLEE, Response::to_request(invite, Status::TRYING).to_bytes());
        let mut response = Response::to_request(invite, Status::RINGING);
        response.set_to_tag(&format!("callee{}", self.calls));
        response.headers_mut().push(Name::Contact, format!("<sip:{CALLEE}>"));
        self.receives(CALLEE, response.to_bytes());
        let mut response = Response::to_request(invite, Status::OK);
        response.set_to_tag(&format!("callee{}", self.calls));
        response.headers_mut().push(Name::Contact, format!("<sip:{CALLEE}>"));
        response.headers_mut().push(Name::ContentType, "application/sdp");
        response.set_body(Bytes::copy_from_slice(invite.body()));
        let mut sent = self.receives(CALLEE, response.to_bytes());
        let Some(Message::Response(answer)) = sent.pop() else { unreachable!("the caller gets the answer") };
        debug_assert_eq!(answer.status(), Status::OK, "the call is answered");
        let dialog = Dialog { number: self.calls, answer };
        let sent = self.receives(CALLER, dialog.request(Method::Ack).to_bytes());
        debug_assert!(sent.iter().any(|message| request(message, &Method::Ack).is_some()), "the ACK crosses");
        dialog
    }

    /// Lets time pass until no transaction waits for an event. Held calls continue.
    pub fn rest(&mut self) {
        let most = self.now.mono + REST;
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= most) {
            self.now.mono = deadline.max(self.now.mono);
            self.input(Input::Timeout);
        }
        self.now.mono = most;
    }

    /// Returns the meter.
    pub const fn meter(&self) -> &M {
        &self.meter
    }

    /// Returns the number of live calls.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.board.counters().calls_live
    }

    /// Ends a call from the caller's side.
    fn hang_up(&mut self, dialog: &Dialog) {
        let sent = self.receives(CALLER, dialog.request(Method::Bye).to_bytes());
        let bye = sent.iter().find_map(|message| request(message, &Method::Bye)).expect("a BYE");
        self.receives(CALLEE, Response::to_request(bye, Status::OK).to_bytes());
    }

    fn receives(&mut self, from: &str, data: Bytes) -> Vec<Message> {
        let flow = Flow::udp(address(EDGE), address(from));
        self.input(Input::Datagram { flow, data })
    }

    /// Passes an input to the switchboard and answers its requests. Returns the messages that it sent.
    fn input(&mut self, input: Input) -> Vec<Message> {
        let mut inputs = vec![input];
        let mut sent = Vec::new();
        while let Some(input) = inputs.pop() {
            let Self { board, meter, now, deadline, outputs, .. } = self;
            meter.around(|| {
                board.handle_input(*now, input);
                loop {
                    let output = board.poll_output();
                    if let Output::Timeout(next) = output {
                        break *deadline = next;
                    }
                    outputs.push(output);
                }
            });
            for output in outputs.drain(..) {
                match output {
                    Output::Transmit(transmit) => {
                        let message = Message::parse(transmit.payload, &Limits::default());
                        sent.push(message.expect("a message"));
                    }
                    Output::Resolve { token, .. } => {
                        let there = Destination {
                            transport: Transport::Udp,
                            address: address(CALLEE),
                            server_name: None,
                        };
                        inputs.push(Input::Resolved { token, result: Ok(vec![there]) });
                    }
                    Output::Event(_) | Output::Timeout(_) => {}
                    Output::Reach { .. }
                    | Output::FetchCertificate(_)
                    | Output::Sign { .. }
                    | Output::Decide { .. }
                    | Output::FindDialog { .. } => unreachable!("the edge has what it needs"),
                }
            }
        }
        sent
    }
}

impl Dialog {
    /// Returns a request of the caller within the dialog.
    fn request(&self, method: Method) -> Request {
        let seq = if method == Method::Ack { 102 } else { 103 };
        let field = |name| Bytes::copy_from_slice(self.answer.headers().get(name).unwrap_or_default());
        let mut request = Request::new(method.clone(), format!("sip:{EDGE}"));
        let headers = request.headers_mut();
        headers.push(Name::Via, via(self.number, method.as_str()));
        headers.push(Name::MaxForwards, "70");
        for name in [Name::From, Name::To, Name::CallId] {
            headers.push(name, field(name));
        }
        headers.push(Name::CSeq, format!("{seq} {method}"));
        request
    }
}

/// The number of calls before the first measured call.
const WARM: u32 = 8;
/// Longer than any timer of an ended transaction (RFC 3261 table 4).
const REST: Duration = Duration::from_secs(64);

const CALLER: &str = "192.0.2.1:5060";
const CALLEE: &str = "192.0.2.2:5060";
const EDGE: &str = "192.0.2.100:5060";

fn config(kind: Kind, fixture: &Fixture) -> Config {
    let (inbound, outbound) = match kind {
        Kind::Plain => (InboundIdentity::Pass, OutboundIdentity::Pass),
        Kind::Signed => (InboundIdentity::Pass, OutboundIdentity::Sign),
        Kind::Verified => (InboundIdentity::Verify, OutboundIdentity::Pass),
    };
    let provider = fixture.providers.first().expect("a provider");
    let own = "+1215555".parse().expect("a prefix");
    // A held call must outlive the measurement, although its caller does not refresh the session.
    let timers = TrunkTimers { session: Some(Duration::from_secs(24 * 3600)), ..TrunkTimers::default() };
    let caller = Trunk::new("caller")
        .timers(timers)
        .source("192.0.2.1".parse().expect("a source"))
        .numbers(Numbers::starting(vec![own]))
        .vouched_by("own")
        .inbound_identity(inbound);
    let callee = Trunk::new("callee")
        .source("192.0.2.2".parse().expect("a source"))
        .target(format!("sip:{CALLEE}").parse().expect("a target"))
        .inbound_identity(InboundIdentity::Pass)
        .outbound_identity(outbound);
    Config::builder()
        .listener(Listener::new("edge", Transport::Udp, address(EDGE)))
        .trust_domain(TrustDomain::new(
            "default",
            Verifier::new(fixture.anchors.clone(), VerifyPolicy::default()),
        ))
        .signer(NamedSigner::new("own", SigningMeans::Key(Arc::new(provider.signer()))))
        .trunk(caller)
        .trunk(callee)
        .route(Route::new(RouteTo::Trunks(vec!["callee".into()])))
        .build()
        .expect("a configuration")
}

/// Returns the INVITE of the caller without Via and Call-ID. The provider signs for its two numbers, and its Date is fresh.
fn invite(kind: Kind, fixture: &Fixture) -> Request {
    let text = String::from_utf8_lossy(INVITE).replace("+1215555011", "+1215555121");
    let message = Message::parse(text.into(), &Limits::default());
    let Ok(Message::Request(mut invite)) = message else { unreachable!("the message is a request") };
    let headers = invite.headers_mut();
    headers.remove(Name::Via);
    headers.set(Name::Date, Date::from_unix(NOW).expect("a date").to_string());
    let provider = fixture.providers.first().expect("a provider");
    if kind != Kind::Signed {
        headers.push(Name::Identity, provider.value.clone());
    }
    invite
}

fn request<'a>(message: &'a Message, method: &Method) -> Option<&'a Request> {
    match message {
        Message::Request(request) if request.method() == method => Some(request),
        Message::Request(_) | Message::Response(_) => None,
    }
}

fn via(call: u32, transaction: &str) -> String {
    format!("SIP/2.0/UDP {CALLER};rport;branch=z9hG4bK{transaction}-{call:08}")
}

fn call_id(call: u32) -> String {
    format!("bench-{call:08}@192.0.2.1")
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
