//! The switchboard and its shell: time, and the questions that the switchboard asks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attesta_b2bua::{
    Admission, Arrival, Config, Consequence, Counters, Decision, Destination, Input, Later, Now, Output,
    Policy, Question, Reply, ResolveError, Routing, SignError, Switchboard, Target, Token, Unreachable,
};
use attesta_sip::Status;
use attesta_stir::{Attestation, UnixTime, Verification};
use attesta_transaction::{Flow, Seed, Transmit, Transport, WorkerPlace};
use bytes::Bytes;

use super::edge::{DOMAIN, EPOCH, certificates};

/// A question of the switchboard's that waits for its answer.
#[derive(Debug)]
pub(super) enum Asked {
    Resolve(Token, Target),
    Reach(Token),
    Sign(Token),
    Decide(Token, Question),
}

pub(super) struct Shell {
    board: Switchboard<Deciding>,
    pub(super) now: Now,
    pub(super) deadline: Option<Instant>,
    pub(super) wire: VecDeque<Transmit>,
    pub(super) questions: VecDeque<Asked>,
    /// Whether questions wait for a step that answers them.
    pub(super) holds: bool,
    /// The last token that was answered.
    spent: Option<Token>,
    /// Whether the switchboard did not learn where the peer of a dialog is.
    pub(super) left_in_the_dark: bool,
}

impl Shell {
    #[expect(clippy::disallowed_methods, reason = "there is no other instant to start from")]
    pub(super) fn new(config: Arc<Config>, holds: bool, later: u8) -> Self {
        let place = WorkerPlace { instance: 1, worker: 0 };
        Self {
            board: Switchboard::new(config, Deciding { later }, place, &Seed::new([7; 32])),
            now: Now { mono: Instant::now(), unix: UnixTime::since_unix_epoch(Duration::from_secs(EPOCH)) },
            deadline: None,
            wire: VecDeque::new(),
            questions: VecDeque::new(),
            holds,
            spent: None,
            left_in_the_dark: false,
        }
    }

    pub(super) fn counters(&self) -> Counters {
        self.board.counters()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.board.is_settled()
    }

    pub(super) fn receives(&mut self, flow: Flow, data: Bytes) {
        self.input(Input::Datagram { flow, data });
    }

    pub(super) fn input(&mut self, input: Input) {
        self.board.handle_input(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            let asked = match self.board.poll_output() {
                Output::Transmit(transmit) => {
                    self.wire.push_back(transmit);
                    continue;
                }
                Output::Resolve { token, target, .. } => Asked::Resolve(token, target),
                Output::Reach { token, .. } => Asked::Reach(token),
                Output::Sign { token, .. } => Asked::Sign(token),
                Output::Decide { token, question } => Asked::Decide(token, question),
                Output::FetchCertificate(_) | Output::Event(_) | Output::FindDialog { .. } => continue,
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            };
            if self.holds {
                self.questions.push_back(asked);
            } else {
                let input = self.answer_to(asked, 0);
                self.board.handle_input(self.now, input);
            }
        }
    }

    /// Answers the question at this place: well by outcome 0, badly by others; by the last of them with a token that was
    /// answered before.
    pub(super) fn answers(&mut self, place: usize, outcome: usize) {
        let Some(asked) = self.questions.remove(place % self.questions.len().max(1)) else { return };
        let input = self.answer_to(asked, outcome);
        self.input(input);
    }

    fn answer_to(&mut self, asked: Asked, outcome: usize) -> Input {
        let (Asked::Resolve(token, _) | Asked::Reach(token) | Asked::Sign(token) | Asked::Decide(token, _)) =
            asked;
        let token = if outcome == OUTCOMES - 1 { self.spent.unwrap_or(token) } else { token };
        self.spent = Some(token);
        match asked {
            Asked::Resolve(_, target) => {
                self.left_in_the_dark |= outcome != 0 && is_of_a_peer(&target);
                let result = match outcome {
                    1 => Err(ResolveError::NotFound),
                    2 => Err(ResolveError::Timeout),
                    3 => Ok(Vec::new()),
                    _ => destinations(&target),
                };
                Input::Resolved { token, result }
            }
            Asked::Reach(_) => {
                let result = match outcome {
                    1 => Err(Unreachable::Refused),
                    2 => Err(Unreachable::NoRoom),
                    _ => Ok(()),
                };
                Input::Reached { token, result }
            }
            Asked::Sign(_) => {
                let result = match outcome {
                    1 => Err(SignError::Unavailable),
                    2 => Err(SignError::Refused),
                    3 => Err(SignError::Invalid),
                    _ => Ok(Bytes::from_static(IDENTITY)),
                };
                Input::Signed { token, result }
            }
            Asked::Decide(_, question) => Input::Decided { token, decision: decision(&question, outcome) },
        }
    }

    /// The certificate that INVITEs name could not be fetched.
    pub(super) fn learns(&mut self) {
        self.input(Input::Certificates(certificates()));
    }

    /// Wakes the switchboard when it next asks for it; gives `false` where that is not before `end`, which it is then.
    pub(super) fn wakes_before(&mut self, end: Instant) -> bool {
        let Some(deadline) = self.deadline.filter(|deadline| *deadline <= end) else {
            self.moves_to(end);
            return false;
        };
        self.moves_to(deadline.max(self.now.mono));
        self.input(Input::Timeout);
        true
    }

    /// The timer fires this much too late.
    pub(super) fn oversleeps(&mut self, span: Duration) {
        self.moves_to(self.now.mono + span);
        self.input(Input::Timeout);
    }

    fn moves_to(&mut self, mono: Instant) {
        let asks = |asked: &Asked| matches!(asked, Asked::Resolve(_, target) if is_of_a_peer(target));
        self.left_in_the_dark |= self.questions.iter().any(asks);
        let unix = Duration::from_secs(self.now.unix.as_secs()) + mono.duration_since(self.now.mono);
        self.now = Now { mono, unix: UnixTime::since_unix_epoch(unix) };
    }
}

/// How a question may be answered.
pub(super) const OUTCOMES: usize = 5;
/// No history keeps the switchboard awake more often than this while nothing else happens.
pub(super) const MOST_WAKES: usize = 2_000;

const IDENTITY: &[u8] = b"a.b.c;info=<https://cr.example.net/own.pem>;alg=ES256;ppt=shaken";

/// Addresses stand for themselves; the names of the peers are those of their Contacts.
fn destinations(target: &Target) -> Result<Vec<Destination>, ResolveError> {
    let transport = target.transport.unwrap_or(Transport::Udp);
    let address = target.host.strip_suffix(DOMAIN).unwrap_or(&target.host);
    let address = format!("{address}:{}", target.port.unwrap_or(5060));
    let address = address.parse().map_err(|_| ResolveError::NotFound)?;
    Ok(vec![Destination { transport, address, server_name: None }])
}

/// Whether a dialog leads there, and not a route.
fn is_of_a_peer(target: &Target) -> bool {
    target.host.ends_with(DOMAIN)
}

fn decision(question: &Question, outcome: usize) -> Decision {
    match question {
        Question::Admit(_) if outcome == 1 => Decision::Admit(Admission::Refuse(Status::FORBIDDEN)),
        // Not of the phase that is asked.
        Question::Admit(_) if outcome == 2 => Decision::Route(Routing::Configured),
        Question::Admit(_) => Decision::Admit(Admission::Admit),
        Question::Judge { .. } if outcome == 1 => Decision::Judge(Consequence::Reject),
        Question::Judge { .. } => Decision::Judge(Consequence::Continue),
        Question::Route(_) if outcome == 1 => Decision::Route(Routing::Refuse(Status::NOT_FOUND)),
        Question::Route(_) if outcome == 2 => Decision::Route(Routing::Trunks(vec!["nowhere".into()])),
        Question::Route(_) => Decision::Route(Routing::Configured),
        Question::Attest { .. } if outcome == 1 => Decision::Attest(None),
        Question::Attest { planned, .. } => Decision::Attest(*planned),
    }
}

/// A policy that answers some phases later: one bit each.
#[derive(Debug)]
struct Deciding {
    later: u8,
}

impl Deciding {
    fn reply<D>(&self, phase: u8, later: Later, decision: D) -> Reply<D> {
        if self.later & (1 << phase) == 0 { Reply::Now(decision) } else { Reply::Pending(later) }
    }
}

impl Policy for Deciding {
    fn admit(&mut self, _: Now, _: &Arrival, later: Later) -> Reply<Admission> {
        self.reply(0, later, Admission::Admit)
    }

    fn judge(
        &mut self,
        _: Now,
        _: &Arrival,
        _: &Verification,
        planned: Consequence,
        later: Later,
    ) -> Reply<Consequence> {
        self.reply(1, later, planned)
    }

    fn route(&mut self, _: Now, _: &Arrival, later: Later) -> Reply<Routing> {
        self.reply(2, later, Routing::Configured)
    }

    fn attest(
        &mut self,
        _: Now,
        _: &Arrival,
        _: &str,
        planned: Option<Attestation>,
        later: Later,
    ) -> Reply<Option<Attestation>> {
        self.reply(3, later, planned)
    }
}
