//! Tests across crates: the simulated network, the storms on it, the model of a switchboard's peers, and the SIPp ring.

pub mod mixed_calls;
pub mod phone;
pub mod races;
pub mod ring;
pub mod sim;
pub mod storm;
pub mod switchboard_model;
