//! Tools for tests across crates: the simulated network, storms of random transactions on this network, the model of a
//! switchboard's peers, and the SIPp ring.

pub mod mixed_calls;
pub mod phone;
pub mod races;
pub mod ring;
pub mod sim;
pub mod storm;
pub mod switchboard_model;
