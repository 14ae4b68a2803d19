//! Tests across crates: the simulated network, ladders, and the SIPp ring.

pub mod ring;
pub mod sim;
pub mod storm;
