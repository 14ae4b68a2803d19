//! Ladders of the transaction layer alone: two user agents on a network that the test controls.
//!
//! Each ladder shows what was sent, when, and what happened to it. A changed ladder is a changed call flow.

mod cancel;
mod caps;
mod common;
mod invite_client;
mod invite_server;
mod matching;
mod non_invite;
mod streams;
