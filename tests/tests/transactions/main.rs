//! Ladders of the transaction layer alone: two user agents, and a network that does what the test says.
//!
//! Each picture shows what was sent, when, and what became of it; a change to a picture is a change to a call flow.

mod cancel;
mod caps;
mod common;
mod invite_client;
mod invite_server;
mod matching;
mod non_invite;
mod streams;
