//! The SIP transaction layer, without I/O: the four state machines of RFC 3261 section 17 as amended by RFC 6026 and RFC 4320,
//! and the rules that match messages to them.
//!
//! An [`Endpoint`] has no socket, no clock and no thread. Its caller passes each input with the current time, and then drains
//! the outputs:
//!
//! ```
//! use std::time::Instant;
//!
//! use attesta_transaction::{Endpoint, Event, Input, Output, Transmit};
//!
//! /// Passes one input and carries out the outputs. Returns the time of the next timer.
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
//! `tell` may call [`Endpoint::respond`], [`Endpoint::request`], [`Endpoint::cancel`] and [`Endpoint::send`]: the same loop
//! drains their outputs. The same seed, inputs and times give the same outputs.
//!
//! # Work of the endpoint
//!
//! * It retransmits messages and absorbs retransmissions.
//! * It acknowledges 300-699 responses to an INVITE (RFC 3261 section 17.1.1.3).
//! * It sends 100 if its user is slow.
//! * It answers a CANCEL. It delays a CANCEL of its user until a provisional response arrives.
//! * It refuses a merged request with 482, an unreadable request with 400 or a similar code, and a request over the cap with
//!   503.
//! * It drops stray responses.
//!
//! The endpoint keeps no dialogs: its user retransmits and acknowledges a 2xx to an INVITE.
//!
//! # Identifiers
//!
//! An [`IdGenerator`] makes branches, tags and Call-IDs. They contain the [`WorkerPlace`] that made them: see
//! [`WorkerPlace::of`]. [`WorkerHint`] finds the place of a received message without parsing it.

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
