//! Tests of the library as an embedder uses it, without the dependencies of the program.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::net::SocketAddr;
use std::time::Duration;

use attesta::{
    BuildError, CallEvent, Cause, ConfigError, Edge, Ephemeral, InboundIdentity, Numbers, OutboundIdentity,
    Route, RouteTo, Transport, Trunk, VerifyPolicy,
};
use tokio::net::UdpSocket;
use tokio::time::timeout;

const ANY_PORT: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// Returns an edge that answers test calls from this machine.
async fn edge(ephemeral: &Ephemeral) -> Edge {
    let callers = Trunk::new("callers").source("127.0.0.1".parse().unwrap()).numbers(Numbers::any());
    Edge::builder()
        .listen(ANY_PORT)
        .trunk(callers.vouched_by("throw-away"))
        .route(Route::new(RouteTo::RequestUri))
        .sign_with("throw-away", ephemeral.signer().unwrap())
        .verify("default", ephemeral.anchors().unwrap(), VerifyPolicy::default().ports(ephemeral.ports()))
        .fetch(ephemeral.fetch_config())
        .callee(vec!["+120255501".parse().unwrap()])
        .events(64)
        .build()
        .unwrap()
}

fn address(edge: &Edge) -> SocketAddr {
    let [(Transport::Udp, address)] = edge.listeners() else { panic!("{edge:?}") };
    *address
}

/// Sends the INVITE of a test call and returns the final response.
async fn call(to: SocketAddr, call_id: &str) -> String {
    let socket = UdpSocket::bind(SocketAddr::from(ANY_PORT)).await.unwrap();
    let from = socket.local_addr().unwrap();
    let invite = format!(
        "INVITE sip:+12025550123@{to};user=phone SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{call_id};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+12155551212@127.0.0.1;user=phone>;tag=1\r\n\
         To: <sip:+12025550123@127.0.0.1;user=phone>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:{from}>\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(invite.as_bytes(), to).await.unwrap();
    let mut buffer = vec![0; 65_535];
    loop {
        let octets = timeout(Duration::from_secs(5), socket.recv(&mut buffer)).await.unwrap().unwrap();
        let response = String::from_utf8_lossy(buffer.get(..octets).unwrap()).into_owned();
        if !response.starts_with("SIP/2.0 1") {
            return response;
        }
    }
}

#[tokio::test]
async fn an_edge_runs_until_it_is_told_to_stop() {
    let ephemeral = Ephemeral::start().await.unwrap();
    let edge = edge(&ephemeral).await;
    let (handle, to) = (edge.handle(), address(&edge));
    let running = tokio::spawn(edge.run());
    assert!(call(to, "one").await.starts_with("SIP/2.0 200 "));
    assert_eq!(handle.report().await.unwrap().calls.calls_live, 1);
    handle.stop().await.unwrap();
    let report = running.await.unwrap();
    assert_eq!((report.calls.calls, report.calls.answered), (1, 1));
    assert!(handle.report().await.is_err(), "the edge has stopped");
}

#[tokio::test]
async fn dropping_the_handle_ends_nothing() {
    let ephemeral = Ephemeral::start().await.unwrap();
    let edge = edge(&ephemeral).await;
    let to = address(&edge);
    drop(edge.handle());
    let running = tokio::spawn(edge.run());
    assert!(call(to, "two").await.starts_with("SIP/2.0 200 "));
    assert!(!running.is_finished());
    running.abort();
}

#[tokio::test]
async fn two_edges_in_one_program_do_not_know_of_each_other() {
    let ephemeral = Ephemeral::start().await.unwrap();
    let (one, other) = (edge(&ephemeral).await, edge(&ephemeral).await);
    let (to_one, to_other) = (address(&one), address(&other));
    let (handle_of_one, handle_of_other) = (one.handle(), other.handle());
    let running = [tokio::spawn(one.run()), tokio::spawn(other.run())];
    // A call with the same Call-ID at both edges is a new call for each.
    assert!(call(to_one, "three").await.starts_with("SIP/2.0 200 "));
    assert!(call(to_other, "three").await.starts_with("SIP/2.0 200 "));
    handle_of_one.stop().await.unwrap();
    assert_eq!(handle_of_other.report().await.unwrap().calls.calls_live, 1);
    handle_of_other.stop().await.unwrap();
    for edge in running {
        edge.await.unwrap();
    }
}

#[tokio::test]
async fn events_tell_what_happens() {
    let ephemeral = Ephemeral::start().await.unwrap();
    let mut edge = edge(&ephemeral).await;
    let to = address(&edge);
    let mut events = edge.events().unwrap();
    assert!(edge.events().is_none(), "events() returns the receiver once");
    let handle = edge.handle();
    let running = tokio::spawn(edge.run());
    call(to, "four").await;
    let started = events.next().await.unwrap();
    assert!(
        matches!(&started, CallEvent::Started { arrival, .. } if &*arrival.trunk == "callers"),
        "{started:?}"
    );
    assert!(!format!("{started:?}").contains("2155551212"), "numbers are masked: {started:?}");
    handle.stop().await.unwrap();
    running.await.unwrap();
    while let Some(event) = events.next().await {
        assert!(!matches!(event, CallEvent::Ended { cause: Cause::Refused(_), .. }), "{event:?}");
    }
}

#[tokio::test]
async fn what_does_not_fit_together_is_no_edge() {
    let passing = || {
        let trunk = Trunk::new("peer").source("127.0.0.1".parse().unwrap());
        trunk.inbound_identity(InboundIdentity::Pass).outbound_identity(OutboundIdentity::Pass)
    };
    let refused = Edge::builder().trunk(passing()).build().unwrap_err();
    assert!(matches!(refused, BuildError::Config(ConfigError::NoListener)), "{refused}");
    let to_nowhere = Route::new(RouteTo::Trunks(vec!["nowhere".into()]));
    let refused = Edge::builder().listen(ANY_PORT).trunk(passing()).route(to_nowhere).build().unwrap_err();
    assert!(matches!(refused, BuildError::Config(ConfigError::UnknownTrunk(_))), "{refused}");
    let taken = UdpSocket::bind(SocketAddr::from(ANY_PORT)).await.unwrap();
    let refused = Edge::builder().listen(taken.local_addr().unwrap()).trunk(passing()).build().unwrap_err();
    assert!(matches!(refused, BuildError::Bind { .. }), "{refused}");
}
