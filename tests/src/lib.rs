//! Tests across crates: the simulated network, the storms on it, and the SIPp ring.

pub mod ring;
pub mod sim;
pub mod storm;
