//! A SIP back-to-back user agent with inline STIR/SHAKEN, without I/O.
//!
//! A [`Switchboard`] takes calls from trunks, verifies their Identity header fields, finds out where they go, signs them and
//! sends them on. Each side of a call is a dialog of its own, with its own Call-ID, tags, Via and Contact, so neither side
//! sees past the edge; what a message carries beyond that crosses as it was received, bodies and unknown header fields
//! included. Session descriptions pass unchanged: signalling topology is hidden, media addresses are not.
//!
//! It has no socket, clock, task, channel or lock. The caller hands in what happened, with the time at which it did, and
//! drains what is to be done:
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
//!         // What the switchboard needs from outside is an output, and the answer is an input.
//!         Output::Resolve { .. } | Output::Reach { .. } | Output::FetchCertificate(_) => {}
//!         Output::Sign { .. } | Output::Decide { .. } => {}
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
//! It is treated in this order: limits and screening ([`Refusal`]), [`Policy::admit`], verification of the untouched message,
//! [`Policy::judge`], [`Policy::route`]; then for each target until one answers: resolution, [`Policy::attest`], signing, and
//! sending. Verification sees a type that only its outcome turns into one that can be bridged. A call that waits for a
//! certificate, a name, a signature or a decision does so for a bounded time, and holds up no other. Emergency calls are
//! refused by none of these.
//!
//! # Targets
//!
//! A target that cannot be reached, is silent for [`no_response`](TrunkTimers::no_response), or answers 503 (or what
//! [`Trunk::failover`] lists) sends the call to the next, with a new branch. One that is dead is set aside for
//! [`Trunk::resume`], one that asks for it by Retry-After for that time; calls go to the others. Where none is left, those that
//! failed are tried rather than that a call is refused untried, and an emergency call tries every one.
//!
//! # Requests within a dialog
//!
//! They are relayed to the other side, whatever their method, and the responses back. A BYE, a lost dialog, a missing ACK or
//! the trunk's longest call end both sides. Nothing lives without a timer that ends it.
//!
//! # A MESSAGE outside any dialog
//!
//! It is screened, admitted and routed as an INVITE is, and relayed as a transaction of its own (RFC 3428). Its Identity
//! passes, or is stripped where a trunk says so; it is neither verified nor signed. Where nobody answers in time it gets no
//! answer (RFC 4320).
//!
//! # Telephone numbers and URIs
//!
//! They are personal data: the types that hold them mask themselves in `Debug`, and so does everything that is logged.

mod alarm;
mod arena;
mod call;
mod certificates;
mod closing;
mod config;
mod counters;
mod env;
mod event;
mod headers;
mod hunt;
mod identity;
mod intake;
mod io;
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
    Consequence, InboundIdentity, OnSignFailure, OutboundIdentity, Outcomes, Oversize, TrunkTimers, Trusts,
};
pub use trunk::source::{InvalidSource, Source};
pub use trunk::target::{InvalidTarget, Target};
