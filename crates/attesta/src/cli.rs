//! The command line.

mod check;
mod demo;
mod input;
mod inspect;
mod outcome;
mod parse;
mod passport;
mod pki;
mod run;
mod runtime;
mod sign;
mod tree;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::check::Check;
use self::demo::Demo;
use self::inspect::Inspect;
use self::outcome::Outcome;
use self::parse::Parse;
use self::pki::Pki;
use self::run::Run;
use self::sign::Sign;
use self::verify::args::Verify;
use crate::console::{Color, Console};
use crate::fault::Failure;

/// Parses the command line, runs the command and returns the exit status.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::new(cli.color, cli.json);
    let done = match cli.command {
        Command::Run(args) => run::run(&args, &console),
        Command::Demo(args) => demo::demo(&args, &console),
        Command::Check(args) => check::check(&args, &console),
        Command::Parse(args) => parse::parse(&args, &console),
        Command::Sign(args) => sign::sign(&args, &console),
        Command::Verify(args) => verify::verify(&args, &console),
        Command::Inspect(args) => inspect::inspect(&args, &console),
        Command::Pki(Pki::New(args)) => pki::new(&args, &console),
    };
    match done {
        Ok(outcome) => outcome.into(),
        Err(Failure::OutputClosed) => Outcome::Refused.into(),
        Err(Failure::Output(error)) => {
            console.print_output_error(&error);
            Outcome::Refused.into()
        }
        Err(Failure::Faults(faults)) => {
            console.print_faults(&faults);
            Outcome::Refused.into()
        }
    }
}

/// A SIP edge that signs and verifies STIR/SHAKEN in the call path
#[derive(Debug, Parser)]
#[command(name = "attesta", version, max_term_width = 110)]
#[command(
    after_help = "Exit status: 0 success or yes, 1 the answer is no, 2 a fault of usage or configuration, 3 nothing to judge."
)]
struct Cli {
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN", display_order = 900)]
    color: Color,
    /// Print JSON, one object per line
    #[arg(long, global = true, display_order = 901)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the edge. Without --config, use the embedded default: signed calls on loopback
    ///
    /// After SIGTERM or SIGINT the edge accepts emergency calls only, and waits for the end of the calls in progress. After
    /// --drain the edge hangs up the remaining calls. Then it exits. A second signal stops the edge immediately: the parties
    /// of calls in progress get no BYE. SIGHUP changes nothing.
    Run(Run),
    /// Place calls over loopback sockets through a signing edge and a verifying edge, and show the messages
    Demo(Demo),
    /// Check a configuration with its keys and certificates, and print what `run` would start
    Check(Check),
    /// Parse raw SIP messages, one datagram per file
    Parse(Parse),
    /// Print the value of a signed Identity header field
    Sign(Sign),
    /// Verify every Identity header field of SIP messages, offline
    Verify(Verify),
    /// Decode an Identity header field, a PASSporT, certificates, a CRL, a trust list, SIP messages or a packet
    /// capture, without verifying anything
    Inspect(Inspect),
    /// Create a throw-away STI hierarchy for tests
    #[command(subcommand)]
    Pki(Pki),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
