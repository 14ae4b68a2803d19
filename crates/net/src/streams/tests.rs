//! Tests of the limits on waiting messages and on opened connections.

use std::net::{Ipv4Addr, TcpListener};

use attesta_b2bua::Input;

use super::*;

/// Creates streams with one TCP listener, and a flow from there to a listener that never answers.
fn streams(limits: StreamLimits) -> (Streams, Flow, TcpListener) {
    let acceptor = Acceptor::tcp((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let peer = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let flow = Flow::udp(acceptor.local(), peer.local_addr().unwrap());
    let flow = Flow { transport: Transport::Tcp, ..flow };
    (Streams::new(vec![acceptor], limits), flow, peer)
}

fn transmit(flow: &Flow, start: &str, octets: usize) -> Transmit {
    Transmit { flow: flow.clone(), payload: format!("{start:<octets$}").into() }
}

#[tokio::test]
async fn a_burst_of_calls_does_not_fill_the_send_queue() {
    let (mut streams, flow, _peer) = streams(StreamLimits::default());
    // This is the number of signed calls that may wait for one certificate.
    let back = (0..1_000).filter_map(|_| streams.send(transmit(&flow, "INVITE ", 4_000))).count();
    assert_eq!((back, streams.counters().opened), (0, 1));
}

#[tokio::test]
async fn responses_open_at_most_half_of_the_connections() {
    let (mut streams, flow, _peer) = streams(StreamLimits::default().opened(4));
    let mut sends = |port: u16, start: &str| {
        let mut flow = flow.clone();
        flow.remote.set_port(port);
        streams.send(transmit(&flow, start, 100)).is_none()
    };
    let responses = [1, 2, 3, 1].map(|port| sends(port, "SIP/2.0 200 OK"));
    assert_eq!(responses, [true, true, false, true], "an existing connection is used");
    assert_eq!([3, 4, 5].map(|port| sends(port, "INVITE ")), [true, true, false]);
}

#[tokio::test]
async fn a_limit_of_the_edge_is_not_a_fault_of_the_peer() {
    let (mut streams, flow, _peer) = streams(StreamLimits::default().opened(1));
    let mut elsewhere = flow.clone();
    elsewhere.remote.set_port(1);
    assert!(streams.send(transmit(&flow, "INVITE ", 100)).is_none());
    let unsent = streams.send(transmit(&elsewhere, "INVITE ", 100)).unwrap();
    assert!(matches!(Input::from(unsent), Input::NoRoom(_)));
    assert_eq!(streams.connection_to(&elsewhere), Err(Unreachable::NoRoom));
    elsewhere.remote.set_port(0);
    let unsent = streams.send(transmit(&elsewhere, "INVITE ", 100)).unwrap();
    assert!(matches!(Input::from(unsent), Input::TransportFailed(_)), "nothing listens there");
}

#[tokio::test]
async fn a_flood_at_one_listener_does_not_block_another() {
    let [flooded, other] = [(); 2].map(|()| Acceptor::tcp((Ipv4Addr::LOCALHOST, 0).into()).unwrap());
    let (crowd, one) = (flooded.local(), other.local());
    let mut streams = Streams::new(vec![flooded, other], StreamLimits::default());
    let _crowd: Vec<_> = (0..2 * BATCH).map(|_| std::net::TcpStream::connect(crowd).unwrap()).collect();
    let _one = std::net::TcpStream::connect(one).unwrap();
    // The system reports both listeners when the test waits next.
    tokio::task::yield_now().await;
    poll_fn(|cx| streams.poll_ready(cx)).await;
    assert!(streams.accepted_sockets.iter().any(|accepted| accepted.local == one));
}
