//! The SIP transaction layer, without I/O: the four machines of RFC 3261 section 17 as amended by RFC 6026 and RFC 4320, and
//! the rules by which messages find them.
//!
//! An [`Endpoint`] has no socket, no clock and no thread. Whoever drives it hands in what arrives, together with the time,
//! and then drains what must leave:
//!
//! ```
//! use std::time::Instant;
//!
//! use attesta_transaction::{Endpoint, Event, Input, Output, Transmit};
//!
//! /// Hands in one input, and carries out what follows from it. Gives back when to call again at the latest.
//! fn drive(
//!     endpoint: &mut Endpoint,
//!     now: Instant,
//!     input: Input,
//!     mut send: impl FnMut(Transmit),
//!     mut tell: impl FnMut(&mut Endpoint, Event),
//! ) -> Option<Instant> {
//!     endpoint.handle_input(now, input);
//!     loop {
//!         match endpoint.poll_output() {
//!             Output::Transmit(transmit) => send(transmit),
//!             Output::Event(event) => tell(endpoint, event),
//!             Output::Timeout(at) => return at,
//!         }
//!     }
//! }
//! ```
//!
//! `tell` may call [`Endpoint::respond`], [`Endpoint::request`], [`Endpoint::cancel`] and [`Endpoint::send`]: what follows from
//! these is drained by the same loop. The same seed, the same inputs and the same times give the same outputs.
//!
//! # What the endpoint does by itself
//!
//! It retransmits and absorbs retransmissions; acknowledges failures (RFC 3261 section 17.1.1.3); sends 100 where its user is
//! slow; answers a CANCEL and keeps one back until a provisional response has come; refuses a request that came by two paths
//! with 482, what cannot be read with 400 and its kin, what is too much with 503; drops strays. It keeps no dialogs: a 2xx to
//! an INVITE is repeated, and acknowledged, by its user.
//!
//! # Identifiers
//!
//! Branches, tags and Call-IDs are made by a [`IdGenerator`] and carry the [`WorkerPlace`] that made them: see [`WorkerPlace::of`]. Of
//! a message that has just arrived, [`WorkerHint`] tells without parsing it to which place it belongs.

mod ack_cancel;
mod cancel_scope;
mod client;
mod client_invite;
mod config;
mod counters;
mod endpoint;
mod error;
mod flow;
mod id_generator;
mod io;
mod key;
mod match_fields;
mod outbox;
mod receive;
mod reply;
mod route;
mod sent_by;
mod server;
mod server_invite;
mod table;
mod throttle;
mod timer;
mod transaction;
mod worker_hint;

pub use cancel_scope::CancelScope;
pub use config::Config;
pub use counters::{Counters, Refusal, Refused};
pub use endpoint::Endpoint;
pub use error::{Failure, Overloaded};
pub use flow::{ConnectionId, Flow, TlsNames, Transport, WorkerId};
pub use id_generator::{Branch, CallId, IdGenerator, Seed, Tag, WorkerPlace};
pub use io::{ClientId, Event, Input, Output, ServerId, Transmit};
pub use sent_by::{NotAHost, SentBy};
pub use worker_hint::WorkerHint;
