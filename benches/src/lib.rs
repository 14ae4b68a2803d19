//! Code that the benchmarks share: the messages, a pair of endpoints, a switchboard with a caller and a callee, a trust domain,
//! and a counter of instructions.

pub mod callgrind;
pub mod calls;
pub mod messages;
pub mod sti;
pub mod transactions;
