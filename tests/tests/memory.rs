//! Measures the memory of a live transaction, excluding the octets of its message. The test is a program of its own, because it
//! counts the whole heap.

use std::net::SocketAddr;
use std::time::Instant;

use attesta_sip::{Method, Name, Request, Response, Status};
use attesta_transaction::{Config, Endpoint, Event, Flow, Input, Output, Seed, SentBy, WorkerPlace};
use bytes::Bytes;
use dhat::{HeapStats, Profiler};

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

const LIVE: usize = 10_000;
/// The most octets that a live transaction may take in addition to its message.
const MOST: usize = 1_024;

#[test]
#[expect(clippy::disallowed_methods, reason = "a test needs a start time")]
#[expect(clippy::print_stdout, reason = "the test prints its figures")]
fn a_live_transaction_is_small() {
    let _profiler = Profiler::builder().testing().build();
    let (now, flow) = (Instant::now(), Flow::udp(address(1), address(2)));

    let before = HeapStats::get().curr_bytes;
    let mut callers = endpoint();
    let mut sent = Vec::new();
    for number in 0..LIVE {
        callers.request(now, invite(number), flow.clone(), &SentBy::from(address(1))).expect("below the cap");
        while let Output::Transmit(transmit) = callers.poll_output() {
            sent.push(transmit.payload);
        }
    }
    let messages: usize = sent.iter().map(Bytes::len).sum();
    let client =
        (HeapStats::get().curr_bytes - before - messages - size_of::<Bytes>() * sent.capacity()) / LIVE;

    let before = HeapStats::get().curr_bytes;
    let mut callees = endpoint();
    let mut ringing = 0;
    for data in &sent {
        let flow = Flow::udp(address(2), address(1));
        callees.handle_input(now, Input::Datagram { flow, data: data.clone() });
        let Output::Event(Event::Request { id, request, .. }) = callees.poll_output() else {
            panic!("an INVITE")
        };
        callees.respond(now, id, &Response::to_request(&request, Status::RINGING));
        while let Output::Transmit(transmit) = callees.poll_output() {
            ringing += transmit.payload.len();
        }
    }
    let server = (HeapStats::get().curr_bytes - before - ringing) / LIVE;

    println!(
        "a live INVITE takes {client} octets at its client and {server} at its server, without its message"
    );
    assert!(client <= MOST && server <= MOST, "{client} and {server} octets");
    assert_eq!(
        (callers.counters().live_clients, callees.counters().live_servers),
        (LIVE as u64, LIVE as u64)
    );
}

fn endpoint() -> Endpoint {
    Endpoint::new(Config::default(), WorkerPlace::default(), &Seed::new([3; 32]))
}

fn invite(number: usize) -> Request {
    let mut invite = Request::new(Method::Invite, "sip:bob@192.0.2.2");
    let headers = invite.headers_mut();
    headers.push(Name::MaxForwards, "70");
    headers.push(Name::From, "<sip:alice@192.0.2.1>;tag=alice");
    headers.push(Name::To, "<sip:bob@192.0.2.2>");
    headers.push(Name::CallId, format!("memory-{number}"));
    headers.push(Name::CSeq, "1 INVITE");
    headers.push(Name::Contact, "<sip:alice@192.0.2.1>");
    invite
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 5060))
}
