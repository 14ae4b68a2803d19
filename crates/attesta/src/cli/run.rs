//! `attesta run`: runs the edge until a signal stops it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use attesta::{BuildError, Cause, Edge};
use clap::Args;
use serde_json::json;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::outcome::Outcome;
use super::runtime::runtime;
use crate::admin::Admin;
use crate::assembly::reader::Strictness;
use crate::assembly::{Assembly, assemble};
use crate::config::Configuration;
use crate::config::value::duration as configured;
use crate::console::Console;
use crate::fault::{Failure, Fault};
use crate::{revocation, telemetry, time};

#[derive(Debug, Args)]
pub(super) struct Run {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long calls in progress may continue after SIGTERM or SIGINT, such as 0s, 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = DRAIN, value_parser = duration)]
    drain: Duration,
}

pub(super) fn run(args: &Run, console: &Console) -> Result<Outcome, Failure> {
    let configuration = Configuration::open(args.config.as_deref()).map_err(Failure::Faults)?;
    let _log = telemetry::start(&configuration.settings.log, console);
    #[cfg(target_os = "linux")]
    if let Err(error) = attesta_net::raise_descriptor_limit() {
        tracing::warn!(%error, "cannot raise the limit on open files; the number of connections may be limited");
    }
    runtime()?.block_on(serve(&configuration, args.drain, console))
}

/// Parses a DURATION of the command line.
fn duration(text: &str) -> Result<Duration, String> {
    configured(text).ok_or_else(|| "write 0s, 90s or 5m".into())
}

async fn serve(
    configuration: &Configuration,
    drain: Duration,
    console: &Console,
) -> Result<Outcome, Failure> {
    let signal_fault = |error| Fault::new(format!("cannot install the signal handlers: {error}"));
    let mut stop_signals = StopSignals::new().map_err(signal_fault)?;
    #[cfg(unix)]
    let hangup = signal(SignalKind::hangup()).map_err(signal_fault)?;
    let assembly = assemble(configuration, time::now(), Strictness::Warn).await.map_err(Failure::Faults)?;
    // The ephemeral signers serve their certificates as long as the edge runs.
    let Assembly { builder, ephemeral: _ephemeral, revocations, alarms, .. } = assembly;
    for alarm in &alarms {
        error!(help = alarm.help, "{alarm}");
    }
    let edge = builder
        .build_on_threads(configuration.settings.workers)
        .map_err(|error| build_fault(configuration, &error))?;
    let mut background = JoinSet::new();
    let mut admin_address = None;
    if let Some(settings) = &configuration.settings.admin {
        let bound = Admin::bind(settings.listen).await;
        let admin = bound.map_err(|error| {
            let text = format!("cannot listen on {}: {error}", settings.listen);
            configuration
                .source
                .fault(&settings.span, text)
                .help("set [admin] listen to a free address and port, or to \"off\"")
        })?;
        admin_address = Some(admin.local());
        background.spawn(admin.serve(edge.handle()));
    }
    background.spawn(revocation::watch(revocations, edge.handle()));
    print_ready(&edge, admin_address, console);

    let handle = edge.handle();
    background.spawn(async move {
        stop_signals.next().await;
        // `drain` and `stop` fail only if the edge has already stopped.
        tokio::select! {
            _ = handle.drain(drain) => {}
            () = stop_signals.next() => {
                info!("second signal: stopping immediately");
                let _ = handle.stop().await;
            }
        }
    });
    #[cfg(unix)]
    background.spawn(warn_on_hangup(hangup));
    let report = edge.run().await;
    if report.calls.calls_live > 0 {
        warn!(calls = report.calls.calls_live, "stopped with calls in progress; no BYE was sent");
    }
    let ended_here = report.calls.ended().filter(|(cause, _)| *cause == Cause::ShutDown.as_str());
    let hung_up: u64 = ended_here.map(|(_, count)| count).sum();
    info!(calls = report.calls.calls, answered = report.calls.answered, hung_up, "stopped");
    Ok(Outcome::Done)
}

/// Returns the fault for an edge that could not be built. If a listener is the cause, the fault shows the place of this
/// listener in the configuration.
fn build_fault(configuration: &Configuration, error: &BuildError) -> Fault {
    let (address, help) = match error {
        BuildError::Bind { address, error } => (address, bind_remedy(error.kind())),
        BuildError::Tls { address, error } => (address, error.remedy()),
        BuildError::Config(_)
        | BuildError::NoRoots(_)
        | BuildError::NoRandomness(_)
        | BuildError::NoThreads(_) => {
            return Fault::new(error.to_string());
        }
    };
    let listen = configuration.settings.listeners.iter().find(|listen| listen.address == *address);
    let fault = match listen {
        Some(listen) => configuration.source.fault(&listen.span, error.to_string()),
        None => Fault::new(error.to_string()),
    };
    fault.help(help)
}

/// Returns the remedy for an address that cannot be bound.
fn bind_remedy(why: io::ErrorKind) -> &'static str {
    if why == io::ErrorKind::AddrNotAvailable {
        "use an address of an interface of this machine"
    } else if why == io::ErrorKind::PermissionDenied {
        "ports below 1024 need root or CAP_NET_BIND_SERVICE"
    } else {
        "check whether another program uses the address; use another address, or port 0 for any free port"
    }
}

/// Prints one line for each listener with its bound port, and then the line `ready`. Ignores errors, because a closed
/// standard output must not stop the edge.
fn print_ready(edge: &Edge, admin: Option<std::net::SocketAddr>, console: &Console) {
    let sip = edge
        .listeners()
        .iter()
        .map(|(transport, address)| (transport.as_str().to_ascii_lowercase(), *address));
    let all = sip.chain(admin.map(|address| ("admin".to_owned(), address)));
    let mut out = io::stdout().lock();
    for (listener, address) in all {
        let _ = if console.json() {
            writeln!(out, "{}", json!({ "ready": listener, "address": address.to_string() }))
        } else {
            writeln!(out, "ready {listener} {address}")
        };
    }
    let _ =
        if console.json() { writeln!(out, "{}", json!({ "ready": true })) } else { writeln!(out, "ready") };
    let _ = out.flush();
}

/// SIGTERM and SIGINT.
#[cfg(unix)]
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

#[cfg(unix)]
impl StopSignals {
    fn new() -> io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Logs that SIGHUP has no effect. Without this handler the signal would end the process and its calls.
#[cfg(unix)]
async fn warn_on_hangup(mut signals: Signal) {
    while signals.recv().await.is_some() {
        warn!(
            "SIGHUP has no effect: the configuration is read at start only; changed certificate and CRL files are read automatically"
        );
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
struct StopSignals;

#[cfg(not(unix))]
impl StopSignals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

/// The default of `--drain`.
const DRAIN: &str = "60s";
