//! Parses a message and reads its header fields: `cargo run --example parse [FILE]`.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use attesta_sip::{From, Limits, Message, Name, Rules, To, Via};
use bytes::Bytes;

const INVITE: &str = "INVITE sip:+12155550113@carrier.example.net;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport\r\n\
    v: SIP/2.0/TCP pbx.example.com;branch=z9hG4bK87\r\n\
    f: \"Alice\" <sip:+12155550112@example.com>;tag=1928301774\r\n\
    To: <sip:+12155550113@carrier.example.net>\r\n\
    Call-ID: a84b4c76e66710\r\n\
    CSeq: 314159 INVITE\r\n\
    X-Customer: acme\r\n\r\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let octets = match std::env::args().nth(1) {
        Some(file) => Bytes::from(std::fs::read(file)?),
        None => Bytes::from(INVITE),
    };
    let message = Message::parse(octets, &Limits::default())?;
    match &message {
        Message::Request(request) => println!("{} {:?}", request.method(), request.parsed_uri()?),
        Message::Response(response) => println!("{:?}", response.status()),
    }
    let headers = message.headers();
    for via in headers.read_all::<Via<'_>>() {
        let via = via?;
        println!("hop    {} by {}", via.host(), String::from_utf8_lossy(via.transport()));
    }
    if let Some(from) = headers.read::<From<'_>>() {
        println!("from   {:?}", from?);
    }
    if let Some(to) = headers.read::<To<'_>>() {
        println!("to     {:?}", to?);
    }
    for field in headers.iter().filter(|field| field.name().is_none()) {
        println!("own    {}", String::from_utf8_lossy(field.name_bytes()));
    }
    println!("Call-ID {:?}", headers.get(Name::CallId).map(String::from_utf8_lossy));
    match Rules::default().check(&message) {
        Ok(()) => println!("the message conforms to RFC 3261"),
        Err(fault) => println!("{fault}; the response is {:?}", fault.answer()),
    }
    Ok(())
}
