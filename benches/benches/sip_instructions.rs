//! Counts the instructions of reading and printing with callgrind, and compares them with other parsers and with this project's
//! ceilings.

#![expect(clippy::panic, reason = "a measurement that cannot be taken stops the program")]

mod parsers;

use std::hint::black_box;
use std::process::ExitCode;

use attesta_benches::callgrind;
use attesta_sip::{Limits, Message, Name, Rules};
use bytes::Bytes;

fn main() -> ExitCode {
    if let Some((words, rounds)) = callgrind::asked() {
        let [case, input] = &words[..] else { panic!("{words:?} is not a case and an input") };
        measured(case, input, rounds);
        return ExitCode::SUCCESS;
    }
    if table() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the table. Returns true if no count exceeds its ceiling.
#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn table() -> bool {
    let mut holds = true;
    println!("{:<24}{:<20}{:>14}{:>14}", "message", "work", "instructions", "at most");
    for (input, _) in parsers::inputs() {
        let httparse = instructions("index/httparse", input);
        for case in CASES {
            let count = instructions(case, input);
            let ceiling = match *case {
                "index/attesta" => Some(httparse * 3 / 2),
                // This case covers the index and the values.
                "typed/attesta" => Some(15_000),
                "print/attesta" => Some(2_600),
                _ => None,
            };
            let shown = ceiling.map_or(String::new(), |ceiling| ceiling.to_string());
            println!("{input:<24}{case:<20}{count:>14}{shown:>14}");
            holds &= ceiling.is_none_or(|ceiling| count <= ceiling);
        }
    }
    let (short, long) = (instructions("long/attesta", "1000"), instructions("long/attesta", "11000"));
    let per_octet = (long - short) as f64 / 10_000.0;
    println!("{:<24}{:<20}{per_octet:>14.3}{:>14}", "a long value", "index, per octet", 1.5);
    holds & (per_octet <= 1.5) & growth()
}

/// Prints how the work grows when a hostile message doubles in size. Returns true if the growth is linear.
#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn growth() -> bool {
    let mut linear = true;
    println!("{:<24}{:<20}{:>14}{:>14}", "twice as many", "work", "times as much", "at most");
    for shape in SHAPES {
        let (one, two) = (instructions(shape, "200"), instructions(shape, "400"));
        let times = two as f64 / one as f64;
        println!("{:<24}{:<20}{times:>14.2}{:>14}", shape.trim_start_matches("hostile/"), "all of it", 2.3);
        linear &= times <= 2.3;
    }
    linear
}

const SHAPES: &[&str] = &[
    "hostile/headers",
    "hostile/params",
    "hostile/commas",
    "hostile/quotes",
    "hostile/vias",
    "hostile/angles",
    "hostile/folds",
];

/// Returns a request in which the element named by `shape` occurs `times` times.
fn hostile(shape: &str, times: usize) -> Bytes {
    let lines = match shape {
        "hostile/headers" => "X-Line: value\r\n".repeat(times),
        "hostile/params" => format!("Contact: <sip:a{}>{}\r\n", ";p=1".repeat(times), ";q=1".repeat(times)),
        "hostile/commas" => format!("Route: <sip:a>{}\r\n", ",<sip:a>".repeat(times)),
        "hostile/quotes" => format!("Contact: \"{}\" <sip:a>\r\n", "\\\"".repeat(times * 10)),
        "hostile/vias" => "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n".repeat(times),
        "hostile/angles" => format!("Contact: {}\r\n", ",<".repeat(times * 10)),
        "hostile/folds" => format!("Subject: a{}\r\n", "\r\n b".repeat(times)),
        other => panic!("{other} is not a shape"),
    };
    let usual = "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS";
    format!("OPTIONS sip:a SIP/2.0\r\n{lines}{usual}\r\nContent-Length: 0\r\n\r\n").into()
}

/// Reads, checks, splits and prints a message.
fn everything(octets: &Bytes) -> usize {
    let limits = Limits::default().headers(usize::MAX).params(usize::MAX);
    let Ok(mut message) = Message::parse(octets.clone(), &limits) else { return 0 };
    let fault = Rules::default().limits(&limits).check(&message).is_err();
    let values: usize = Name::ALL.iter().map(|name| message.headers().values(*name).count()).sum();
    message.headers_mut().set(Name::MaxForwards, "69");
    values + message.to_bytes().len() + usize::from(fault)
}

const CASES: &[&str] = &[
    "index/attesta",
    "index/httparse",
    "index/rsip",
    "index/rsipstack",
    "typed/attesta",
    "typed/rsip",
    "typed/rsipstack",
    "print/attesta",
    "print/rsip",
    "print/rsipstack",
];

/// Returns the instructions of one round of a case.
fn instructions(case: &str, input: &str) -> u64 {
    callgrind::instructions(&[case, input], 100)
}

fn measured(case: &str, input: &str, rounds: u32) {
    if case == "long/attesta" {
        let message = long_value(input.parse().expect("a length"));
        return repeat(rounds, || parsers::index::attesta(black_box(&message)));
    }
    if case.starts_with("hostile/") {
        let message = hostile(case, input.parse().expect("a count"));
        return repeat(rounds, || everything(black_box(&message)));
    }
    let message = parsers::inputs().into_iter().find(|(name, _)| *name == input).expect("a known input").1;
    let mut out = Vec::new();
    match case {
        "index/attesta" => repeat(rounds, || parsers::index::attesta(black_box(&message))),
        "index/httparse" => repeat(rounds, || parsers::index::httparse(black_box(&message))),
        "index/rsip" => repeat(rounds, || parsers::index::rsip(black_box(&message))),
        "index/rsipstack" => repeat(rounds, || parsers::index::rsipstack(black_box(&message))),
        "typed/attesta" => repeat(rounds, || parsers::typed::attesta(black_box(&message))),
        "typed/rsip" => repeat(rounds, || parsers::typed::rsip(black_box(&message))),
        "typed/rsipstack" => repeat(rounds, || parsers::typed::rsipstack(black_box(&message))),
        "print/attesta" => {
            let message = Message::parse(message, &Limits::default()).expect("the message is well formed");
            repeat(rounds, || parsers::print::attesta(black_box(&message), &mut out));
        }
        "print/rsip" => {
            let message = rsip::SipMessage::try_from(&message[..]).expect("the message is well formed");
            repeat(rounds, || parsers::print::rsip(black_box(&message), &mut out));
        }
        "print/rsipstack" => {
            let message =
                rsipstack::sip::SipMessage::try_from(&message[..]).expect("the message is well formed");
            repeat(rounds, || parsers::print::rsipstack(black_box(&message), &mut out));
        }
        other => panic!("{other} is not a case"),
    }
}

fn repeat(rounds: u32, mut work: impl FnMut() -> usize) {
    for _ in 0..rounds {
        assert!(black_box(work()) > 0, "the work was done");
    }
}

/// Returns a request with one header value of this length.
fn long_value(length: usize) -> Bytes {
    let value = "v".repeat(length);
    format!("OPTIONS sip:a SIP/2.0\r\nSubject: {value}\r\nContent-Length: 0\r\n\r\n").into()
}
