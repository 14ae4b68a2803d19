//! Splits a stream into pieces of any size. The framer returns the same messages for every size.
#![no_main]

use attesta_sip::{Frame, Framer, Limits};
use libfuzzer_sys::fuzz_target;

/// Returns the frames of a stream that arrives in pieces of this size.
fn frames(octets: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(Limits::default().message(4096));
    let mut frames = Vec::new();
    for piece in octets.chunks(size) {
        framer.push(piece);
        while let Some(frame) = framer.poll() {
            frames.push(match frame {
                Ok(Frame::Message(message)) => message.to_bytes().to_vec(),
                Ok(Frame::Ping) => b"ping".to_vec(),
                Ok(Frame::Pong) => b"pong".to_vec(),
                Err(error) => error.error().kind().as_str().into(),
            });
        }
        assert!(framer.buffered() <= 4096 + size);
    }
    frames
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, octets) = input;
    assert_eq!(frames(octets, usize::from(size) + 1), frames(octets, octets.len().max(1)));
});
