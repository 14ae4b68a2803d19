//! The shell on real loopback sockets, port 0: what enters, what leaves, and what never stops it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod admission;
mod certificates;
mod driver;
mod phone;
mod streams;
mod workers;
