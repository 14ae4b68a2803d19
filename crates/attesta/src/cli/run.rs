//! `attesta run`: the edge, until it is told to stop.

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
    /// How long calls in progress may go on after SIGTERM or SIGINT, as 0s, 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = DRAIN, value_parser = duration)]
    drain: Duration,
}

pub(super) fn run(args: &Run, console: &Console) -> Result<Outcome, Failure> {
    let configuration = Configuration::open(args.config.as_deref()).map_err(Failure::Faults)?;
    let _log = telemetry::start(&configuration.settings.log, console);
    #[cfg(target_os = "linux")]
    if let Err(error) = attesta_net::raise_descriptor_limit() {
        tracing::warn!(%error, "the limit on open files stays as it is: few connections may find room");
    }
    runtime()?.block_on(serve(&configuration, args.drain, console))
}

/// Reads a DURATION of the command line.
fn duration(text: &str) -> Result<Duration, String> {
    configured(text).ok_or_else(|| "write 0s, 90s or 5m".into())
}

async fn serve(
    configuration: &Configuration,
    patience: Duration,
    console: &Console,
) -> Result<Outcome, Failure> {
    let uncaught = |error| Fault::new(format!("signals cannot be caught: {error}"));
    let mut stops = Stops::new().map_err(uncaught)?;
    #[cfg(unix)]
    let hang_up = signal(SignalKind::hangup()).map_err(uncaught)?;
    let assembly = assemble(configuration, time::now(), Strictness::Warn).await.map_err(Failure::Faults)?;
    // The ephemeral signers' certificates are served for as long as the edge runs.
    let Assembly { builder, ephemeral: _ephemeral, revocations, alarms, .. } = assembly;
    for alarm in &alarms {
        error!(help = alarm.help, "{alarm}");
    }
    let edge = builder
        .build_on_threads(configuration.settings.workers)
        .map_err(|error| unbuilt(configuration, &error))?;
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
    announce(&edge, admin_address, console);

    let handle = edge.handle();
    background.spawn(async move {
        stops.next().await;
        // An edge that has stopped already needs no telling.
        tokio::select! {
            _ = handle.drain(patience) => {}
            () = stops.next() => {
                info!("stopping at once");
                let _ = handle.stop().await;
            }
        }
    });
    #[cfg(unix)]
    background.spawn(hang_ups(hang_up));
    let report = edge.run().await;
    if report.calls.calls_live > 0 {
        warn!(calls = report.calls.calls_live, "stopped amid calls: their parties are not told");
    }
    let ended_here = report.calls.ended().filter(|(cause, _)| *cause == Cause::ShutDown.as_str());
    let hung_up: u64 = ended_here.map(|(_, count)| count).sum();
    info!(calls = report.calls.calls, answered = report.calls.answered, hung_up, "stopped");
    Ok(Outcome::Done)
}

/// Why there is no edge, with the place of the address where it is one.
fn unbuilt(configuration: &Configuration, error: &BuildError) -> Fault {
    let (address, help) = match error {
        BuildError::Bind { address, error } => (address, unbound(error.kind())),
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

/// How to mend an address that the system does not give.
fn unbound(why: io::ErrorKind) -> &'static str {
    if why == io::ErrorKind::AddrNotAvailable {
        "give an address that an interface of this machine has"
    } else if why == io::ErrorKind::PermissionDenied {
        "ports below 1024 need root or CAP_NET_BIND_SERVICE"
    } else {
        "is something listening there already? give another address, or port 0 for any free one"
    }
}

/// One line per listener with the port really bound, then `ready` alone. A reader that went away is no reason to stop.
fn announce(edge: &Edge, admin: Option<std::net::SocketAddr>, console: &Console) {
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
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

#[cfg(unix)]
impl Stops {
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

/// SIGHUP, by which services are asked to read their configuration again, ends no calls.
#[cfg(unix)]
async fn hang_ups(mut signals: Signal) {
    while signals.recv().await.is_some() {
        warn!(
            "SIGHUP: the configuration is read at start only; certificates and CRLs are taken up as their files change"
        );
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct Stops;

#[cfg(not(unix))]
impl Stops {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

/// How long calls in progress may go on once the edge is to stop, where the command line does not say.
const DRAIN: &str = "60s";
