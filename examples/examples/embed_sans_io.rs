//! Runs the switchboard in a program without an async runtime, with one standard socket, one thread and one loop.
//!
//! Try it: `cargo run --example embed_sans_io`, then call `sip:+12025550100@127.0.0.1:5060`.

use std::collections::VecDeque;
use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use attesta_b2bua::{
    CallEvent, Config, DefaultPolicy, InboundIdentity, Input, Listener, Now, OutboundIdentity, Output,
    ResolveError, Route, RouteTo, SignError, Switchboard, Trunk, Unreachable,
};
use attesta_stir::UnixTime;
use attesta_transaction::{Flow, Seed, Transport, WorkerPlace};
use bytes::Bytes;

#[expect(clippy::print_stdout, reason = "an example prints its events")]
fn main() -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:5060")?;
    println!("listening on UDP {}", socket.local_addr()?);
    serve(&socket, |event| {
        println!("{event:?}");
        true
    })
}

/// Answers calls that arrive at `socket`, until `on_event` returns false.
pub(crate) fn serve(
    socket: &UdpSocket,
    mut on_event: impl FnMut(CallEvent) -> bool,
) -> Result<(), Box<dyn Error>> {
    let here = socket.local_addr()?;
    let mut switchboard = switchboard(Listener::new("here", Transport::Udp, here))?;
    let mut slot = vec![0; 65_536];
    let mut deadline: Option<Instant> = None;
    let mut running = true;
    while running {
        let mut inputs = VecDeque::new();
        socket.set_read_timeout(deadline.map(until))?;
        match socket.recv_from(&mut slot) {
            Ok((length, remote)) => {
                let data = Bytes::copy_from_slice(slot.get(..length).unwrap_or_default());
                inputs.push_back(Input::Datagram { flow: Flow::udp(here, remote), data });
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        let now = now();
        if deadline.is_some_and(|deadline| deadline <= now.mono) {
            inputs.push_back(Input::Timeout);
        }
        // Process all outputs of each input. Some outputs need a further input as their answer.
        while let Some(input) = inputs.pop_front() {
            switchboard.handle_input(now, input);
            deadline = loop {
                match switchboard.poll_output() {
                    Output::Transmit(transmit) => {
                        if socket.send_to(&transmit.payload, transmit.flow.remote).is_err() {
                            inputs.push_back(Input::TransportFailed(transmit));
                        }
                    }
                    // A program that places calls resolves names here. This program only answers calls.
                    Output::Resolve { token, .. } => {
                        inputs.push_back(Input::Resolved { token, result: Err(ResolveError::NotFound) });
                    }
                    Output::Sign { token, .. } => {
                        inputs.push_back(Input::Signed { token, result: Err(SignError::Unavailable) });
                    }
                    // The program has only one datagram socket, so it cannot open a connection.
                    Output::Reach { token, .. } => {
                        inputs.push_back(Input::Reached { token, result: Err(Unreachable::Refused) });
                    }
                    // This program verifies nothing, and its policy decides immediately.
                    Output::FetchCertificate(_) | Output::Decide { .. } => {}
                    // There is no other worker.
                    Output::FindDialog { token, .. } => {
                        inputs.push_back(Input::DialogFound { token, dialog: None });
                    }
                    Output::Event(event) => running &= on_event(event),
                    Output::Timeout(deadline) => break deadline,
                }
            };
        }
    }
    Ok(())
}

/// Returns a switchboard that answers calls from this machine to the numbers +12025550100 to +12025550199 and refuses
/// others.
fn switchboard(listener: Listener) -> Result<Switchboard, Box<dyn Error>> {
    let callers = Trunk::new("callers")
        .source("127.0.0.0/8".parse()?)
        .inbound_identity(InboundIdentity::Pass)
        .outbound_identity(OutboundIdentity::Pass);
    let config = Config::builder()
        .listener(listener)
        .trunk(callers)
        .route(Route::new(RouteTo::RequestUri))
        .callee(vec!["+120255501".parse()?])
        .build()?;
    Ok(Switchboard::new(Arc::new(config), DefaultPolicy, WorkerPlace::default(), &seed()?))
}

/// Returns a random seed. Tags, branches and Call-IDs are derived from it and must be unpredictable.
fn seed() -> io::Result<Seed> {
    let mut octets = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut octets)?;
    Ok(Seed::new(octets))
}

#[expect(clippy::disallowed_methods, reason = "only the program may read the clock")]
fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { mono: Instant::now(), unix: UnixTime::since_unix_epoch(unix) }
}

/// Returns how long to wait for a datagram. The socket does not accept a timeout of zero.
fn until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(now().mono).max(Duration::from_millis(1))
}
