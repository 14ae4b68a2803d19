//! Random histories in which addresses are found late, in any order, or never: whatever happens, nothing panics, every call
//! ends, and no map keeps an entry.

use std::sync::Arc;
use std::time::Duration;

use attesta_sip::{Message, Name, Request};
use attesta_transaction::Transport;
use proptest::prelude::*;

use super::rig::*;
use crate::{Destination, Input, ResolveError, Token, TrunkTimers};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Happening {
    /// Alice sends an INVITE of a new call, with a To tag of her own if `tagged`.
    Invites { tagged: bool },
    /// Alice cancels one of her INVITEs, the first or one within a dialog.
    Cancels(usize),
    /// One of them answers a request that it got. `odd`: the CSeq number is wrong.
    Answers { bob: bool, which: usize, status: u16, fork: u8, odd: bool },
    /// One of them sends a request within a dialog, or an ACK of the INVITE with this number.
    Requests { bob: bool, dialog: usize, method: usize, ack: u32 },
    /// A name that was asked for is found, or not. `again`: the answer is one that was given before.
    Resolves { which: usize, result: u8, again: bool },
    /// A MESSAGE outside a dialog.
    Messages,
    /// What the edge sent last cannot be delivered.
    Fails,
    /// A new configuration, equal to the old one.
    Configures,
    /// The edge drains.
    Drains,
    /// The edge stops.
    HangsUp,
    /// Time passes.
    Passes(u64),
}

const METHODS: [&str; 8] = ["ACK", "ACK", "BYE", "INVITE", "INVITE", "INFO", "UPDATE", "PRACK"];
const STATUSES: [u16; 12] = [100, 180, 183, 200, 200, 200, 302, 408, 481, 486, 487, 503];

fn happening() -> impl Strategy<Value = Happening> {
    let status = prop::sample::select(&STATUSES[..]);
    prop_oneof![
        20 => prop::bool::weighted(0.2).prop_map(|tagged| Happening::Invites { tagged }),
        10 => any::<usize>().prop_map(Happening::Cancels),
        80 => (prop::bool::weighted(0.8), any::<usize>(), status, 0_u8..3, prop::bool::weighted(0.05))
            .prop_map(|(bob, which, status, fork, odd)| Happening::Answers { bob, which, status, fork, odd }),
        80 => (any::<bool>(), any::<usize>(), 0..METHODS.len(), 0_u32..4)
            .prop_map(|(bob, dialog, method, ack)| Happening::Requests { bob, dialog, method, ack }),
        60 => (any::<usize>(), 0_u8..4, prop::bool::weighted(0.1))
            .prop_map(|(which, result, again)| Happening::Resolves { which, result, again }),
        5 => Just(Happening::Messages),
        10 => Just(Happening::Fails),
        4 => Just(Happening::Configures),
        1 => Just(Happening::Drains),
        1 => Just(Happening::HangsUp),
        25 => prop::sample::select(&[1_u64, 400, 4_000, 33_000, 125_000][..]).prop_map(Happening::Passes),
    ]
}

/// From, To and Call-ID of a dialog as one side knows it.
type Known = [String; 3];

/// What the two of them have seen.
struct History {
    rig: Rig,
    calls: u32,
    seq: u32,
    to_bob: Vec<Request>,
    to_alice: Vec<Request>,
    alice: Vec<Known>,
    bob: Vec<Known>,
    /// The INVITEs of Alice: Request-URI, branch, header fields.
    invites: Vec<(String, String, String)>,
    given: Vec<Token>,
}

fn configuration() -> crate::Config {
    let (alice, bob) = trunks();
    let timers = TrunkTimers { max_call: Duration::from_secs(300), ..TrunkTimers::default() };
    let bob = bob.target("sip:192.0.2.2:5062".parse().unwrap()).timers(timers);
    builder().trunk(alice.timers(timers)).trunk(bob).build().unwrap()
}

impl History {
    fn happens(&mut self, happening: &Happening) {
        match happening {
            Happening::Invites { tagged } => {
                self.calls += 1;
                let to = format!("To: <{}>;tag=own\r\n", uri(CALLEE));
                let headers = dialog_forming(if *tagged { &to } else { "" });
                let headers = headers.replace("call-1", &format!("call-{}", self.calls));
                let branch = format!("z9hG4bKi{}", self.calls);
                self.invites.push((uri(CALLEE), branch.clone(), headers.clone()));
                self.rig.receives(ALICE, request(ALICE, "INVITE", &uri(CALLEE), &branch, &headers, OFFER));
            }
            Happening::Cancels(which) => {
                if let Some((uri, branch, headers)) = pick(&self.invites, *which) {
                    let headers = headers.replace(" INVITE", " CANCEL");
                    self.rig.receives(ALICE, request(ALICE, "CANCEL", &uri, &branch, &headers, ""));
                }
            }
            Happening::Answers { bob, which, status, fork, odd } => {
                let (at, requests) = if *bob { (BOB, &self.to_bob) } else { (ALICE, &self.to_alice) };
                if let Some(mut request) = pick(requests, *which) {
                    if *odd {
                        let cseq = format!("{} {}", 7 + u32::from(*fork), request.method());
                        request.headers_mut().set(Name::CSeq, cseq);
                    }
                    let tag = format!("b{fork}");
                    if *bob && request.method().as_str() == "INVITE" {
                        let [from, to, id] =
                            [Name::To, Name::From, Name::CallId].map(|name| value(&request, name));
                        let from = if from.contains(";tag=") { from } else { format!("{from};tag={tag}") };
                        self.bob.push([from, to, id]);
                    }
                    self.rig.reply_with(at, &request, *status, &tag, &contact(at), ANSWER);
                }
            }
            Happening::Requests { bob, dialog, method, ack } => {
                self.requests(*bob, *dialog, METHODS[*method], *ack)
            }
            Happening::Resolves { which, result, again } => self.resolves(*which, *result, *again),
            Happening::Messages => {
                let headers = dialog_forming("").replace("INVITE", "MESSAGE");
                let headers = headers.replace("call-1", &format!("message-{}", self.seq));
                self.rig.request(ALICE, "MESSAGE", &uri(CALLEE), &headers, "hello");
            }
            Happening::Fails => self.rig.loses_the_last(),
            Happening::Configures => self.rig.input(Input::Configure(Arc::new(configuration()))),
            Happening::Drains => self.rig.input(Input::Drain),
            Happening::HangsUp => self.rig.input(Input::HangUp),
            Happening::Passes(milliseconds) => self.rig.run_for(Duration::from_millis(*milliseconds)),
        }
        self.collect();
    }

    fn requests(&mut self, bob: bool, dialog: usize, method: &str, ack: u32) {
        let (from, dialogs) = if bob { (BOB, &self.bob) } else { (ALICE, &self.alice) };
        let Some([local, remote, id]) = pick(dialogs, dialog) else { return };
        self.seq += 1;
        let seq = if method == "ACK" { self.seq.saturating_sub(ack).max(1) } else { self.seq };
        let seq = if method == "ACK" && ack == 0 { 1 } else { seq };
        let headers = in_dialog(&local, &remote, &id, method, seq) + &format!("Contact: <sip:{from}>\r\n");
        let branch = format!("z9hG4bKd{}", self.seq);
        if method == "INVITE" && !bob {
            self.invites.push((edge(), branch.clone(), headers.clone()));
        }
        self.rig.receives(from, request(from, method, &edge(), &branch, &headers, ""));
    }

    fn resolves(&mut self, which: usize, result: u8, again: bool) {
        let (token, at) = if again {
            let Some(token) = pick(&self.given, which) else { return };
            (token, BOB.to_owned())
        } else {
            if self.rig.names.is_empty() {
                return;
            }
            let place = which % self.rig.names.len();
            let (token, target) = self.rig.names.remove(place).unwrap();
            (token, format!("{}:{}", target.host, target.port.unwrap_or(5060)))
        };
        self.given.push(token);
        let result = match result {
            0 => Err(ResolveError::NotFound),
            _ => {
                Ok(vec![Destination { transport: Transport::Udp, address: address(&at), server_name: None }])
            }
        };
        self.rig.input(Input::Resolved { token, result });
    }

    fn collect(&mut self) {
        for at in [BOB, "192.0.2.2:5062"] {
            while let Some(message) = self.rig.gets_if_any(at) {
                if let Message::Request(request) = message {
                    self.to_bob.push(request);
                }
            }
        }
        while let Some(message) = self.rig.gets_if_any(ALICE) {
            match message {
                Message::Request(request) => self.to_alice.push(request),
                Message::Response(response) if header(&response, Name::CSeq).ends_with("INVITE") => {
                    self.alice.push([Name::From, Name::To, Name::CallId].map(|name| header(&response, name)));
                }
                Message::Response(_) => {}
            }
        }
    }
}

fn pick<T: Clone>(all: &[T], which: usize) -> Option<T> {
    let recent = all.len().saturating_sub(4);
    all[recent..].get(which % all.len().clamp(1, 4)).cloned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn late_names_leave_nothing(happenings in prop::collection::vec(happening(), 1..80)) {
        let mut rig = Rig::new(configuration());
        rig.holds_names = true;
        let mut history = History {
            rig,
            calls: 0,
            seq: 1,
            to_bob: Vec::new(),
            to_alice: Vec::new(),
            alice: Vec::new(),
            bob: Vec::new(),
            invites: Vec::new(),
            given: Vec::new(),
        };
        history.happens(&Happening::Invites { tagged: false });
        history.happens(&Happening::Resolves { which: 0, result: 1, again: false });
        for happening in &happenings {
            history.happens(happening);
        }
        history.rig.run_for(Duration::from_secs(900));
        let counters = history.rig.counters();
        prop_assert_eq!((counters.calls_live, counters.dialogs_live, counters.transactions_live), (0, 0, 0));
        prop_assert!(history.rig.is_asleep());
        prop_assert!(history.rig.board.is_empty());
        prop_assert_eq!(counters.calls, counters.ended().map(|(_, count)| count).sum::<u64>());
        let board = format!("{:?}", history.rig.board);
        for empty in [
            "owners: Owners { dialogs: {}, clients: {}, servers: {}, tokens: {} }",
            "LateAnswers({})",
            "deadlines: {}",
            "waiting: {}",
            "wants: {}",
        ] {
            prop_assert!(board.contains(empty), "{}", empty);
        }
    }
}
