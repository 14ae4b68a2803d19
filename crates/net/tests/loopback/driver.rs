//! The driver: what it receives and sends, and that no input stops it.

use std::net::IpAddr;
use std::sync::Arc;

use attesta_b2bua::{
    Admission, Arrival, CallEvent, Decision, DefaultPolicy, InboundIdentity, Later, Now, Policy, Question,
    Reply,
};
use attesta_net::{Driver, Lookup, LookupError, Names};
use attesta_sip::Status;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::phone::{Edge, hears, passing, response};

/// An edge with the default policy.
async fn plain(count: usize, adjust: impl FnOnce(Driver<DefaultPolicy>) -> Driver<DefaultPolicy>) -> Edge {
    Edge::start(count, passing(InboundIdentity::Pass), DefaultPolicy, adjust).await
}

#[tokio::test]
async fn a_request_is_answered_from_the_address_that_was_asked() {
    let edge = plain(2, |driver| driver).await;
    for asked in [1, 0] {
        let method = ["REGISTER", "PUBLISH"][asked];
        edge.is_told(asked, edge.request(method, "sip:edge.example", "", "")).await;
        let (status, answer, from) = edge.answers().await;
        assert_eq!((status, from), (405, edge.addresses[asked]));
        let rport = format!("rport={}", edge.phone.local_addr().unwrap().port());
        assert!(answer.contains(&rport), "RFC 3581 section 4: {answer}");
    }
}

#[tokio::test]
async fn the_largest_datagram_is_read_whole() {
    let edge = plain(1, |driver| driver).await;
    let bare = edge.request("REGISTER", "sip:edge.example", "", "").len() + "65507".len() - "0".len();
    let message = edge.request("REGISTER", "sip:edge.example", "", &"x".repeat(65_507 - bare));
    assert_eq!(message.len(), 65_507);
    edge.is_told(0, &message).await;
    assert_eq!(edge.answers().await.0, 405);
    assert_eq!(edge.stop().await.shell.octets_received, 65_507);
}

#[tokio::test]
async fn garbage_and_keepalives_stop_nothing() {
    let edge = plain(1, |driver| driver).await;
    let rubbish: [&[u8]; 5] = [b"\r\n\r\n", b"", b"\0", b"\xff\xfe\xfd", b"INVITE"];
    for datagram in rubbish {
        edge.is_told(0, datagram).await;
    }
    edge.is_told(0, edge.request("REGISTER", "sip:edge.example", "", "")).await;
    assert_eq!(edge.answers().await.0, 405);
    let report = edge.stop().await;
    assert_eq!((report.shell.keepalives, report.shell.datagrams_received), (3, 3));
}

#[tokio::test]
async fn a_call_goes_to_the_address_of_a_name() {
    let callee = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let names = Arc::new(OneHost(callee.local_addr().unwrap().ip()));
    let edge = plain(1, |driver| driver.names(names)).await;
    let uri = format!("sip:+12025550101@callee.example:{}", callee.local_addr().unwrap().port());
    edge.is_told(0, edge.request("INVITE", &uri, "", "")).await;
    let (invite, from) = hears(&callee).await;
    assert!(invite.starts_with("INVITE "), "{invite}");
    assert_eq!(from, edge.addresses[0]);
}

#[tokio::test]
async fn a_call_to_an_unknown_name_is_refused() {
    let edge = plain(1, |driver| driver.names(Arc::new(NoHost))).await;
    edge.is_told(0, edge.request("INVITE", "sip:+12025550101@nowhere.example", "", "")).await;
    assert!(edge.answers().await.0 >= 400);
}

#[tokio::test]
async fn what_cannot_be_sent_fails_its_call_and_the_loop_goes_on() {
    let edge = plain(1, |driver| driver).await;
    // Nothing can be sent to port 0.
    edge.is_told(0, edge.request("INVITE", "sip:+12025550101@127.0.0.1:0", "", "")).await;
    assert!(edge.answers().await.0 >= 400);
    edge.is_told(0, edge.request("REGISTER", "sip:edge.example", "", "")).await;
    while edge.answers().await.0 != 405 {}
    assert_eq!(edge.stop().await.shell.send_failures, 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_closed_port_fails_its_call_at_once() {
    let edge = plain(1, |driver| driver).await;
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let uri = format!("sip:+12025550101@{closed}");
    // Timer B would take 32 s. The test ends earlier.
    edge.is_told(0, edge.request("INVITE", &uri, "", "")).await;
    assert!(edge.answers().await.0 >= 400);
    assert_eq!(edge.stop().await.shell.receive_errors, 1);
}

#[tokio::test]
async fn a_slow_reader_loses_events_and_not_calls() {
    let (events, mut reader) = mpsc::channel(1);
    let callee = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let edge = plain(1, |driver| driver.events(events)).await;
    let uri = format!("sip:+12025550101@{}", callee.local_addr().unwrap());
    edge.is_told(0, edge.request("INVITE", &uri, "", "")).await;
    let (invite, from) = hears(&callee).await;
    callee.send_to(response(&invite, "486 Busy Here").as_bytes(), from).await.unwrap();
    assert_eq!(edge.answers().await.0, 486);
    let report = edge.stop().await;
    assert!(matches!(reader.recv().await, Some(CallEvent::Started { .. })));
    assert!(reader.recv().await.is_none() && report.shell.events_dropped > 0);
}

#[tokio::test]
async fn a_stopped_driver_frees_its_port_and_answers_no_more() {
    let edge = plain(1, |driver| driver).await;
    let (address, control) = (edge.addresses[0], edge.control.clone());
    assert_eq!(control.report().await.unwrap().shell.datagrams_received, 0);
    edge.stop().await;
    assert!(control.report().await.is_err() && control.stop().await.is_err());
    assert!(UdpSocket::bind(address).await.is_ok());
}

#[tokio::test]
async fn a_policy_may_answer_later() {
    let (questions, mut asked) = mpsc::channel(1);
    let edge =
        Edge::start(1, passing(InboundIdentity::Pass), Slow, |driver| driver.questions(questions)).await;
    edge.is_told(0, edge.request("INVITE", "sip:+12025550101@127.0.0.1", "", "")).await;
    let (token, question) = asked.recv().await.unwrap();
    assert!(matches!(question, Question::Admit(_)));
    edge.control.decide(token, Decision::Admit(Admission::Refuse(Status::DECLINE))).await.unwrap();
    assert_eq!(edge.answers().await.0, 603);
}

/// A policy that decides later whom to admit.
struct Slow;

impl Policy for Slow {
    fn admit(&mut self, _: Now, _: &Arrival, later: Later) -> Reply<Admission> {
        Reply::Pending(later)
    }
}

/// Resolves all names to one address.
struct OneHost(IpAddr);

impl Names for OneHost {
    fn lookup(&self, _: &str) -> Lookup {
        let address = self.0;
        Box::pin(async move { Ok(vec![address]) })
    }
}

/// Resolves no name.
struct NoHost;

impl Names for NoHost {
    fn lookup(&self, _: &str) -> Lookup {
        Box::pin(async { Err(LookupError::NotFound) })
    }
}
