//! The SIPp ring: the `attesta` binary seen from outside, over real sockets.
//!
//! A test enters the ring, starts edges ([`Edge`]), callers and callees ([`Sipp`]), a certificate repository
//! ([`Repository`]) and, where octets have to be changed in passing, a [`Relay`]. Every process started here is ended
//! by its own id when its value is dropped. Each test has addresses of its own in 127.0.0.0/8, so that tests run side
//! by side, and every port is one that was free a moment before.
//!
//! Where `sipp` is not installed [`Ring::enter`] says that the test skips; with `ATTESTA_REQUIRE_SIPP` set it panics.

mod binary;
mod check;
pub mod configuration;
mod edge;
mod messages;
mod metrics;
mod name_server;
mod pki;
mod relay;
mod repository;
mod sipp;
mod stunnel;
mod tls_authority;
mod wait;

pub use self::check::{Check, check_identities, sign_identities};
pub use self::edge::{Edge, Usage};
pub use self::messages::{Direction, Seen, read_log};
pub use self::metrics::Metrics;
pub use self::name_server::NameServer;
pub use self::pki::Pki;
pub use self::relay::{Relay, Way};
pub use self::repository::{Mood, Repository};
pub use self::sipp::{Report, Sipp, SippParty};
pub use self::stunnel::{Stunnel, StunnelEnd};
pub use self::tls_authority::TlsAuthority;
pub use self::wait::until;

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

/// One test's place: a directory of its own, which is kept when the test fails, and addresses of its own.
#[derive(Debug)]
pub struct Ring {
    directory: Option<tempfile::TempDir>,
    path: PathBuf,
    subnet: u8,
}

impl Ring {
    /// Enters the ring as the test named `test`, with the addresses 127.41.`subnet`.0/24. `None`: `sipp` is not
    /// installed, and the test skips.
    #[must_use]
    #[expect(clippy::panic, reason = "a test that cannot run fails where it is required")]
    pub fn enter(test: &str, subnet: u8) -> Option<Self> {
        if Command::new("sipp").arg("-v").output().is_err() {
            if std::env::var_os("ATTESTA_REQUIRE_SIPP").is_some() {
                panic!(
                    "{test}: ATTESTA_REQUIRE_SIPP is set and sipp is not installed (Debian: apt-get install sip-tester)"
                );
            }
            skips(test, "sipp is not installed");
            return None;
        }
        let directory = tempfile::Builder::new()
            .prefix(&format!("attesta-{test}-"))
            .tempdir()
            .expect("a temporary directory can be made");
        let path = directory.path().to_path_buf();
        Some(Self { directory: Some(directory), path, subnet })
    }

    /// The test's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.path
    }

    /// The test's `n`th address.
    #[must_use]
    pub fn host(&self, n: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 41, self.subnet, n)
    }

    /// The test's `n`th address with a port that is free now for UDP and TCP, for a process that binds it itself.
    ///
    /// The port is below the range from which the system assigns ports, so that no other socket gets it meanwhile.
    #[must_use]
    pub fn free(&self, n: u8) -> SocketAddr {
        self.bound(n).2
    }

    /// A TCP listener at the test's `n`th address, on a port that is free now for UDP too.
    ///
    /// A test must not bind a port of [`Ring::free`] itself. A process that another test starts holds a copy of every
    /// socket for a moment, so that a port is not always free right after its socket was closed.
    #[must_use]
    pub fn listener(&self, n: u8) -> TcpListener {
        self.bound(n).1
    }

    /// A UDP socket at the test's `n`th address, on a port that is free now for TCP too.
    #[must_use]
    pub fn socket(&self, n: u8) -> UdpSocket {
        self.bound(n).0
    }

    /// Sockets at the test's `n`th address that have one port, and their address.
    fn bound(&self, n: u8) -> (UdpSocket, TcpListener, SocketAddr) {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let of_this_process =
            u16::try_from(std::process::id() % u32::from(PORTS.len() as u16)).unwrap_or_default();
        let bind = |address: SocketAddr| {
            Some((UdpSocket::bind(address).ok()?, TcpListener::bind(address).ok()?, address))
        };
        PORTS
            .map(|_| {
                PORTS.start
                    + of_this_process.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS.len() as u16
            })
            .find_map(|port| bind(SocketAddr::from((self.host(n), port))))
            .expect("a loopback address has a free port")
    }
}

/// A port that is free now for UDP and TCP on the IPv6 loopback address; `None`: there is no such address here.
///
/// IPv6 has one loopback address, so that these are the ports that the system hands out.
#[must_use]
pub fn free_v6() -> Option<SocketAddr> {
    let address = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).ok()?.local_addr().ok()?;
    TcpListener::bind(address).ok().map(|_| address)
}

impl Drop for Ring {
    /// After a failure: keeps the directory and prints what the processes wrote.
    #[expect(clippy::print_stderr, reason = "the logs explain the failure")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        if let Some(directory) = self.directory.take() {
            let _ = directory.keep();
        }
        eprintln!("---- kept: {}", self.path.display());
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&self.path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        for file in files {
            if file.extension().is_some_and(|e| e == "log" || e == "err" || e == "toml") {
                eprintln!("---- {}", file.display());
                eprintln!("{}", ends(&String::from_utf8_lossy(&std::fs::read(&file).unwrap_or_default())));
            }
        }
    }
}

/// Whether `program`, which Debian has in `package`, runs with `arguments`; if not, the test named `test` skips.
///
/// # Panics
///
/// If it does not, and the tests of the ring are required.
#[must_use]
#[expect(clippy::panic, reason = "a test that cannot run fails where it is required")]
pub fn is_installed(test: &str, program: &str, arguments: &[&str], package: &str) -> bool {
    let runs = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !runs && std::env::var_os("ATTESTA_REQUIRE_SIPP").is_some() {
        panic!(
            "{test}: ATTESTA_REQUIRE_SIPP is set and {program} does not run (Debian: apt-get install {package})"
        );
    }
    if !runs {
        skips(test, &format!("{program} does not run (Debian: {package})"));
    }
    runs
}

/// Says that the test named `test` does not run, and why: not by a macro, since what those print, a test that passes
/// keeps to itself.
pub fn skips(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "{test}: skipped, {why}");
}

/// A long text's first and last lines.
fn ends(text: &str) -> String {
    const KEPT: usize = 60;
    let lines: Vec<&str> = text.lines().collect();
    match (
        lines.get(..KEPT),
        lines
            .len()
            .checked_sub(2 * KEPT)
            .and_then(|left_out| Some((left_out, lines.get(left_out + KEPT..)?))),
    ) {
        (Some(first), Some((left_out, last))) => {
            format!("{}\n[... {left_out} lines ...]\n{}", first.join("\n"), last.join("\n"))
        }
        _ => lines.join("\n"),
    }
}

/// The ports that tests choose from.
const PORTS: Range<u16> = 10_000..30_000;
