use attesta_b2bua::{Config, DefaultPolicy, Listener};
use attesta_transaction::WorkerPlace;
use bytes::Bytes;

use super::*;
use crate::driver::wake::{arrivals, next_handovers};

#[test]
fn a_full_send_buffer_is_not_a_broken_transport() {
    assert!(is_transient(&ErrorKind::WouldBlock.into()));
    assert!(is_transient(&io::Error::from_raw_os_error(LINUX_ENOBUFS)));
    for kind in [ErrorKind::NetworkUnreachable, ErrorKind::AddrNotAvailable, ErrorKind::PermissionDenied] {
        assert!(!is_transient(&kind.into()), "{kind}");
    }
}

#[tokio::test]
async fn constant_handovers_do_not_block_connections() {
    let acceptor = Acceptor::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let flow = Flow::udp(acceptor.local(), acceptor.local());
    let _peer = std::net::TcpStream::connect(acceptor.local()).unwrap();
    let mut streams = Streams::new(vec![acceptor], StreamLimits::default());
    let mut links = WorkerLinks::between(std::num::NonZeroU8::new(2).unwrap(), 0).unwrap();
    let message = Handover::Message(flow, Bytes::from_static(b"SIP"));
    assert!(links[1].hand_over(WorkerId(0), message).is_none());
    let (mut own, mut handovers) = (Some(links.remove(0)), Vec::new());
    // The system reports the connection when the test waits next.
    yield_now().await;
    arrivals(&[], Some(&mut streams), next_handovers(&mut own, &mut handovers)).await;
    streams.take(&mut Vec::new(), &|_| true);
    assert_eq!((handovers.len(), streams.counters().accepted), (1, 1));
}

#[tokio::test]
async fn messages_of_streams_wait_for_room_in_the_link() {
    let here = "127.0.0.1:5060".parse().unwrap();
    let config = Config::builder().listener(Listener::new("tcp", Transport::Tcp, here)).build().unwrap();
    let place = WorkerPlace { instance: 0, worker: 0 };
    let switchboard = Switchboard::new(Arc::new(config), DefaultPolicy, place, &Seed::new([7; 32]));
    let mut links = WorkerLinks::between(std::num::NonZeroU8::new(2).unwrap(), 0).unwrap();
    let mut other = links.pop().unwrap();
    let of_the_other = |call: &u32| {
        let message = format!("OPTIONS sip:a SIP/2.0\r\nCall-ID: {call}\r\n\r\n");
        other.owner(&WorkerHint::of_received(message.as_bytes())) == other.own()
    };
    let call = (0..).find(of_the_other).unwrap();
    let mut driver = Driver::new(switchboard, Vec::new()).worker_links(links.remove(0));
    let flow = Flow { transport: Transport::Tcp, ..Flow::udp(here, here) };
    for number in 0..MANY {
        let message = format!("OPTIONS sip:{number} SIP/2.0\r\nCall-ID: {call}\r\n\r\n");
        driver.arrived(Clock::now(), flow.clone(), message.into());
    }
    assert!(!driver.waiting_handovers.is_empty() && driver.counters.handovers_dropped == 0);
    let mut taken = Vec::new();
    while taken.len() < MANY {
        other.arrivals(&mut taken).await;
        driver.send_waiting_handovers();
    }
    for (number, handover) in taken.iter().enumerate() {
        let Handover::Message(_, data) = handover else { unreachable!("{handover:?}") };
        assert!(data.starts_with(format!("OPTIONS sip:{number} ").as_bytes()));
    }
    assert_eq!(driver.counters.handed_over, MANY as u64);
}

/// A number of messages that exceeds the capacity of a link.
const MANY: usize = 1100;
