//! Mixed calls over UDP with loss: `just lossy [CALLS] [RATE] [LOSS]` runs so many calls through a real edge, so many a
//! second. Of a thousand datagrams, LOSS are lost in each direction on each side of the edge. It counts the calls that end
//! wrong: the two sides differ about it, a request gets no final response, or the edge keeps something of it.

use std::time::Duration;

use attesta_tests::mixed_calls::{Mixed, configuration, run};
use attesta_tests::phone::{FLOWS, Flows, Side};
use attesta_tests::ring::{Edge, Ring, until};
use attesta_transaction::Transport;

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = |default: u64| {
        arguments.next().map_or(default, |text| text.parse().expect("each argument is a number"))
    };
    let (calls, rate, loss) = (next(20_000), next(200), next(50));
    let Some(ring) = Ring::enter("lossy", 249) else { return };
    let (caller, callee) = (ring.free(2), ring.free(3));
    let config = configuration(&ring, callee, Transport::Udp) + "\n[log]\nlevel = \"warn\"\n";
    let edge = Edge::start(&ring, "edge", 1, &config);
    let mixed = Mixed {
        flows: (0..calls).map(flow).collect(),
        rate: u32::try_from(rate).expect("RATE is below 2^32"),
        transport: Transport::Udp,
        loss,
        to_the_end: true,
        limit: Duration::from_secs(calls / rate.max(1)) + REST,
    };
    let outcome = run(&mixed, &edge, caller, callee);
    until(SUBSCRIPTIONS, "the edge holds nothing", || {
        edge.metrics().live().iter().all(|live| *live == 0.0).then_some(())
    });
    let metrics = edge.metrics();
    print!("{outcome}");
    for name in ["attesta_calls_ended_total", "attesta_retransmissions_total"] {
        metrics
            .of(name)
            .filter(|(_, count)| *count > 0.0)
            .for_each(|(series, count)| println!("{series} {count}"));
    }
    let [live, dialogs, transactions] = metrics.live();
    println!("left in the edge     {live} calls, {dialogs} dialogs, {transactions} transactions");
    let clean = outcome.wrong.is_empty() && metrics.live().iter().all(|live| *live == 0.0);
    assert!(clean, "calls ended wrong");
    println!("no call ended wrong");
}

/// Every other call is random; the rest are each flow in turn, begun by each side.
fn flow(call: u64) -> Flows {
    let turn = usize::try_from(call / 2).unwrap_or_default();
    match call % 2 {
        0 => Flows::Short(call),
        _ if turn % 2 == 0 => Flows::Named(turn / 2 % FLOWS.len(), Side::Caller),
        _ => Flows::Named(turn / 2 % FLOWS.len(), Side::Callee),
    }
}

/// The last action of the last call happens after 110 s. Its transactions and those of the edge end within twice 64 T1.
const REST: Duration = Duration::from_secs(200);

/// How long the subscription of a REFER may outlive its call at the edge, and a margin.
const SUBSCRIPTIONS: Duration = Duration::from_secs(250);
