//! The rules of calls, each driven through a switchboard with bytes and virtual time.

mod bad_input;
mod configuration;
mod draining;
mod ending;
mod failover;
mod forged_responses;
mod histories;
mod in_dialog;
mod ladder;
mod late_names;
mod message;
mod next_hop;
mod oversize;
mod pki;
mod policy;
mod record;
mod rig;
mod screening;
mod set_up;
mod signing;
mod targets;
mod transfer;
mod verification;
