//! What the measurements share: the messages they read, a pair of endpoints, and a counter of instructions.

pub mod callgrind;
pub mod messages;
pub mod transactions;
