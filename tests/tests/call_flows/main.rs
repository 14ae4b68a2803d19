//! Ladders of whole calls across an edge, by topic: what each side sends, and what the edge makes of it.
//!
//! A ladder ends where its topic ends; each test then ends the call, and checks that nothing is left of it.

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
mod session_timers;
mod set_up;
mod shutdown;
mod transfer;
mod transports;
