//! Runs the program as an operator or a script does.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod capture;
mod command_line;
mod configuration;
mod demo;
mod inspect;
mod matrix;
mod parse;
mod pki;
mod run;
mod support;
mod verify;
