//! Measures signing and verifying, and compares them with ring's operations alone on the same octets: `cargo bench --bench
//! stir`.
//!
//! The program prints one table: median nanoseconds, allocations, and the multiple of ring's time. Each operation alternates
//! with ring's operation in the same run.
//!
//! If valgrind is installed, the table also shows instructions. The program runs itself under valgrind with few rounds and with
//! more rounds. The difference divided by the number of additional rounds is the cost of one operation. The table marks an
//! operation whose instructions without ring's exceed the limit. If `ATTESTA_REQUIRE_LIMITS` is set, an exceeded limit or an
//! allocation on a warm path is a failure.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement may stop, and its table is its purpose"
)]

mod operations;

use std::process::{Command, ExitCode};
use std::time::Instant;

use attesta_benches::sti::Fixture;
use operations::{Bench, Floor, PROVIDERS, Row};

#[global_allocator]
static ALLOCATIONS: dhat::Alloc = dhat::Alloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, name, rounds, fixture] = arguments.as_slice()
        && flag == "--rounds"
    {
        let fixture = std::fs::read_to_string(fixture).expect("the fixture");
        let bench = Bench::new(Fixture::from_text(&fixture));
        let mut operation = bench.operation(name).expect("a known operation");
        for _ in 0..rounds.parse().expect("a number") {
            operation();
        }
        return ExitCode::SUCCESS;
    }
    table()
}

fn table() -> ExitCode {
    println!("{}", heading());
    println!(
        "{:<28}{:>12}{:>13}{:>9}{:>14}{:>10}{:>8}",
        "operation", "ns", "allocations", "x ring", "instructions", "own", "at most"
    );
    let bench = Bench::new(Fixture::new(PROVIDERS));
    let mut counts = Counts::new(bench.fixture());
    let mut held = true;
    for row in operations::ROWS {
        let (nanoseconds, floor) = compare(&bench, row.name, row.floor);
        let ratio = floor.map_or_else(|| "-".to_owned(), |floor| format!("{:.3}", nanoseconds / floor));
        let (instructions, own) = counts.of(row);
        let over = matches!((own, row.limit), (Some(own), Some(limit)) if own > limit);
        let allocated = allocations(&bench, row.name);
        held &= !(over || (row.warm && allocated > 0));
        println!(
            "{:<28}{nanoseconds:>12.0}{allocated:>13}{ratio:>9}{:>14}{:>10}{:>8}{}",
            row.name,
            shown(instructions),
            shown(own),
            shown(row.limit),
            if over { "  over" } else { "" }
        );
    }
    println!(
        "jsonwebtoken decodes, checks alg, iat's type and the signature; it knows no dest, no x5u and no certificate."
    );
    let required = std::env::var_os("ATTESTA_REQUIRE_LIMITS").is_some();
    if held || !required { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn shown(value: Option<i64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Returns CPU, compiler and commit.
fn heading() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown CPU");
    let answer = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let compiler = answer("rustc", &["--version"]).unwrap_or_default();
    let commit = answer("git", &["describe", "--always", "--dirty"]).unwrap_or_default();
    format!("{} | {compiler} | {commit}", cpu.trim_start_matches(['\t', ' ', ':']))
}

/// Returns the medians of an operation and of its floor. The two alternate during the measurement.
fn compare(bench: &Bench, name: &str, floor: Option<Floor>) -> (f64, Option<f64>) {
    let mut operation = bench.operation(name).expect("a known operation");
    let mut bare = floor.map(|floor| bench.floor(floor));
    let (mut own, mut rings) = (Vec::new(), Vec::new());
    operation();
    for _ in 0..ROUNDS {
        if let Some(bare) = &mut bare {
            rings.push(time(bare));
        }
        own.push(time(&mut operation));
    }
    (median(own), bare.map(|_| median(rings)))
}

const ROUNDS: usize = 300;
const PER_ROUND: u32 = 20;

#[expect(clippy::disallowed_methods, reason = "wall time is what is measured")]
fn time(operation: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..PER_ROUND {
        operation();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(PER_ROUND)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Returns the allocations of one warm run.
fn allocations(bench: &Bench, name: &str) -> u64 {
    let mut operation = bench.operation(name).expect("a known operation");
    operation();
    let _profiler = dhat::Profiler::builder().testing().build();
    operation();
    dhat::HeapStats::get().total_blocks
}

/// Counts instructions with cachegrind, if valgrind is installed. The operations of the floors come first in the table.
struct Counts {
    folder: std::path::PathBuf,
    floors: Vec<(&'static str, i64)>,
}

impl Counts {
    fn new(fixture: &Fixture) -> Self {
        let folder = std::env::temp_dir().join(format!("attesta-bench-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder for the fixtures");
        for providers in [1, PROVIDERS] {
            let text = fixture.to_text(providers);
            std::fs::write(folder.join(providers.to_string()), text).expect("a file for the fixture");
        }
        Self { folder, floors: Vec::new() }
    }

    /// Returns the instructions of an operation, with and without the instructions of its floor.
    fn of(&mut self, row: &Row) -> (Option<i64>, Option<i64>) {
        let Some(whole) = self.per_operation(row) else { return (None, None) };
        self.floors.push((row.name, whole));
        let ring = row.floor.and_then(|floor| self.floors.iter().find(|(name, _)| *name == floor.name()));
        (Some(whole), ring.map(|(_, ring)| whole - ring))
    }

    fn per_operation(&self, row: &Row) -> Option<i64> {
        const FEW: i64 = 10;
        const MORE: i64 = 210;
        std::thread::scope(|scope| {
            let [few, more] = [FEW, MORE].map(|rounds| scope.spawn(move || self.executed(row, rounds)));
            let count = |run: std::thread::ScopedJoinHandle<'_, Option<i64>>| run.join().ok().flatten();
            Some((count(more)? - count(few)?) / (MORE - FEW))
        })
    }

    /// Returns the instructions of a whole run.
    fn executed(&self, row: &Row, rounds: i64) -> Option<i64> {
        let output = Command::new("valgrind")
            .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args(["--rounds", row.name, &rounds.to_string()])
            .arg(self.folder.join(row.providers.to_string()))
            .output()
            .ok()?;
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        let count = report.lines().find_map(|line| line.split_once("refs:"))?.1.trim().replace(',', "");
        count.parse().ok()
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        // An error is ignored: a leftover temporary folder does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
