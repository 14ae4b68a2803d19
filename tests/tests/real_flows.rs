//! Every flow of a call once from each side, over UDP and over TCP, by a user agent of our own on real sockets.

use std::time::Duration;

use attesta_tests::mixed_calls::{Mixed, configuration, run};
use attesta_tests::phone::{FLOWS, Flows, Side};
use attesta_tests::ring::{Edge, Ring};
use attesta_transaction::Transport;

#[test]
fn every_flow_from_each_side_over_udp() {
    every_flow("flows-udp", 101, Transport::Udp);
}

#[test]
fn every_flow_from_each_side_over_tcp() {
    every_flow("flows-tcp", 102, Transport::Tcp);
}

fn every_flow(test: &str, subnet: u8, transport: Transport) {
    let Some(ring) = Ring::enter(test, subnet) else { return };
    let (caller, callee) = (ring.free(2), ring.free(3));
    let mut edge = Edge::start(&ring, "edge", 1, &configuration(&ring, callee, transport));
    let of_each = |flow| [Side::Caller, Side::Callee].map(|side| Flows::Named(flow, side));
    let mixed = Mixed {
        flows: (0..FLOWS.len()).flat_map(of_each).collect(),
        rate: 50,
        transport,
        loss: 0,
        to_the_end: false,
        limit: Duration::from_secs(50),
    };
    let outcome = run(&mixed, &edge, caller, callee);
    assert!(outcome.wrong.is_empty(), "{outcome}");
    for (method, status) in [("INVITE", 200), ("INVITE", 486), ("INVITE", 487), ("PRACK", 200)]
        .into_iter()
        .chain([("UPDATE", 200), ("INFO", 200), ("REFER", 202), ("BYE", 200)])
    {
        let count = outcome.statuses.get(&(method.to_owned(), status));
        assert!(count.is_some(), "no {status} to {method}: {outcome}");
    }
    edge.wait_until_no_calls(Duration::from_secs(10));
    edge.assert_alive();
}
