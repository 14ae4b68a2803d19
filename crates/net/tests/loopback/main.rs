//! The shell on real loopback sockets with port 0: what it receives and sends, and that no input stops it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod admission;
mod certificates;
mod driver;
mod phone;
mod streams;
mod workers;
