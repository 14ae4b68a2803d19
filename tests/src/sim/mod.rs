//! A simulated network with virtual time, on which a test reads like a ladder.
//!
//! ```
//! use attesta_tests::sim::{ACK, INVITE, T1, pair};
//!
//! let (net, alice, bob) = pair();
//! net.lose_next();
//! alice.sends(INVITE);
//! net.run_for(T1);
//! bob.gets(INVITE);
//! bob.sends(486);
//! alice.gets(486);
//! bob.gets(ACK);
//! net.settles();
//! assert!(net.ladder().contains("INVITE"));
//! ```
//!
//! Datagrams are lost, doubled, delayed and reordered, by chance or as the test decides; nodes are cut from each other and
//! joined again ([`Network::cuts`], [`Network::heals`]), and start again without a memory ([`Network::restarts`]). Streams
//! deliver what they are given, in order, until they break ([`Network::breaks`]).
//!
//! [`Network::settles`] runs until nothing is on its way and no timer is set, and fails if any node still holds state. What
//! the network does by chance follows from its seed alone; a test that fails prints the line that repeats it.

mod agent;
mod call;
mod edge;
mod ladder;
mod message;
mod network;
mod node;
mod probe;
mod sti;
mod stream;
mod user;
mod wording;
mod world;

pub use agent::Agent;
pub(crate) use edge::Board;
pub use edge::{EPOCH, Edge};
pub use message::{
    ACK, BYE, CANCEL, Heard, INFO, INVITE, MESSAGE, NOTIFY, OPTIONS, PRACK, PUBLISH, REFER, REGISTER,
    SUBSCRIBE, Said, TIMEOUT, UNREACHABLE, UPDATE, method,
};
pub use network::{LONGEST, Network, pair, seeds};
pub use node::{Effect, Node};
pub use probe::Probe;
pub use sti::Sti;
pub use wording::{Outgoing, Wording};
pub use world::{Conditions, LATENCY, Traffic};

use std::time::Duration;

/// The estimate of the round-trip time that every timer follows (RFC 3261 section 17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
