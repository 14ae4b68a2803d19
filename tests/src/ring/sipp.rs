//! SIPp processes and their reports.

use super::Ring;
use super::messages::{Direction, Seen, read_log};
use super::wait::until;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The command for a SIPp process: a scenario of `tests/sipp` and its settings.
#[derive(Clone, Debug)]
pub struct Sipp {
    scenario: &'static str,
    local: SocketAddr,
    remote: Option<SocketAddr>,
    caller: String,
    called: String,
    target: Option<SocketAddr>,
    calls: u32,
    rate: u32,
    pause: Duration,
    messages: bool,
    core: Option<usize>,
    fields: Option<PathBuf>,
    transport: &'static str,
    padding: usize,
}

impl Sipp {
    /// A callee that runs `scenario` for calls to `local`.
    #[must_use]
    pub fn callee(scenario: &'static str, local: SocketAddr) -> Self {
        Self {
            scenario,
            local,
            remote: None,
            caller: "+12155550111".to_owned(),
            called: "+12025550143".to_owned(),
            target: None,
            calls: 1,
            rate: 10,
            pause: Duration::ZERO,
            messages: true,
            core: None,
            fields: None,
            transport: "u1",
            padding: 1,
        }
    }

    /// A caller that runs `scenario` from `local` and sends to `remote`.
    #[must_use]
    pub fn caller(scenario: &'static str, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { remote: Some(remote), ..Self::callee(scenario, local) }
    }

    /// Sets the numbers of the caller and of the callee. Default: +12155550111 and +12025550143.
    #[must_use]
    pub fn numbers(mut self, caller: &str, called: &str) -> Self {
        caller.clone_into(&mut self.caller);
        called.clone_into(&mut self.called);
        self
    }

    /// Sets the host and port of the Request-URI. Default: the address that the caller sends to.
    #[must_use]
    pub fn target(mut self, target: SocketAddr) -> Self {
        self.target = Some(target);
        self
    }

    /// Sets the number of calls and the calls per second. Default: one call.
    #[must_use]
    pub fn calls(mut self, calls: u32, rate: u32) -> Self {
        (self.calls, self.rate) = (calls, rate);
        self
    }

    /// Sets the length of the scenario's pauses. Default: no pause.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Turns off the message log. Used under load.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.messages = false;
        self
    }

    /// Makes the INVITEs larger by this many octets.
    #[must_use]
    pub fn padded(mut self, octets: usize) -> Self {
        self.padding = octets;
        self
    }

    /// Uses one TCP connection for all calls.
    #[must_use]
    pub fn over_tcp(mut self) -> Self {
        self.transport = "t1";
        self
    }

    /// Uses a TCP connection for each call.
    #[must_use]
    pub fn over_tcp_per_call(mut self) -> Self {
        self.transport = "tn";
        self
    }

    /// Pins the process to one processor core.
    #[must_use]
    pub fn on_core(mut self, core: usize) -> Self {
        self.core = Some(core);
        self
    }

    /// Sets the file with the fields of the scenario. It has one line for each call.
    #[must_use]
    pub fn fields(mut self, file: PathBuf) -> Self {
        self.fields = Some(file);
        self
    }

    /// Starts the process. When this function returns, a callee is ready for calls.
    #[must_use]
    pub fn start(self, ring: &Ring) -> SippParty {
        let side = if self.remote.is_some() { "caller" } else { "callee" };
        // The name has no dots, because SIPp takes the text after the last dot as a file extension.
        let place = self.local.to_string().replace(['.', ':'], "-");
        let stem = ring.directory().join(format!("sipp-{side}-{}-{place}", self.scenario));
        let mut command = self.core.map_or_else(
            || Command::new("sipp"),
            |core| {
                let mut pinned = Command::new("taskset");
                pinned.args(["-c", &core.to_string(), "sipp"]);
                pinned
            },
        );
        if let Some(remote) = self.remote {
            command.arg(remote.to_string());
        }
        let target = self.target.or(self.remote).unwrap_or(self.local);
        command
            .arg("-sf")
            .arg(format!("{}/sipp/{}.xml", env!("CARGO_MANIFEST_DIR"), self.scenario))
            .args(["-i", &self.local.ip().to_string(), "-p", &self.local.port().to_string(), "-bind_local"])
            .args(["-ci", &self.local.ip().to_string(), "-nostdin", "-buff_size", "4000000"])
            .args(["-m", &self.calls.to_string(), "-r", &self.rate.to_string()])
            .args(["-d", &self.pause.as_millis().to_string()])
            .args(["-s", &self.called, "-key", "caller", &self.caller, "-key", "target", &target.to_string()])
            .args(["-t", self.transport, "-max_socket", "5000"])
            // SIPp must not fail because the machine is slow.
            .args(["-watchdog_minor_maxtriggers", "1000000", "-watchdog_major_maxtriggers", "1000000"])
            .args(["-key", "padding", &"x".repeat(self.padding)])
            .args(["-trace_stat", "-fd", "1", "-stf"])
            .arg(stem.with_extension("csv"))
            .arg("-trace_err")
            .arg("-error_file")
            .arg(stem.with_extension("err"));
        if let Some(fields) = &self.fields {
            command.arg("-inf").arg(fields);
        }
        if self.messages {
            command.arg("-trace_msg").arg("-message_file").arg(stem.with_extension("log"));
        }
        let screen = std::fs::File::create(stem.with_extension("screen"))
            .expect("the test's directory can be written");
        let child = command
            // SIPp draws its screen with curses, which needs the name of a terminal.
            .env("TERM", "dumb")
            .current_dir(ring.directory())
            .stdin(Stdio::null())
            .stderr(screen.try_clone().expect("a file has two handles"))
            .stdout(screen)
            .spawn()
            .expect("sipp starts");
        let party = SippParty { child, stem, calls: self.calls, scenario: self.scenario };
        if self.remote.is_none() {
            party.listens(self.local, if self.transport == "u1" { "udp" } else { "tcp" });
        }
        party
    }
}

/// A running SIPp process. Drop kills the process.
#[derive(Debug)]
pub struct SippParty {
    child: Child,
    stem: PathBuf,
    calls: u32,
    scenario: &'static str,
}

impl SippParty {
    /// Tells SIPp to begin no more calls. Live calls continue to their end.
    pub fn wind_down(&self) {
        let told = Command::new("kill").args(["-USR1", &self.child.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "sipp {} can be told", self.scenario);
    }

    /// Waits until the process has ended by itself, and reads its report.
    pub fn finish(&mut self, limit: Duration) -> Report {
        let what = format!("sipp {} ends", self.scenario);
        let child = &mut self.child;
        let exit = until(limit, &what, || child.try_wait().expect("a child can be waited for"));
        let report = Report::read(&self.stem, self.calls, self.scenario);
        assert!(
            exit.code().is_some_and(|code| code == 0 || code == 1),
            "sipp {} broke: {exit}\n{}",
            self.scenario,
            report.errors
        );
        report
    }

    /// The messages so far.
    #[must_use]
    pub fn messages(&self) -> Vec<Seen> {
        read_log(&self.stem.with_extension("log"))
    }

    /// The path of the message log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.stem.with_extension("log")
    }

    /// The requests with `method` received so far, without repetitions.
    #[must_use]
    pub fn requests(&self, method: &str) -> Vec<Seen> {
        self.distinct(|seen| seen.direction == Direction::Received && seen.method() == Some(method))
    }

    /// The responses with `status` received so far, without repetitions.
    #[must_use]
    pub fn responses(&self, status: u16) -> Vec<Seen> {
        self.distinct(|seen| seen.direction == Direction::Received && seen.status() == Some(status))
    }

    /// The requests with `method` sent so far, without repetitions.
    #[must_use]
    pub fn sent(&self, method: &str) -> Vec<Seen> {
        self.distinct(|seen| seen.direction == Direction::Sent && seen.method() == Some(method))
    }

    /// Removes repeated messages. A machine that stalls for T1 or longer causes retransmissions, which are not a fault of the
    /// edge.
    fn distinct(&self, wanted: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let mut known = BTreeSet::new();
        self.messages().into_iter().filter(|seen| wanted(seen) && known.insert(seen.text.clone())).collect()
    }

    /// Waits until `local` is bound, according to the kernel's table of sockets.
    fn listens(&self, local: SocketAddr, protocol: &str) {
        let (octets, table) = match local {
            SocketAddr::V4(v4) => (v4.ip().octets().to_vec(), format!("/proc/net/{protocol}")),
            SocketAddr::V6(v6) => (v6.ip().octets().to_vec(), format!("/proc/net/{protocol}6")),
        };
        let word = |octets: &[u8]| {
            octets.try_into().map(u32::from_ne_bytes).map_or(String::new(), |word| format!("{word:08X}"))
        };
        let address: String = octets.chunks(4).map(word).collect();
        let entry = format!("{address}:{:04X}", local.port());
        until(Duration::from_secs(10), &format!("sipp {} listens on {local}", self.scenario), || {
            std::fs::read_to_string(&table).ok()?.contains(&entry).then_some(())
        });
    }
}

impl Drop for SippParty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The counts of a SIPp process over its whole run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Calls that followed the scenario.
    pub successful: u64,
    /// Calls that did not follow the scenario.
    pub failed: u64,
    /// Messages that SIPp retransmitted.
    pub retransmissions: u64,
    /// Messages that belonged to no call.
    pub out_of_call: u64,
    /// Messages received more than once. This count needs a message log.
    pub received_again: usize,
    /// Seconds from SIPp's start to its end.
    pub seconds: f64,
    /// The errors that SIPp wrote.
    pub errors: String,
    calls: u32,
    scenario: &'static str,
}

impl Report {
    /// Asserts that all calls followed the scenario.
    pub fn assert_successful(&self) {
        assert!(
            self.failed == 0 && self.successful == u64::from(self.calls),
            "sipp {}: {} of {} calls went well, {} failed\n{}",
            self.scenario,
            self.successful,
            self.calls,
            self.failed,
            self.errors
        );
    }

    /// Asserts that no call failed and at least one succeeded. For callers that were told to begin no more calls.
    pub fn assert_none_failed(&self) {
        assert!(
            self.failed == 0 && self.successful > 0,
            "sipp {}: {} calls went well, {} failed\n{}",
            self.scenario,
            self.successful,
            self.failed,
            self.errors
        );
    }

    /// Asserts that few messages were repeated in either direction and few belonged to no call. A fault of an edge causes a
    /// repetition in every call. A machine that stalls for T1 causes one repetition of each kind in some calls.
    pub fn assert_few_repeats(&self) {
        let repeats = self.retransmissions + self.received_again as u64 + self.out_of_call;
        assert!(
            repeats <= self.successful / 2,
            "sipp {}: {} retransmissions, {} messages received again, {} out of any call\n{}",
            self.scenario,
            self.retransmissions,
            self.received_again,
            self.out_of_call,
            self.errors
        );
    }

    fn read(stem: &std::path::Path, calls: u32, scenario: &'static str) -> Self {
        let statistics = std::fs::read_to_string(stem.with_extension("csv")).unwrap_or_default();
        let names = statistics.lines().next().unwrap_or_default().split(';');
        let last: Vec<&str> = statistics.lines().last().unwrap_or_default().split(';').collect();
        let columns: Vec<(&str, &str)> = names.zip(last).collect();
        let text =
            |name: &str| columns.iter().find(|(column, _)| *column == name).map_or("", |(_, value)| *value);
        let count = |name: &str| text(name).parse().unwrap_or(u64::MAX);
        let epoch = |name: &str| {
            text(name)
                .split_ascii_whitespace()
                .last()
                .and_then(|value| value.parse::<f64>().ok())
                .unwrap_or(f64::NAN)
        };
        let mut known = BTreeSet::new();
        let received_again = read_log(&stem.with_extension("log"))
            .into_iter()
            .filter(|seen| seen.direction == Direction::Received && !known.insert(seen.text.clone()))
            .count();
        let errors: String = std::fs::read_to_string(stem.with_extension("err"))
            .unwrap_or_default()
            .chars()
            .take(4000)
            .collect();
        Self {
            successful: count("SuccessfulCall(C)"),
            failed: count("FailedCall(C)"),
            retransmissions: count("Retransmissions(C)"),
            out_of_call: count("OutOfCallMsgs(C)"),
            received_again,
            seconds: epoch("CurrentTime") - epoch("StartTime"),
            errors,
            calls,
            scenario,
        }
    }
}
