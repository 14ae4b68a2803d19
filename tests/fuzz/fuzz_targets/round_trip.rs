//! Parses, edits, prints and parses a message. The second message has the header lines of the first, in the same order.
//! Printing the second message gives the same octets again.
#![no_main]

use attesta_sip::{Limits, Message, Name};
use libfuzzer_sys::fuzz_target;

/// Returns the name and value of each line except Content-Length. White space and line ends in a value become one space,
/// because printing normalises irregular lines.
fn lines(message: &Message) -> Vec<(Vec<u8>, Vec<u8>)> {
    let fields = message.headers().iter().filter(|field| field.name() != Some(Name::ContentLength));
    let words = |value: &[u8]| {
        let white = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | 0);
        value.split(white).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(&b' ')
    };
    fields.map(|field| (field.name_bytes().to_vec(), words(field.value()))).collect()
}

fuzz_target!(|octets: &[u8]| {
    let limits = Limits::default().message(1 << 20).headers(1 << 20);
    let Ok(mut message) = Message::parse(octets.to_vec().into(), &limits) else { return };
    message.headers_mut().push(Name::MaxForwards, "70");
    message.headers_mut().push_named("X-Own", "y");
    message.headers_mut().remove_named("X-Own");
    let printed = message.to_bytes();
    let again = Message::parse(printed.clone(), &limits).expect("a printed message can be parsed");
    assert_eq!(lines(&again), lines(&message));
    assert_eq!(again.body(), message.body());
    assert_eq!(again.to_bytes(), printed);

    // A line copied into another message remains one line.
    let mut copy = again.clone();
    copy.headers_mut().retain(|_| false);
    for field in message.headers().iter() {
        copy.headers_mut().push_field(field);
    }
    let copied = Message::parse(copy.to_bytes(), &limits).expect("a copy can be parsed");
    assert_eq!(lines(&copied), lines(&message));
});
