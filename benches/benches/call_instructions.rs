//! Instructions of whole calls through a switchboard, without a network, beside the ceilings this project holds itself to.
//!
//! A call is an INVITE, 100, 180, 200, ACK, BYE and 200 on both sides, with the timers of its transactions. The two sides are
//! not counted. "own" is what is left without ring's signature or its verification.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use attesta_benches::callgrind;
use attesta_benches::calls::{Exchange, Kind, Meter};
use attesta_benches::sti::Fixture;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};

/// The most that each kind of call may take beside ring: 5 % above what it took before one table decided every crossing.
const CEILINGS: [(Kind, u64); 3] =
    [(Kind::Plain, 302_100), (Kind::Signed, 311_600), (Kind::Verified, 345_300)];

fn main() -> ExitCode {
    if let Some((words, rounds)) = callgrind::asked() {
        measured(&words, rounds);
        return ExitCode::SUCCESS;
    }
    if table() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the table; gives whether every ceiling holds.
#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn table() -> bool {
    // Runs that are compared need the same keys.
    let path = std::env::temp_dir().join(format!("attesta-call-bench-{}", std::process::id()));
    fs::write(&path, Fixture::new(1).to_text(1)).expect("a file for the fixture");
    let fixture = path.to_str().expect("a path in UTF-8");
    let instructions = |case: &str| callgrind::instructions_counted(&[case, fixture], 50);
    let mut holds = true;
    println!("{:<12}{:>14}{:>14}{:>14}", "a call", "instructions", "own", "at most");
    for (kind, ceiling) in CEILINGS {
        let count = instructions(kind.name());
        let own = count - ring(kind).map_or(0, instructions);
        println!("{:<12}{count:>14}{own:>14}{ceiling:>14}", kind.name());
        holds &= own <= ceiling;
    }
    // A file that stays behind among temporary ones does no harm.
    let _ = fs::remove_file(path);
    holds
}

/// What ring does in a call of this kind.
const fn ring(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Plain => None,
        Kind::Signed => Some("ring-sign"),
        Kind::Verified => Some("ring-verify"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement has to start at some instant")]
fn measured(words: &[String], rounds: u32) {
    let [case, fixture] = words else { unreachable!("a case and a fixture") };
    let text = fs::read_to_string(Path::new(fixture)).expect("the fixture");
    let fixture = Fixture::from_text(&text);
    let Some(kind) = Kind::named(case) else { return bare(case, &fixture, rounds) };
    let mut exchange = Exchange::new(Instant::now(), kind, &fixture, Counted);
    (0..rounds).for_each(|_| exchange.call());
    assert_eq!(exchange.live(), 0, "every call has ended");
}

/// ring alone, on the octets of the same call.
fn bare(case: &str, fixture: &Fixture, rounds: u32) {
    let provider = fixture.providers.first().expect("a provider");
    let (key, signed, signature) = provider.bare();
    let random = SystemRandom::new();
    let own =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &provider.pkcs8, &random).expect("a key");
    for _ in 0..rounds {
        callgrind::counted(|| {
            if case == "ring-sign" {
                black_box(own.sign(&random, black_box(&signed)).expect("a signature"));
            } else {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key);
                key.verify(black_box(&signed), &signature).expect("a valid signature");
            }
        });
    }
}

struct Counted;

impl Meter for Counted {
    fn around(&mut self, work: impl FnOnce()) {
        callgrind::counted(work);
    }
}
