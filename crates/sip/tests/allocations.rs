//! The memory that reading needs, counted by the allocator.

use attesta_sip::{CSeq, Contact, From, Identity, Limits, MaxForwards, Message, To, Via};
use bytes::Bytes;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// The number of blocks and octets that `work` allocates.
fn allocated<T>(work: impl FnOnce() -> T) -> (u64, u64) {
    let before = dhat::HeapStats::get();
    let kept = work();
    let after = dhat::HeapStats::get();
    drop(kept);
    (after.total_blocks - before.total_blocks, after.total_bytes - before.total_bytes)
}

/// A message with this number of header lines in total.
fn message(lines: usize) -> Bytes {
    let mut text = String::from(
        "INVITE sip:bob@example.com;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport\r\n\
         From: \"Alice\" <sip:alice@example.com>;tag=88\r\nTo: <sip:bob@example.com>\r\nCall-ID: 1@a\r\n\
         CSeq: 7 INVITE\r\nContact: <sip:alice@192.0.2.1>\r\nMax-Forwards: 70\r\n\
         Identity: a.b.c;info=<https://cr.example.com/a.pem>;ppt=shaken\r\nContent-Length: 4\r\n",
    );
    for line in 9..lines {
        text.push_str(&format!("X-Line-{line}: some value\r\n"));
    }
    text.push_str("\r\nbody");
    Bytes::from(text.into_bytes())
}

#[test]
fn nothing_is_allocated_up_to_32_header_lines() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let limits = Limits::default().headers(usize::MAX).message(usize::MAX);
    let parse = |lines| {
        let octets = message(lines);
        allocated(move || Message::parse(octets, &limits).unwrap())
    };
    assert_eq!(parse(32), (0, 0));
    assert_eq!(parse(33).0, 1);

    let message_of_32 = Message::parse(message(32), &limits).unwrap();
    let headers = message_of_32.headers();
    assert_eq!(headers.len(), 32);
    let typed = allocated(|| {
        let Message::Request(request) = &message_of_32 else { panic!("a request") };
        request.parsed_uri().unwrap();
        for via in headers.read_all::<Via<'_>>() {
            via.unwrap().branch().unwrap();
        }
        headers.read::<From<'_>>().unwrap().unwrap().tag().unwrap();
        headers.read::<To<'_>>().unwrap().unwrap();
        headers.read::<Contact<'_>>().unwrap().unwrap();
        headers.read::<CSeq>().unwrap().unwrap();
        headers.read::<MaxForwards>().unwrap().unwrap();
        headers.read::<Identity<'_>>().unwrap().unwrap();
    });
    assert_eq!(typed, (0, 0));

    // With more lines than the array holds, memory grows linearly.
    let (one, two) = (parse(2000).1, parse(4000).1);
    assert!(two <= one * 5 / 2, "{one} octets for 2000 lines, {two} for 4000");
}
