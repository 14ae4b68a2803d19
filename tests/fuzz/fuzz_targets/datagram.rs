//! Parses, checks and answers any datagram without a panic. An accepted datagram is printed with the same octets.
#![no_main]

use attesta_sip::{Limits, Message, Rules, UnreadableRequest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    match Message::parse(octets.to_vec().into(), &Limits::default()) {
        Ok(message) => {
            let printed = message.to_bytes();
            assert!(octets.windows(printed.len()).any(|window| window == printed));
            let _ = Rules::default().check(&message);
        }
        Err(error) => {
            assert!(error.offset() <= octets.len());
            if let Some(answer) = UnreadableRequest::read(octets).and_then(|found| found.answer(&error)) {
                Message::parse(answer.to_bytes(), &Limits::default().message(1 << 20).header_line(65_535))
                    .expect("an answer can be read");
            }
        }
    }
});
