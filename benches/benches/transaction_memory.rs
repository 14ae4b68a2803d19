//! Measures the memory of 100,000 transactions, compared with the octets of their messages and with this project's ceiling:
//! `cargo bench --bench transaction_memory`.

use std::process::ExitCode;
use std::time::Instant;

use attesta_benches::transactions::Crowd;
use attesta_sip::Status;
use dhat::{HeapStats, Profiler};

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

const LIVE: usize = 100_000;
/// The most octets that a transaction may take in addition to its message.
const MOST: usize = 850;

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
#[expect(clippy::disallowed_methods, reason = "a measurement has to start at some instant")]
fn main() -> ExitCode {
    let _profiler = Profiler::builder().testing().build();
    let now = Instant::now();
    let mut holds = true;
    println!("{:<44}{:>14}{:>14}", "octets of each of 100,000 transactions", "octets", "at most");
    let mut row = |name: &str, crowd: &dyn Fn() -> Crowd| {
        let before = HeapStats::get().curr_bytes;
        let crowd = crowd();
        let taken = HeapStats::get().curr_bytes - before - crowd.messages();
        let each = taken / LIVE;
        println!("{name:<44}{each:>14}{MOST:>14}");
        holds &= each <= MOST && crowd.live() == LIVE as u64;
    };
    row("INVITE client, Calling", &|| Crowd::calling(now, LIVE));
    row("INVITE client, Accepted", &|| Crowd::answered(now, LIVE, Status::OK));
    row("INVITE client, Completed", &|| Crowd::answered(now, LIVE, Status::BUSY_HERE));
    row("INVITE server, Proceeding", &|| Crowd::called(now, LIVE, Status::RINGING));
    row("INVITE server, Accepted", &|| Crowd::called(now, LIVE, Status::OK));
    row("INVITE server, Completed", &|| Crowd::called(now, LIVE, Status::BUSY_HERE));
    row("OPTIONS client, Trying, with its message", &|| Crowd::idle(now, LIVE));
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
