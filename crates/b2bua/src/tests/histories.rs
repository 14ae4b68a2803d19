//! Random histories: for any events in any order, nothing panics, every call ends, and nothing of it remains.

use std::time::Duration;

use attesta_sip::{Message, Name, Request};
use proptest::prelude::*;

use super::rig::*;
use crate::{Cause, TrunkTimers};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Happening {
    /// Alice sends an INVITE of a new call.
    Invites,
    /// Alice cancels her last INVITE.
    Cancels,
    /// Bob answers one of the requests that he got.
    Answers { which: usize, status: u16, fork: u8 },
    /// Alice answers one of the requests that she got.
    Replies { which: usize, status: u16 },
    /// One of them sends a request within a dialog. `known` is true if its CSeq number is the next one.
    Requests { from_alice: bool, method: usize, known: bool },
    /// The last message comes again.
    Repeats,
    /// What the edge sent last cannot be delivered.
    Fails,
    /// Time passes.
    Passes(u64),
}

const METHODS: [&str; 6] = ["ACK", "BYE", "INVITE", "INFO", "UPDATE", "PRACK"];
const STATUSES: [u16; 10] = [100, 180, 183, 200, 200, 302, 481, 486, 487, 503];

fn happening() -> impl Strategy<Value = Happening> {
    let status = prop::sample::select(&STATUSES[..]);
    prop_oneof![
        2 => Just(Happening::Invites),
        1 => Just(Happening::Cancels),
        6 => (any::<usize>(), status.clone(), 0_u8..3)
            .prop_map(|(which, status, fork)| Happening::Answers { which, status, fork }),
        2 => (any::<usize>(), status).prop_map(|(which, status)| Happening::Replies { which, status }),
        6 => (any::<bool>(), 0..METHODS.len(), prop::bool::weighted(0.8))
            .prop_map(|(from_alice, method, known)| Happening::Requests { from_alice, method, known }),
        1 => Just(Happening::Repeats),
        1 => Just(Happening::Fails),
        3 => prop::sample::select(&[1_u64, 400, 3_000, 33_000][..]).prop_map(Happening::Passes),
    ]
}

/// What Alice and Bob have seen.
struct History {
    rig: Rig,
    calls: u32,
    seq: u32,
    to_bob: Vec<Request>,
    to_alice: Vec<Request>,
    /// From, To and Call-ID of the last dialog that Alice knows.
    dialog: Option<[String; 3]>,
    last: Option<(&'static str, String)>,
}

impl History {
    fn happens(&mut self, happening: &Happening) {
        match happening {
            Happening::Invites => {
                self.calls += 1;
                self.sends_for_call(INVITE, OFFER);
            }
            Happening::Cancels => self.sends_for_call(CANCEL, ""),
            Happening::Answers { which, status, fork } => {
                if let Some(request) = pick(&self.to_bob, *which) {
                    self.rig.reply_with(BOB, &request, *status, &format!("b{fork}"), &contact(BOB), ANSWER);
                }
            }
            Happening::Replies { which, status } => {
                if let Some(request) = pick(&self.to_alice, *which) {
                    self.rig.reply_with(ALICE, &request, *status, "", &contact(ALICE), ANSWER);
                }
            }
            Happening::Requests { from_alice, method, known } => {
                self.requests(*from_alice, METHODS[*method], *known)
            }
            Happening::Repeats => {
                if let Some((from, message)) = self.last.clone() {
                    self.rig.receives(from, message);
                }
            }
            Happening::Fails => self.rig.loses_the_last(),
            Happening::Passes(milliseconds) => self.rig.run_for(Duration::from_millis(*milliseconds)),
        }
        self.collect();
    }

    /// Alice sends the INVITE of her last call, or its CANCEL.
    fn sends_for_call(&mut self, method: &str, body: &str) {
        let headers = outside_dialog(method, &format!("call-{}", self.calls), "");
        self.sends(ALICE, method, &uri(CALLEE), &format!("z9hG4bKi{}", self.calls), &headers, body);
    }

    fn requests(&mut self, from_alice: bool, method: &str, known: bool) {
        self.seq += 1;
        let seq = match (method, known) {
            ("ACK", true) => 1,
            (_, true) => self.seq,
            (_, false) => 0,
        };
        let (from, [local, remote, call_id]) = if from_alice {
            let Some(dialog) = self.dialog.clone() else { return };
            (ALICE, dialog)
        } else {
            let Some(invite) = self.to_bob.iter().rfind(|request| request.method().as_str() == "INVITE")
            else {
                return;
            };
            let local = value(invite, Name::To);
            let local = if local.contains(";tag=") { local } else { local + ";tag=b0" };
            (BOB, [local, value(invite, Name::From), value(invite, Name::CallId)])
        };
        let headers =
            in_dialog(&local, &remote, &call_id, method, seq) + &format!("Contact: <sip:{from}>\r\n");
        let branch = format!("z9hG4bKd{}", self.seq);
        self.sends(from, method, &edge(), &branch, &headers, "");
    }

    fn sends(
        &mut self,
        from: &'static str,
        method: &str,
        uri: &str,
        branch: &str,
        headers: &str,
        body: &str,
    ) {
        let message = request(from, method, uri, branch, headers, body);
        self.last = Some((from, message.clone()));
        self.rig.receives(from, message);
    }

    fn collect(&mut self) {
        while let Some(message) = self.rig.gets_if_any(BOB) {
            if let Message::Request(request) = message {
                self.to_bob.push(request);
            }
        }
        while let Some(message) = self.rig.gets_if_any(ALICE) {
            match message {
                Message::Request(request) => self.to_alice.push(request),
                Message::Response(response) if header(&response, Name::CSeq).ends_with("INVITE") => {
                    self.dialog =
                        Some([Name::From, Name::To, Name::CallId].map(|name| header(&response, name)));
                }
                Message::Response(_) => {}
            }
        }
    }
}

fn pick(requests: &[Request], which: usize) -> Option<Request> {
    let recent = requests.len().saturating_sub(4);
    requests[recent..].get(which % requests.len().clamp(1, 4)).cloned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_call_ends_and_leaves_nothing(happenings in prop::collection::vec(happening(), 1..60)) {
        let (alice, bob) = trunks();
        let timers = TrunkTimers { max_call: Duration::from_secs(300), ..TrunkTimers::default() };
        let bob = bob.target("sip:192.0.2.2:5062".parse().unwrap()).timers(timers);
        let config = builder().trunk(alice.timers(timers)).trunk(bob).build().unwrap();
        let mut history = History {
            rig: Rig::new(config),
            calls: 0,
            seq: 1,
            to_bob: Vec::new(),
            to_alice: Vec::new(),
            dialog: None,
            last: None,
        };
        history.happens(&Happening::Invites);
        for happening in &happenings {
            history.happens(happening);
        }
        history.rig.run_for(Duration::from_secs(600));
        let counters = history.rig.counters();
        prop_assert_eq!((counters.calls_live, counters.dialogs_live, counters.transactions_live), (0, 0, 0));
        prop_assert!(history.rig.is_asleep());
        prop_assert_eq!(counters.calls, counters.ended().map(|(_, count)| count).sum::<u64>());
        prop_assert_ne!(history.rig.cause(), None::<Cause>);
    }
}
