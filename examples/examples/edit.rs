//! Changes a message and leaves the rest of the message unchanged: `cargo run --example edit`.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use attesta_sip::{Limits, Message, Name, Sdp};

const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0\r\n\
    v:  SIP/2.0/UDP 192.0.2.1 ;branch=z9hG4bK1\r\n\
    Max-Forwards: 70\r\n\
    f: <sip:alice@example.com>;tag=1\r\n\
    t: <sip:bob@example.com>\r\n\
    i: 1@example.com\r\n\
    CSeq: 1 INVITE\r\n\
    X-Unheard-Of: folded\r\n   value\r\n\
    c: application/sdp\r\n\
    l: 87\r\n\r\n\
    v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut message = Message::parse(INVITE.into(), &Limits::default())?;

    let headers = message.headers_mut();
    headers.push_front(Name::Via, "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK2");
    headers.set(Name::MaxForwards, "69");
    headers.insert_after(Name::To, Name::PAssertedIdentity, "<sip:alice@example.com>");
    headers.remove_named("X-Unheard-Of");

    if let Message::Request(request) = &mut message {
        request.set_uri("sip:bob@198.51.100.20");
        let mut offer = Sdp::parse(request.body())?;
        offer.set_connection("198.51.100.7".parse()?);
        offer.bump_version();
        request.set_body(offer.to_vec());
    }
    print!("{}", String::from_utf8_lossy(&message.to_bytes()));
    Ok(())
}
