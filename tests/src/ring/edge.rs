//! Processes that run `attesta run`.

use super::Ring;
use super::binary::attesta;
use super::metrics::{Metrics, get};
use super::wait::until;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running edge. Drop kills the process.
#[derive(Debug)]
pub struct Edge {
    child: Child,
    listeners: Vec<(String, SocketAddr)>,
    admin: SocketAddr,
    standard_output: PathBuf,
}

impl Edge {
    /// Starts `attesta run` with `config` and with an admin listener on the test's address `host`. Waits for the ready lines.
    #[must_use]
    pub fn start(ring: &Ring, name: &str, host: u8, config: &str) -> Self {
        Self::launch(ring, name, host, config, None)
    }

    /// Starts `attesta run` like [`Self::start`], and pins the process to one processor core.
    #[must_use]
    pub fn start_on_core(ring: &Ring, name: &str, host: u8, config: &str, core: usize) -> Self {
        Self::launch(ring, name, host, config, Some(core))
    }

    /// Starts `attesta run` without a configuration. The edge uses the embedded default with its fixed ports.
    #[must_use]
    pub fn start_default(ring: &Ring, name: &str) -> Self {
        let mut command = Command::new(attesta());
        command.arg("run");
        Self::ready(ring, name, command, SocketAddr::from(([127, 0, 0, 1], 8060)))
    }

    /// Returns the address of the UDP listener for SIP.
    #[must_use]
    pub fn udp(&self) -> SocketAddr {
        self.listener("udp")
    }

    /// Returns the address of the TCP listener for SIP.
    #[must_use]
    pub fn tcp(&self) -> SocketAddr {
        self.listener("tcp")
    }

    fn listener(&self, wanted: &str) -> SocketAddr {
        let found = self.listeners.iter().find(|(transport, _)| transport == wanted);
        found.expect("the configuration has such a listener").1
    }

    /// Returns the address of the SIP listener for `transport`, a transport name from the ready lines.
    #[must_use]
    pub fn address(&self, transport: &str) -> SocketAddr {
        self.listener(transport)
    }

    /// Returns the process id of the edge.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads the current counters and gauges.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        until(Duration::from_secs(10), "/metrics answers", || Metrics::read(self.admin))
    }

    /// Returns true if `/health` answers with 200.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        get(self.admin, "/health").is_some()
    }

    /// Waits until no call and no dialog is live. Their transactions may still absorb late messages for 32 s.
    pub fn wait_until_no_calls(&self, limit: Duration) {
        until(limit, "calls and dialogs end", || {
            let [calls, dialogs, _] = self.metrics().live();
            (calls == 0.0 && dialogs == 0.0).then_some(())
        });
    }

    /// Waits until no call, dialog or transaction is live.
    pub fn wait_until_idle(&self, limit: Duration) {
        let metrics = self.metrics();
        for name in ["attesta_calls_live", "attesta_dialogs_live", "attesta_transactions_live"] {
            assert!(metrics.has(name), "/metrics has no {name}");
        }
        let mut last = [f64::NAN; 3];
        let limit_text =
            format!("calls, dialogs and transactions of {} all end", self.standard_output.display());
        until(limit, &limit_text, || {
            last = Metrics::read(self.admin)?.live();
            last.iter().all(|&live| live == 0.0).then_some(())
        });
    }

    /// Asserts that the process still runs.
    pub fn assert_alive(&mut self) {
        let exit = self.child.try_wait().expect("a child can be waited for");
        assert!(exit.is_none(), "the edge has ended: {exit:?}");
    }

    /// Returns the resources that the process has used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage::read(self.child.id())
    }

    fn launch(ring: &Ring, name: &str, host: u8, config: &str, core: Option<usize>) -> Self {
        let admin = ring.free(host);
        let file = ring.directory().join(format!("{name}.toml"));
        std::fs::write(&file, format!("{config}\n[admin]\nlisten = \"{admin}\"\n"))
            .expect("the test's directory can be written");
        let mut command = core.map_or_else(
            || Command::new(attesta()),
            |core| {
                let mut pinned = Command::new("taskset");
                pinned.args(["-c", &core.to_string()]).arg(attesta());
                pinned
            },
        );
        command.arg("run").arg("--config").arg(&file);
        Self::ready(ring, name, command, admin)
    }

    fn ready(ring: &Ring, name: &str, mut command: Command, admin: SocketAddr) -> Self {
        let standard_output = ring.directory().join(format!("{name}.out.log"));
        let output = std::fs::File::create(&standard_output).expect("the test's directory can be written");
        let complaints = std::fs::File::create(ring.directory().join(format!("{name}.log")))
            .expect("the test's directory can be written");
        let child = command
            .current_dir(ring.directory())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(complaints)
            .spawn()
            .expect("attesta starts");
        let mut edge = Self { child, listeners: Vec::new(), admin, standard_output };
        until(START, &format!("edge {name} is ready"), || {
            edge.assert_alive();
            edge.read_ready_lines()
        });
        edge
    }

    /// Reads `ready TRANSPORT ADDRESS` lines until a line consists of `ready` alone.
    fn read_ready_lines(&mut self) -> Option<()> {
        let output = BufReader::new(std::fs::File::open(&self.standard_output).ok()?);
        let mut listeners = Vec::new();
        for line in output.lines().map_while(Result::ok) {
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some("ready"), None, None) => {
                    self.listeners = listeners;
                    return Some(());
                }
                (Some("ready"), Some(transport), Some(address)) => {
                    if let Ok(address) = address.parse() {
                        listeners.push((transport.to_owned(), address));
                    }
                }
                _ => {}
            }
        }
        None
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The resources that a process has used so far, from `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// Current resident memory, in KiB.
    pub resident: u64,
    /// Highest resident memory so far, in KiB.
    pub peak: u64,
}

impl Usage {
    fn read(id: u32) -> Self {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The command name, in parentheses, may contain spaces. So fields are counted after the closing parenthesis (state is
        // field 3).
        let after: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
        let ticks = |field: usize| {
            after.get(field - 3).and_then(|value| value.parse::<u64>().ok()).unwrap_or_default()
        };
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_ascii_whitespace().next().and_then(|value| value.parse().ok()).unwrap_or_default()
        };
        Self {
            user: Duration::from_millis(ticks(14) * TICK),
            system: Duration::from_millis(ticks(15) * TICK),
            resident: kib("VmRSS:"),
            peak: kib("VmHWM:"),
        }
    }
}

/// The time limit for the start of an edge on a loaded machine.
const START: Duration = Duration::from_secs(30);

/// A clock tick of `/proc/PID/stat` in ms: USER_HZ is 100 on every Linux that Rust supports.
const TICK: u64 = 10;
