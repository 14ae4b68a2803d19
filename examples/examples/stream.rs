//! Splits a byte stream into messages: `cargo run --example stream`.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use attesta_sip::{Frame, Framer, Limits, Message};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stream = b"\r\n\r\nOPTIONS sip:a SIP/2.0\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n\
        SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\nContent-Length: 2\r\n\r\nhi";
    let mut framer = Framer::new(Limits::default());
    // The stream arrives in pieces of seven octets, as on a slow connection.
    for piece in stream.chunks(7) {
        framer.push(piece);
        while let Some(frame) = framer.poll() {
            match frame? {
                Frame::Message(Message::Request(request)) => println!("{request:?}"),
                Frame::Message(Message::Response(response)) => println!("{response:?}"),
                Frame::Ping => println!("a ping; answer it with CRLF"),
                Frame::Pong => println!("a pong"),
            }
        }
    }
    Ok(())
}
