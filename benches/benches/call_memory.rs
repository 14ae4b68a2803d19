//! Allocations of whole calls through a switchboard, and the memory of calls that are held, beside the ceilings this project
//! holds itself to: `cargo bench --bench call_memory`.

use std::process::ExitCode;
use std::time::Instant;

use attesta_benches::calls::{Exchange, Kind, Meter};
use attesta_benches::sti::Fixture;
use dhat::{HeapStats, Profiler};

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// Calls over which allocations are averaged.
const CALLS: u64 = 100;
/// Calls that are held at once.
const HELD: usize = 4_000;
/// Calls that begin at once: few, so that the tables of transactions stay small beside the calls.
const AT_ONCE: usize = 40;

/// At most: allocations of a call, octets that they take, and octets that a held call keeps. Each is 3 % above what it was when
/// the ceiling was set.
const CEILINGS: [(Kind, [u64; 3]); 3] = [
    (Kind::Plain, [156, 24_250, 4_410]),
    (Kind::Signed, [160, 25_400, 4_410]),
    (Kind::Verified, [172, 25_750, 4_410]),
];

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn main() -> ExitCode {
    let _profiler = Profiler::builder().testing().build();
    let fixture = Fixture::new(1);
    let mut holds = true;
    println!("{:<12}{:<28}{:>14}{:>14}", "a call", "what", "measured", "at most");
    for (kind, ceilings) in CEILINGS {
        let (allocations, octets) = allocated(kind, &fixture);
        let measured = [allocations, octets, held(kind, &fixture)];
        let names = ["allocations", "octets allocated", "octets kept while it is held"];
        for ((name, count), ceiling) in names.into_iter().zip(measured).zip(ceilings) {
            println!("{:<12}{name:<28}{count:>14}{ceiling:>14}", kind.name());
            holds &= count <= ceiling;
        }
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How often a whole call allocates, and how much.
fn allocated(kind: Kind, fixture: &Fixture) -> (u64, u64) {
    let mut exchange = exchange(kind, fixture);
    let before = *exchange.meter();
    (0..CALLS).for_each(|_| exchange.call());
    let after = exchange.meter();
    ((after.blocks - before.blocks) / CALLS, (after.octets - before.octets) / CALLS)
}

/// What a call keeps once its INVITE transactions are over.
fn held(kind: Kind, fixture: &Fixture) -> u64 {
    let mut exchange = exchange(kind, fixture);
    let before = HeapStats::get().curr_bytes;
    for _ in 0..HELD / AT_ONCE {
        // The caller and the callee keep nothing.
        (0..AT_ONCE).for_each(|_| drop(exchange.hold()));
        exchange.rest();
    }
    assert_eq!(exchange.live(), HELD as u64, "every call is held");
    ((HeapStats::get().curr_bytes - before) / HELD) as u64
}

#[expect(clippy::disallowed_methods, reason = "a measurement has to start at some instant")]
fn exchange(kind: Kind, fixture: &Fixture) -> Exchange<Allocated> {
    Exchange::new(Instant::now(), kind, fixture, Allocated::default())
}

/// What the switchboard allocated.
#[derive(Clone, Copy, Default)]
struct Allocated {
    blocks: u64,
    octets: u64,
}

impl Meter for Allocated {
    fn around(&mut self, work: impl FnOnce()) {
        let before = HeapStats::get();
        work();
        let after = HeapStats::get();
        self.blocks += after.total_blocks - before.total_blocks;
        self.octets += after.total_bytes - before.total_bytes;
    }
}
