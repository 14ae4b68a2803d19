//! Parse, edit, print, parse: the second message has the header lines of the first, in order, and
//! printing it again gives the same octets.
#![no_main]

use attesta_sip::{Limits, Message, Name};
use libfuzzer_sys::fuzz_target;

/// Name and value of each line but Content-Length; white space and line ends in values as one
/// space, since an irregular line is regular once printed.
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
    let again = Message::parse(printed.clone(), &limits).expect("what is printed can be read");
    assert_eq!(lines(&again), lines(&message));
    assert_eq!(again.body(), message.body());
    assert_eq!(again.to_bytes(), printed);

    // A line that is copied into another message stays one line.
    let mut copy = again.clone();
    copy.headers_mut().retain(|_| false);
    for field in message.headers().iter() {
        copy.headers_mut().push_field(field);
    }
    let copied = Message::parse(copy.to_bytes(), &limits).expect("a copy can be read");
    assert_eq!(lines(&copied), lines(&message));
});
