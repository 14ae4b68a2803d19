//! The `attesta` program: the edge, and the tools around it.

mod admin;
mod assembly;
mod cli;
mod config;
mod fault;
mod files;
mod revocation;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
