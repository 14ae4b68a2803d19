//! A SIP back-to-back user agent with inline STIR/SHAKEN, without I/O.
//!
//! A [`Switchboard`] receives calls from trunks, verifies their Identity header fields, finds their targets, signs the
//! calls and sends them on. Each side of a call is its own dialog, with its own Call-ID, tags, Via and Contact, so no
//! side sees the addresses of the other side. Everything else in a message is relayed as received, including bodies and
//! unknown header fields. Session descriptions are relayed unchanged: the signalling topology is hidden, media
//! addresses are not.
//!
//! The crate has no socket, clock, task, channel or lock. The caller hands in each input with its time, and then reads
//! the outputs until [`Output::Timeout`]:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::{Duration, Instant};
//!
//! use attesta_b2bua::{
//!     Config, DefaultPolicy, InboundIdentity, Input, Listener, Now, Output, Route, RouteTo, Switchboard, Trunk,
//! };
//! use attesta_stir::UnixTime;
//! use attesta_transaction::{Flow, WorkerPlace, Seed, Transport};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let peers = Trunk::new("peers").source("192.0.2.0/24".parse()?).inbound_identity(InboundIdentity::Pass);
//! let config = Config::builder()
//!     .listener(Listener::new("edge", Transport::Udp, "198.51.100.1:5060".parse()?))
//!     .trunk(peers)
//!     .route(Route::new(RouteTo::RequestUri))
//!     .build()?;
//! // In production the seed comes from the operating system, and the time from its clocks.
//! let (place, seed) = (WorkerPlace::default(), Seed::new([42; 32]));
//! let mut board = Switchboard::new(Arc::new(config), DefaultPolicy, place, &seed);
//! let now = Now { mono: Instant::now(), unix: UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000)) };
//!
//! let data = "OPTIONS sip:198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1;rport\r\n\
//!     Max-Forwards: 70\r\nFrom: <sip:a@192.0.2.7>;tag=1\r\nTo: <sip:198.51.100.1>\r\nCall-ID: 1\r\n\
//!     CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
//! let flow = Flow::udp("198.51.100.1:5060".parse()?, "192.0.2.7:5060".parse()?);
//! board.handle_input(now, Input::Datagram { flow, data: data.into() });
//! let deadline = loop {
//!     match board.poll_output() {
//!         Output::Transmit(transmit) => assert!(transmit.payload.starts_with(b"SIP/2.0 200 OK")),
//!         // The switchboard asks the shell with an output. The shell answers with an input.
//!         Output::Resolve { .. } | Output::Reach { .. } | Output::FetchCertificate(_) => {}
//!         Output::Sign { .. } | Output::Decide { .. } | Output::FindDialog { .. } => {}
//!         Output::Event(event) => println!("{event:?}"),
//!         Output::Timeout(deadline) => break deadline,
//!     }
//! };
//! assert!(deadline.is_some()); // when to hand in Input::Timeout, if nothing comes before
//! # Ok(())
//! # }
//! ```
//!
//! # An INVITE
//!
//! The steps are: limits and screening ([`Refusal`]), [`Policy::admit`], verification of the unchanged message,
//! [`Policy::judge`], [`Policy::route`]. Then for each target, until one of them answers: resolution,
//! [`Policy::attest`], signing and sending. [`Policy`] has a chart of these steps. The message under verification has a
//! type of its own: only the outcome of verification turns it into the type that is sent on. Each wait for a
//! certificate, a name, a signature or a decision has a time limit, and delays no other call. An emergency
//! call is not refused because of the limit of calls, a failed verification, a missing signature or a late decision.
//!
//! # Targets
//!
//! The next target is tried, with a new branch, if a target cannot be reached, is silent for
//! [`no_response`](TrunkTimers::no_response), or answers with 503 or a status of [`Trunk::failover`]. A target that
//! cannot be reached or is silent is out of service for [`Trunk::resume`]. A target that sends three 503 with Retry-After
//! in a row is out of service for the time of the Retry-After ([`Trunk::retry_after`]). Meanwhile, calls go to the other
//! targets. A target stays in service if no other target is in service. An emergency call tries every target.
//!
//! # Requests within a dialog
//!
//! Requests of every method are relayed to the other side, and responses are relayed back. Both sides end with a BYE, a
//! lost dialog, a missing ACK, or the longest duration of the trunk. Every state has a timer that ends it.
//!
//! # A MESSAGE outside any dialog
//!
//! A MESSAGE passes the same screening, admission, verification and routing as an INVITE, and may wait for a decision
//! of the policy in the same way. It is relayed as its own transaction (RFC 3428). Its Identity header fields are
//! verified, relayed unread or removed, as the trunk says; the type `msg` also covers the body (RFC 9475). A MESSAGE is
//! not signed. If no target answers in time, the sender gets no response (RFC 4320).
//!
//! # Telephone numbers and URIs
//!
//! Telephone numbers and URIs are personal data: their types mask them in `Debug`, and logs use the masked form.

mod alarm;
mod arena;
mod call;
mod certificates;
mod config;
mod counters;
mod env;
mod event;
mod headers;
mod hunt;
mod identity;
mod intake;
mod io;
mod late_answers;
mod leg;
mod message;
mod now;
mod options;
mod owners;
mod policy;
mod switchboard;
mod targets;
#[cfg(test)]
mod tests;
mod token;
mod trunk;

pub use config::Config;
pub use config::builder::Builder;
pub use config::caps::Caps;
pub use config::error::ConfigError;
pub use config::listener::Listener;
pub use config::route::{Route, RouteTo};
pub use config::transports::Transports;
pub use config::trust::{NamedSigner, SigningMeans, TrustDomain};
pub use counters::{Counters, Refusal};
pub use event::{Arrival, CallEvent, CallNumber, Cause};
pub use headers::dialog_names::DialogName;
pub use identity::claims::Claims;
pub use identity::facts::{examine, verify};
pub use intake::screening::answer_alone;
pub use io::{Destination, Input, Output, ResolveError, SignError, Unreachable};
pub use now::Now;
pub use policy::{
    Admission, DECISION_BUDGET, Decision, DefaultPolicy, Later, Policy, Question, Reply, Routing,
};
pub use switchboard::Switchboard;
pub use token::Token;
pub use trunk::Trunk;
pub use trunk::numbers::{InvalidPrefix, Numbers, Prefix};
pub use trunk::rules::{
    Consequence, ContactParams, InboundIdentity, OnSignFailure, OutboundIdentity, Outcomes, Oversize,
    Reliable, RetryAfterRule, TrunkTimers, Trusts,
};
pub use trunk::source::{InvalidSource, Source};
pub use trunk::target::{InvalidTarget, Target};
