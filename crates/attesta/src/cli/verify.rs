//! `attesta verify`: verifies every Identity header field of each message offline.

pub(super) mod args;
mod report;
mod rules;

use std::io::{self, Write};

use attesta_b2bua::Trunk;
use attesta_sip::{Frame, Framer, Identity, Limits, Message, Name, Request};
use attesta_stir::cert::Snapshot;
use attesta_stir::{FindingResult, ReplaySet, Sighting, UnixTime, Verdict, Verification, Verifier};
use bytes::Bytes;

use self::args::Verify;
use self::report::MessageReport;
use self::rules::Rules;
use super::input::Input;
use super::outcome::Outcome;
use crate::console::Console;
use crate::fault::{Failure, Fault};
use crate::time;

pub(super) fn verify(args: &Verify, console: &Console) -> Result<Outcome, Failure> {
    let at = args.at.unwrap_or_else(time::now);
    let rules = Rules::read(args, at, console)?;
    let inputs: Vec<_> = args.messages.iter().map(Input::new).collect();
    let several = inputs.len() > 1;
    let snapshot = rules.cache(args, at)?.snapshot();
    let replays = ReplaySet::new(rules.freshness, MAX_TOKENS);
    let verifier = Verifier::new(rules.anchors, rules.policy);
    let mut batch = Batch { verifier, snapshot, at, replays, console, out: console.out(), outcome: None };
    for input in &inputs {
        if input.is_stream() {
            for (index, request) in read_stream(input)?.iter().enumerate() {
                batch.verify(request, |report| report.named(input.name().into_owned(), Some(index)))?;
            }
        } else {
            let request = read_request(input)?;
            batch.verify(&request, |report| {
                if several { report.named(input.name().into_owned(), None) } else { report }
            })?;
        }
    }
    batch.out.flush()?;
    Ok(batch.outcome.unwrap_or(Outcome::Nothing))
}

/// Verifies messages, prints a line for each and keeps the overall result.
struct Batch<'a, W> {
    verifier: Verifier,
    snapshot: std::sync::Arc<Snapshot>,
    at: UnixTime,
    /// The tokens of the previous messages.
    replays: ReplaySet,
    console: &'a Console,
    out: W,
    outcome: Option<Outcome>,
}

impl<W: Write> Batch<'_, W> {
    fn verify(
        &mut self,
        request: &Request,
        name: impl FnOnce(MessageReport) -> MessageReport,
    ) -> Result<(), Failure> {
        // The source of the message is unknown, so the defaults of a trunk apply.
        let any_trunk = Trunk::new("any");
        let verification =
            attesta_b2bua::verify(request, &any_trunk, &self.verifier, &self.snapshot, self.at);
        let wanted: Vec<String> = verification.wanted().iter().map(ToString::to_string).collect();
        let verification = verification.give_up();
        let replayed = self.replayed(request, &verification);
        let report = name(MessageReport::of(&verification, &replayed, wanted));
        if self.console.json_or_piped() {
            serde_json::to_writer(&mut self.out, &report).map_err(io::Error::from)?;
            writeln!(self.out)?;
        } else {
            report.write(&mut self.out, self.console.palette())?;
        }
        let own = match verification.verdict() {
            Verdict::Pass => Outcome::Done,
            Verdict::Fail => Outcome::No,
            Verdict::None => Outcome::Nothing,
        };
        // If one message fails, the overall result is `No`. Otherwise, if one message passes, the overall result is `Done`.
        self.outcome = Some(match (self.outcome, own) {
            (Some(Outcome::No), _) | (_, Outcome::No) => Outcome::No,
            (Some(Outcome::Done), _) => Outcome::Done,
            (_, own) => own,
        });
        Ok(())
    }

    /// Returns one value for each Identity header field: true if its token verified and appeared in an earlier call (RFC
    /// 8224 section 12.1). Tokens that did not verify are not recorded.
    fn replayed(&mut self, request: &Request, verification: &Verification) -> Vec<bool> {
        let call = request.headers().get(Name::CallId).unwrap_or_default();
        let tokens = request.headers().values(Name::Identity).map(Identity::parse);
        let mut replayed = Vec::new();
        for (finding, identity) in verification.findings().iter().zip(tokens) {
            let token = identity.ok().filter(|_| finding.result() == FindingResult::Pass);
            replayed.push(token.is_some_and(|identity| {
                self.replays.observe(identity.token(), call, self.at) == Sighting::Replayed
            }));
        }
        replayed
    }
}

fn read_request(input: &Input) -> Result<Request, Fault> {
    let octets = input.read(MAX_MESSAGE)?;
    match Message::parse(Bytes::from(octets), &Limits::default()) {
        Ok(Message::Request(request)) => Ok(request),
        Ok(Message::Response(_)) => Err(Fault::in_file(input.name(), "this is a response")
            .help("give the request to verify, such as the INVITE")),
        Err(error) => Err(Fault::in_file(input.name(), format!("this is not a SIP message: {error}"))),
    }
}

/// Returns the requests of one direction of a TCP connection. Responses are skipped, because they have no caller.
fn read_stream(input: &Input) -> Result<Vec<Request>, Fault> {
    let octets = input.read(MAX_STREAM)?;
    let mut framer = Framer::new(Limits::default());
    let mut requests = Vec::new();
    for piece in octets.chunks(STREAM_PIECE) {
        framer.push(piece);
        while let Some(frame) = framer.poll() {
            match frame {
                Ok(Frame::Message(Message::Request(request))) => requests.push(request),
                Ok(Frame::Message(Message::Response(_)) | Frame::Ping | Frame::Pong) => {}
                Err(error) => {
                    let text = format!("message {} is not a SIP message: {}", requests.len(), error.error());
                    return Err(Fault::in_file(input.name(), text));
                }
            }
        }
    }
    Ok(requests)
}

const MAX_MESSAGE: u64 = 65_535;
/// The size limit of one direction of a connection, in octets.
const MAX_STREAM: u64 = 64 * 1024 * 1024;
const STREAM_PIECE: usize = 64 * 1024;
/// The number of tokens that are kept to detect a replay.
const MAX_TOKENS: usize = 1 << 16;
