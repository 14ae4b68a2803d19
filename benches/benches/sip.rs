//! Measures the wall time of reading and printing, compared with other parsers: `cargo bench --bench sip`.

mod parsers;

use attesta_sip::{Limits, Message};
use bytes::Bytes;
use divan::{Bencher, black_box};

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

const MESSAGES: [usize; 2] = [1122, 1873];

fn message(length: usize) -> Bytes {
    parsers::inputs()
        .into_iter()
        .map(|(_, message)| message)
        .find(|message| message.len() == length)
        .unwrap_or_default()
}

#[divan::bench_group]
mod index {
    use super::{Bencher, MESSAGES, black_box, message, parsers};

    #[divan::bench(args = MESSAGES)]
    fn attesta(bencher: Bencher<'_, '_>, length: usize) {
        let message = message(length);
        bencher.bench_local(|| parsers::index::attesta(black_box(&message)));
    }

    #[divan::bench(args = MESSAGES)]
    fn httparse(bencher: Bencher<'_, '_>, length: usize) {
        let message = message(length);
        bencher.bench_local(|| parsers::index::httparse(black_box(&message)));
    }

    #[divan::bench(args = MESSAGES)]
    fn rsip(bencher: Bencher<'_, '_>, length: usize) {
        let message = message(length);
        bencher.bench_local(|| parsers::index::rsip(black_box(&message)));
    }

    #[divan::bench(args = MESSAGES)]
    fn rsipstack(bencher: Bencher<'_, '_>, length: usize) {
        let message = message(length);
        bencher.bench_local(|| parsers::index::rsipstack(black_box(&message)));
    }
}

#[divan::bench_group]
mod typed {
    use super::{Bencher, MESSAGES, black_box, message, parsers};

    #[divan::bench(args = MESSAGES)]
    fn attesta(bencher: Bencher<'_, '_>, length: usize) {
        let message = message(length);
        bencher.bench_local(|| parsers::typed::attesta(black_box(&message)));
    }

    #[divan::bench(args = MESSAGES)]
    fn rsip(bencher: Bencher<'_, '_>, length: usize) {
        let message = message(length);
        bencher.bench_local(|| parsers::typed::rsip(black_box(&message)));
    }

    #[divan::bench(args = MESSAGES)]
    fn rsipstack(bencher: Bencher<'_, '_>, length: usize) {
        let message = message(length);
        bencher.bench_local(|| parsers::typed::rsipstack(black_box(&message)));
    }
}

#[divan::bench_group]
mod print {
    use super::{Bencher, Limits, MESSAGES, Message, black_box, message, parsers};

    #[divan::bench(args = MESSAGES)]
    fn attesta(bencher: Bencher<'_, '_>, length: usize) {
        let message =
            Message::parse(message(length), &Limits::default()).expect("the message is well formed");
        let mut out = Vec::new();
        bencher.bench_local(|| parsers::print::attesta(black_box(&message), &mut out));
    }

    #[divan::bench(args = MESSAGES)]
    fn rsip(bencher: Bencher<'_, '_>, length: usize) {
        let message = rsip::SipMessage::try_from(&message(length)[..]).expect("the message is well formed");
        let mut out = Vec::new();
        bencher.bench_local(|| parsers::print::rsip(black_box(&message), &mut out));
    }

    #[divan::bench(args = MESSAGES)]
    fn rsipstack(bencher: Bencher<'_, '_>, length: usize) {
        let message =
            rsipstack::sip::SipMessage::try_from(&message(length)[..]).expect("the message is well formed");
        let mut out = Vec::new();
        bencher.bench_local(|| parsers::print::rsipstack(black_box(&message), &mut out));
    }
}
