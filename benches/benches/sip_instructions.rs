//! Instructions of reading and printing, counted by callgrind, beside other parsers and the
//! ceilings this project holds itself to.

#![expect(clippy::panic, reason = "a measurement that cannot be taken stops the program")]

mod parsers;

use std::hint::black_box;
use std::process::ExitCode;

use attesta_benches::callgrind;
use attesta_sip::{Limits, Message};
use bytes::Bytes;

fn main() -> ExitCode {
    if let Some((words, rounds)) = callgrind::asked() {
        let [case, input] = &words[..] else { panic!("{words:?} is not a case and an input") };
        measured(case, input, rounds);
        return ExitCode::SUCCESS;
    }
    if table() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the table; gives whether every ceiling holds.
#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn table() -> bool {
    let mut holds = true;
    println!("{:<24}{:<20}{:>14}{:>14}", "message", "work", "instructions", "at most");
    for (input, _) in parsers::inputs() {
        let (httparse, index) = (instructions("index/httparse", input), instructions("index/attesta", input));
        for case in CASES {
            let count = instructions(case, input);
            let ceiling = match *case {
                "index/attesta" => Some(httparse * 3 / 2),
                // The row is of the whole work; the ceiling is for the values.
                "typed/attesta" => Some(index + 15_000),
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
    holds && per_octet <= 1.5
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

/// What one round of a case takes.
fn instructions(case: &str, input: &str) -> u64 {
    callgrind::instructions(&[case, input], 100)
}

fn measured(case: &str, input: &str, rounds: u32) {
    if case == "long/attesta" {
        let message = long_value(input.parse().expect("a length"));
        return repeat(rounds, || parsers::index::attesta(black_box(&message)));
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

/// A request with one value of this length.
fn long_value(length: usize) -> Bytes {
    let value = "v".repeat(length);
    format!("OPTIONS sip:a SIP/2.0\r\nSubject: {value}\r\nContent-Length: 0\r\n\r\n").into()
}
