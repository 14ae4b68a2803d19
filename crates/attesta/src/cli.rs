//! The command line: what may be typed, and what becomes of it.

mod check;
mod demo;
mod input;
mod inspect;
mod parse;
mod passport;
mod pki;
mod run;
mod screen;
mod sign;
pub(crate) mod time;
mod tree;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use attesta::pki::Scope;
use attesta_stir::{Identity, OrigId, UnixTime};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::fault::{Failure, Fault};
pub(crate) use screen::Screen;

/// Reads the command line, does what it says, and gives the exit status.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = Screen::new(cli.color, cli.json);
    let done = match cli.command {
        Command::Run(args) => run::run(&args, &screen),
        Command::Demo(args) => demo::demo(&args, &screen),
        Command::Check(args) => check::check(&args, &screen),
        Command::Parse(args) => parse::parse(&args, &screen),
        Command::Sign(args) => sign::sign(&args, &screen),
        Command::Verify(args) => verify::verify(&args, &screen),
        Command::Inspect(args) => inspect::inspect(&args, &screen),
        Command::Pki(Pki::New(args)) => pki::new(&args, &screen),
    };
    match done {
        Ok(outcome) => outcome.into(),
        Err(Failure::OutputClosed) => Outcome::Refused.into(),
        Err(Failure::Output(error)) => {
            screen.complain_of_output(&error);
            Outcome::Refused.into()
        }
        Err(Failure::Faults(faults)) => {
            screen.complain(&faults);
            Outcome::Refused.into()
        }
    }
}

/// The runtime of the commands that have sockets.
fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Fault::new(format!("no threads to run on: {error}")))
}

/// How a command ended: its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: what was asked is done, and the answer is yes.
    Done,
    /// 1: the answer is no: a verification failed, a message was refused.
    No,
    /// 2: usage or configuration.
    Refused,
    /// 3: there was nothing to judge.
    Nothing,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::No => 1,
            Outcome::Refused => 2,
            Outcome::Nothing => 3,
        })
    }
}

/// A SIP edge that signs and verifies STIR/SHAKEN in the call path
#[derive(Debug, Parser)]
#[command(name = "attesta", version, max_term_width = 110)]
#[command(
    after_help = "Exit status: 0 done, 1 the answer is no, 2 usage or configuration, 3 nothing to judge."
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

/// When output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the edge: without --config on the embedded default, signed calls on loopback
    ///
    /// SIGTERM and SIGINT let it end its calls: it begins none any more but emergency calls, hangs up what is left after --drain,
    /// and exits. A second one stops it at once: calls in progress are left as they are, and their parties are not told.
    /// SIGHUP changes nothing.
    Run(Run),
    /// Place calls over real loopback sockets through a signing and a verifying edge, and show them
    Demo(Demo),
    /// Read a configuration, load its keys and certificates, and say what would run
    Check(Check),
    /// Parse raw SIP messages, one datagram per file
    Parse(Parse),
    /// Print the value of a signed Identity header field
    Sign(Sign),
    /// Verify every Identity header field of SIP messages, offline
    Verify(Verify),
    /// Explain an Identity header field, a PASSporT, certificates, a CRL, a trust list, SIP messages or a capture, without judging them
    Inspect(Inspect),
    /// Make a throw-away STI hierarchy to try things with
    #[command(subcommand)]
    Pki(Pki),
}

#[derive(Debug, Args)]
struct Run {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long calls in progress may go on after SIGTERM or SIGINT, as 0s, 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = run::DRAIN, value_parser = run::duration)]
    drain: Duration,
}

#[derive(Debug, Args)]
struct Demo {
    /// How many calls to place, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    calls: u32,
}

#[derive(Debug, Args)]
struct Check {
    /// The configuration file; without it, the embedded default is checked
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the embedded default, with every key and what it means, and do nothing else
    #[arg(long, conflicts_with = "config")]
    print_default: bool,
}

/// A file, a folder of files or `-` for standard input; `.stream` files hold one direction of a TCP connection
#[derive(Debug, Args)]
struct Parse {
    /// Files, folders (with what is below them), or - for standard input
    #[arg(value_name = "FILE|DIR|-", default_value = "-")]
    paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct Sign {
    /// The signing key: PKCS #8 or SEC 1 PEM, P-256
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where verifiers find the certificate
    #[arg(long, value_name = "URL")]
    x5u: String,
    /// The calling number, with or without visual separators, or a tel: or sip: URI
    #[arg(long, value_name = "TN", value_parser = sign::caller)]
    orig: Identity,
    /// The called number, or a tel:, sip: or urn: URI; may be given again
    #[arg(long, value_name = "TN", required = true, value_parser = sign::callee)]
    dest: Vec<Identity>,
    /// The type of the PASSporT: a provider's, or one of a delegate of numbers, which has neither --attest nor --origid
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = SignedType::Shaken)]
    ppt: SignedType,
    /// How well the signer knows the caller
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Attest::A)]
    attest: Attest,
    /// What tells this origin from others, a UUID [default: a random one]
    #[arg(long, value_name = "UUID")]
    origid: Option<OrigId>,
    /// The time of signing: RFC 3339 or seconds since the epoch [default: now]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<UnixTime>,
}

/// The types that are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SignedType {
    /// RFC 8588
    Shaken,
    /// RFC 8225, without a type
    Base,
}

/// The attestation levels of SHAKEN (RFC 8588 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
enum Attest {
    /// The caller is known, and has the right to the number
    A,
    /// The caller is known
    B,
    /// Only the gateway is known
    C,
}

#[derive(Debug, Args)]
struct Verify {
    /// The STI roots to believe, PEM [default: those of --config]
    #[arg(long, value_name = "PEM", required_unless_present = "config")]
    anchors: Option<PathBuf>,
    /// The time at which to judge: RFC 3339 or seconds since the epoch [default: now]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<UnixTime>,
    /// What a fetch of URL would give: a certificate chain, PEM or DER; may be given again
    #[arg(long, value_name = "URL=FILE", value_parser = verify::certificate)]
    cert: Vec<(String, PathBuf)>,
    /// A revocation list, PEM or DER, direct or indirect; may be given again [default: those of --config]
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// The roots below which the lists are signed, PEM [default: those of --config, or else the anchors]
    #[arg(long, value_name = "PEM")]
    crl_anchors: Option<PathBuf>,
    /// What holds when a list is out of date, or there is none [default: that of --config, or else soft]
    #[arg(long, value_name = "POLICY", value_enum)]
    crl_stale: Option<Stale>,
    /// Take [verify] and the trust domain "default" from this configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// SIP messages, one datagram per file, or - for standard input; a .stream file holds one direction of TCP
    #[arg(value_name = "MESSAGE|-", required = true)]
    messages: Vec<PathBuf>,
}

/// What becomes of calls when revocation lists are out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stale {
    /// What was revoked stays revoked, and all else is believed
    Soft,
    /// Nothing verifies
    Hard,
}

#[derive(Debug, Args)]
struct Inspect {
    /// What to decode, or - for standard input
    #[arg(value_name = "FILE|-")]
    path: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Pki {
    /// Write roots, certificates, a delegate, CRLs and a trust list to a folder
    New(NewPki),
}

#[derive(Debug, Args)]
struct NewPki {
    /// The folder, which is made if it is not there
    dir: PathBuf,
    /// Service provider code that the leaf vouches for [default: 1234, unless --tn is given]
    #[arg(long, value_name = "CODE", value_parser = Scope::provider)]
    spc: Option<Scope>,
    /// Telephone number that leaf and delegate vouch for; trailing dots make a range: +1215555....
    #[arg(long, value_name = "NUMBER", value_parser = Scope::numbers)]
    tn: Vec<Scope>,
    /// Days until the certificates expire
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
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
