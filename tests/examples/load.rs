//! Measures the cost of a call, with SIPp callers and callees on one core and a signing edge on another core.
//!
//! `just load [CALLS] [RATE] [sign|verify]`: the number of calls, the calls per second, and the measured edge. With `sign` one
//! edge signs. With `verify` a second edge verifies the signed calls, and only this edge is measured. The program uses only
//! loopback and has a limit on calls and on time.

use attesta_tests::ring::{Edge, Mood, Pki, Repository, Ring, Sipp, Usage, configuration};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[expect(clippy::print_stdout, reason = "the program prints figures")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let calls: u32 = arguments.next().map_or(20_000, |text| text.parse().expect("CALLS is a number"));
    let rate: u32 = arguments.next().map_or(500, |text| text.parse().expect("RATE is a number"));
    let verifies = arguments.next().is_some_and(|word| word == "verify");
    let Some(ring) = Ring::enter("load", 250) else { return };
    let limit = Duration::from_secs(u64::from(calls / rate.max(1)) + 60);

    let pki = Pki::new(&ring, "pki");
    let repository = Repository::start(ring.host(4), pki.chain_octets(), Mood::Serves);
    let there = ring.free(3);
    let (edge, _before) = edges(&ring, &pki, &repository, there, verifies);
    let entry = _before.as_ref().unwrap_or(&edge).udp();

    let mut callee =
        Sipp::callee("callee_answers", there).calls(calls, rate).quiet().on_core(CLIENT_CORE).start(&ring);
    let at_start = edge.usage();
    let profile = Profile::start(&ring, edge.id());
    let mut caller = Sipp::caller("caller_hangs_up", ring.free(2), entry)
        .calls(calls, rate)
        .pause(Duration::from_millis(1000))
        .quiet()
        .on_core(CLIENT_CORE)
        .start(&ring);
    let (heard, said) = (caller.finish(limit), callee.finish(limit));
    let used = edge.usage();
    let shares = profile.finish();

    println!("{} edge, one core of {}", if verifies { "verifying" } else { "signing" }, cores());
    println!(
        "calls                {calls} at {rate}/s offered, {:.0}/s done, {} failed",
        f64::from(calls) / heard.seconds,
        heard.failed + said.failed
    );
    println!("retransmissions      caller {}, callee {}", heard.retransmissions, said.retransmissions);
    print_usage(calls, at_start, used);
    for (part, share) in shares {
        println!("  {part:<18} {:>5.1} % of the processor time", share * 100.0);
    }
}

/// Returns the measured edge, and the edge before it if there is one.
fn edges(
    ring: &Ring,
    pki: &Pki,
    repository: &Repository,
    there: std::net::SocketAddr,
    verifies: bool,
) -> (Edge, Option<Edge>) {
    if !verifies {
        let config = configuration::signing(ring, 1, pki, repository, ring.host(2), there) + &log();
        return (Edge::start_on_core(ring, "edge", 1, &config, SERVER_CORE), None);
    }
    let config = configuration::verifying(ring, 6, pki, repository, ring.host(1), there, "") + &log();
    let verifying = Edge::start_on_core(ring, "verifying", 6, &config, SERVER_CORE);
    let config = configuration::signing(ring, 1, pki, repository, ring.host(2), verifying.udp()) + &log();
    let signing = Edge::start_on_core(ring, "signing", 1, &config, CLIENT_CORE);
    (verifying, Some(signing))
}

/// Returns the log level of the edge: `ATTESTA_LOAD_LOG`, or warnings by default. At `info` the edge logs lines for each call.
fn log() -> String {
    let level = std::env::var("ATTESTA_LOAD_LOG").unwrap_or_else(|_| "warn".to_owned());
    format!("\n[log]\nlevel = \"{level}\"\n")
}

#[expect(clippy::print_stdout, reason = "the program prints figures")]
fn print_usage(calls: u32, before: Usage, after: Usage) {
    let (user, system) = (after.user - before.user, after.system - before.system);
    let total = user + system;
    let per_call = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(calls);
    println!(
        "processor time       {:.0} us per call: {:.0} user, {:.0} system",
        per_call(total),
        per_call(user),
        per_call(system)
    );
    println!("one core would do    {:.0} calls/s", 1e6 / per_call(total));
    println!(
        "memory               {:.1} MiB now, {:.1} MiB at most, {:.1} MiB before the first call",
        mib(after.resident),
        mib(after.peak),
        mib(before.resident)
    );
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A running `perf record`, if `perf` works on this machine.
struct Profile {
    perf: Option<Child>,
    file: std::path::PathBuf,
}

impl Profile {
    fn start(ring: &Ring, id: u32) -> Self {
        let file = ring.directory().join("perf.data");
        let perf = Command::new("perf")
            .args(["record", "--quiet", "-e", "cpu-clock", "-F", "499", "-p", &id.to_string(), "-o"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok();
        Self { perf, file }
    }

    /// Returns the share of each part in the samples. The list is empty without `perf`.
    fn finish(self) -> Vec<(&'static str, f64)> {
        let Some(mut perf) = self.perf else { return Vec::new() };
        // perf writes its file when it receives SIGINT.
        let _ = Command::new("kill").args(["-INT", &perf.id().to_string()]).status();
        let _ = perf.wait();
        let listing = Command::new("perf")
            .args(["script", "-F", "ip,sym,dso", "-i"])
            .arg(&self.file)
            .stderr(Stdio::null())
            .output();
        let text =
            listing.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for sample in text.lines().filter(|line| !line.trim().is_empty()) {
            *counts.entry(part_of(sample)).or_default() += 1;
        }
        let all: usize = counts.values().sum();
        let mut shares: Vec<_> =
            counts.into_iter().map(|(part, count)| (part, count as f64 / all.max(1) as f64)).collect();
        shares.sort_by(|one, other| other.1.total_cmp(&one.1));
        shares
    }
}

/// Returns the part of the work to which a sample (`address symbol (file)`) belongs.
fn part_of(sample: &str) -> &'static str {
    let holds = |words: &[&str]| words.iter().any(|word| sample.contains(word));
    if holds(&["[kernel", "[guest", "[vdso", "[unknown] ([unknown])"]) {
        "system calls"
    } else if holds(&[
        "ring_core",
        "ring::",
        "p256",
        "ecp_nistz",
        "sha256",
        "bn_mul",
        "bn_sqr",
        "LIMBS_",
        "limbs",
        "fiat_",
    ]) {
        "crypto (ring)"
    } else if holds(&["attesta_sip"]) {
        "attesta-sip"
    } else if holds(&["attesta_transaction"]) {
        "attesta-transaction"
    } else if holds(&["attesta_b2bua"]) {
        "attesta-b2bua"
    } else if holds(&["attesta_stir"]) {
        "attesta-stir"
    } else if holds(&["attesta_net"]) {
        "attesta-net"
    } else if holds(&["libc", "malloc", "memcpy", "memmove", "alloc::"]) {
        "libc (memory)"
    } else if holds(&["tokio", "mio::", "socket2"]) {
        "tokio"
    } else {
        "other"
    }
}

const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;
