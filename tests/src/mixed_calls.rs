//! Calls of all kinds through a running edge, and whether both sides believe the same of each at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use attesta_transaction::Transport;

use crate::phone::{Ended, Flows, Phone};
use crate::ring::{Edge, PhoneThread, Ring};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Mixed {
    /// What happens in each call.
    pub flows: Vec<Flows>,
    /// Calls per second.
    pub rate: u32,
    /// How both phones speak to the edge.
    pub transport: Transport,
    /// Of a thousand datagrams, so many are lost in each direction on each side of the edge.
    pub loss: u64,
    /// Whether the phones wait until their last transaction is over.
    pub to_the_end: bool,
    /// How long all of it may take.
    pub limit: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// How many calls there were.
    pub calls: usize,
    /// How many were answered.
    pub answered: usize,
    /// Final responses that the caller got, by method and status.
    pub statuses: BTreeMap<(String, u16), u64>,
    /// What went wrong, each with the number of its call.
    pub wrong: Vec<String>,
}

/// The configuration of an edge between the two phones: the caller has the test's address 2, the callee is at `callee`.
#[must_use]
pub fn configuration(ring: &Ring, callee: SocketAddr, transport: Transport) -> String {
    let by = if transport.reliable() { "tcp" } else { "udp" };
    format!(
        r#"[[listen]]
address = "{edge}:0"
transport = "{by}"

[[trunk]]
name = "near"
sources = ["{near}"]
inbound_identity = "pass"
outbound_identity = "pass"

[[trunk]]
name = "far"
sources = ["{far}"]
inbound_identity = "pass"
outbound_identity = "pass"
targets = ["sip:{callee};transport={by}"]
timers = {{ ring = "{RING}s" }}

[[route]]
from = "near"
to = "far"
"#,
        edge = ring.host(1),
        near = ring.host(2),
        far = callee.ip(),
    )
}

/// Runs the calls through an edge that has this [`configuration`].
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the processes under test live in real time")]
pub fn run(mixed: &Mixed, edge: &Edge, caller: SocketAddr, callee: SocketAddr) -> Outcome {
    let by = if mixed.transport.reliable() { edge.tcp() } else { edge.udp() };
    let begun = Instant::now();
    let end = begun + mixed.limit;
    let (done, to_the_end) = (Arc::new(AtomicBool::new(false)), mixed.to_the_end);
    let is_done = Arc::clone(&done);
    let is_over = move |phone: &Phone| {
        phone.open_calls() == 0 && (!to_the_end || (phone.lines().is_empty() && phone.is_at_rest()))
    };
    let answering = PhoneThread::start(
        Phone::new("bob", callee, by, mixed.transport, 2),
        mixed.transport,
        mixed.loss,
        move |phone, now| now < end && !(is_done.load(Ordering::Relaxed) && is_over(phone)),
    );
    let mut flows = (0..).zip(mixed.flows.clone()).peekable();
    let interval = Duration::from_secs(1) / mixed.rate;
    let calling = PhoneThread::start(
        Phone::new("alice", caller, by, mixed.transport, 1),
        mixed.transport,
        mixed.loss,
        move |phone, now| {
            while let Some((call, flow)) = flows.next_if(|(call, _)| begun + interval * *call <= now) {
                phone.calls_by_plan(now, call.into(), "+12025550143", flow);
            }
            now < end && !(flows.peek().is_none() && is_over(phone))
        },
    );
    let alice = calling.finish();
    done.store(true, Ordering::Relaxed);
    judge(mixed, &alice, &answering.finish())
}

fn judge(mixed: &Mixed, alice: &Phone, bob: &Phone) -> Outcome {
    let mut wrong: Vec<String> = alice.troubles.iter().chain(&bob.troubles).cloned().collect();
    for (name, phone) in [("caller", alice), ("callee", bob)] {
        for line in phone.lines().values().filter(|line| line.stage != crate::phone::Stage::Over) {
            wrong.push(format!("call {} is not over at the {name}: {:?}", line.call, line.stage));
        }
    }
    let (ours, theirs) = (by_call(alice), by_call(bob));
    let mut answered = 0;
    for (call, flow) in (0..).zip(&mixed.flows) {
        let near = ours.get(&call).map_or(&[][..], Vec::as_slice);
        let far = theirs.get(&call).map_or(&[][..], Vec::as_slice);
        answered += usize::from(near.iter().any(|ended| ended.answered));
        if let Err(what) = agree(near, far) {
            wrong.push(format!("call {call} ({}): {what}", flow.to_text()));
        }
    }
    let statuses = alice.statuses.clone();
    Outcome { calls: mixed.flows.len(), answered, statuses, wrong }
}

fn by_call(phone: &Phone) -> BTreeMap<u64, Vec<Ended>> {
    let mut calls: BTreeMap<u64, Vec<Ended>> = BTreeMap::new();
    for ended in phone.endings() {
        calls.entry(ended.call).or_default().push(ended);
    }
    calls
}

/// Whether both sides believe the same of a call that is over.
fn agree(near: &[Ended], far: &[Ended]) -> Result<(), String> {
    let [near] = near else { return Err(format!("it ended {} times at the caller", near.len())) };
    let far = match far {
        [] => None,
        [far] => Some(far),
        more => return Err(format!("the callee had it {} times", more.len())),
    };
    let (near_status, far_status) = (near.status, far.and_then(|far| far.status));
    // The caller had given up by a CANCEL, or by a BYE before the 200 arrived. The edge acknowledges the late answer, and sends a
    // BYE.
    let given_up = matches!(near_status, Some(200 | 487));
    // The edge gave up: nobody answered.
    let rang_out = matches!(near_status, Some(408 | 480)) && far_status == Some(487);
    match far {
        Some(far) if near.answered && far.answered => {
            let same = match (&near.session, &far.session) {
                (Some((one, other)), Some((local, remote))) => one == remote && other == local,
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if same || !near.settled || !far.settled {
                return Ok(());
            }
            Err("the sessions differ".to_owned())
        }
        _ if near.answered => Err("only the caller has an answer".to_owned()),
        _ if given_up || rang_out => Ok(()),
        Some(far) if far.answered => {
            Err(format!("the callee has answered, the caller heard {near_status:?}"))
        }
        Some(_) if near_status == far_status => Ok(()),
        Some(_) => Err(format!("the callee said {far_status:?}, the caller heard {near_status:?}")),
        None => Err(format!("it never reached the callee, the caller heard {near_status:?}")),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "calls                {}, {} of them answered", self.calls, self.answered)?;
        for ((method, status), count) in &self.statuses {
            writeln!(f, "  {status} to {method:<12} {count}")?;
        }
        writeln!(f, "ended wrong          {}", self.wrong.len())?;
        self.wrong.iter().take(SHOWN).try_for_each(|what| writeln!(f, "  {what}"))
    }
}

/// How many seconds a callee may ring.
pub const RING: u64 = 10;
/// How many failures are told.
const SHOWN: usize = 40;
