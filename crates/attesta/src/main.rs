//! The `attesta` program: the edge and its tools.

mod admin;
mod assembly;
mod cli;
mod config;
mod console;
mod fault;
mod files;
mod revocation;
mod telemetry;
mod time;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
