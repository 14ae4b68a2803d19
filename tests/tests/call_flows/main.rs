//! Ladders of whole calls across an edge, by topic. They show what each side sends and what the edge sends for it.
//!
//! A ladder ends where its topic ends. Each test then ends the call and checks that no state remains.

mod bad_input;
mod cancel;
mod common;
mod crossings;
mod endings;
mod failover;
mod forks;
mod headers;
mod in_dialog;
mod messages;
mod offers;
mod office;
mod refusals;
mod reliable;
mod reliable_towards_callee;
mod reliable_towards_caller;
mod replaces;
mod session_bad_input;
mod session_refresh;
mod session_silence;
mod session_timers;
mod set_up;
mod shutdown;
mod transfer;
mod transports;
