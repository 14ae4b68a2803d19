//! A history: its steps, and the messages that result from them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use attesta_b2bua::Input;
use attesta_sip::{Limits, Message};
use attesta_transaction::{Transmit, Transport};
use bytes::Bytes;

use super::choices::Choices;
use super::edge::{FIRST_CALLEE, NUMBERS, PEERS, URL, VARIANTS, address, config};
use super::message::OFFER;
use super::peer::{IN_TIME, Peer};
use super::sent::{Fault, Outside};
use super::shell::{MOST_WAKES, OUTCOMES, Shell};

/// The results of a history.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Calls that began.
    pub calls: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that both sides considered established at the comparison.
    pub compared: u64,
    /// Calls that were not compared, because a peer broke RFC 3261 or a message was not sent.
    pub uncertain: u64,
}

impl Outcome {
    /// Adds the results of another history.
    pub fn add(&mut self, other: &Self) {
        let Self { calls, answered, compared, uncertain } = other;
        self.calls += calls;
        self.answered += answered;
        self.compared += compared;
        self.uncertain += uncertain;
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { calls, answered, compared, uncertain } = self;
        write!(f, "{calls} calls, {answered} answered; compared at rest: {compared} established, ")?;
        write!(f, "{uncertain} left out")
    }
}

/// What happens to the next message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Lost,
    Doubled,
    /// The shell reports that the message was not sent. A message of a peer is lost.
    Failed,
    /// The shell reports that it had no room for the message.
    NoRoom,
}

/// A call that a caller began.
#[derive(Default)]
pub(super) struct Call {
    /// True if the built-in callee answers the call.
    pub(super) callee: bool,
    pub(super) uncertain: bool,
}

pub(super) struct History<'a> {
    pub(super) choices: Choices<'a>,
    pub(super) shell: Shell,
    pub(super) peers: [Peer; 4],
    pub(super) calls: Vec<Call>,
    /// True if a message was sent that the model does not follow.
    pub(super) strays: bool,
    /// The final response of each request, by peer, branch and method.
    pub(super) finals: BTreeMap<(usize, String, String), Bytes>,
    pub(super) call_ids: BTreeMap<String, usize>,
    pub(super) outcome: Outcome,
    fates: VecDeque<Fate>,
    tells: bool,
    /// True if the switchboard continues after the history. Then the history does not stop the switchboard.
    lasts: bool,
    /// The number of calls that the switchboard answered before the history.
    pub(super) answered_before: u64,
}

/// Runs the history that these octets describe. If `tells` is true, prints each message.
///
/// # Errors
///
/// The rule of the model that was broken.
pub fn run(octets: &[u8], tells: bool) -> Result<Outcome, String> {
    let mut choices = Choices::new(octets);
    let variant = choices.of(VARIANTS);
    let holds = choices.one_in(4);
    let later = if choices.one_in(4) { choices.octet().unwrap_or_default() } else { 0 };
    let shell = Shell::new(config(variant), holds, later);
    run_on(shell, choices, false, tells).map(|(outcome, _)| outcome)
}

/// Runs a history on a switchboard that continues afterwards, and returns the switchboard.
pub(super) fn run_on(
    shell: Shell,
    choices: Choices<'_>,
    lasts: bool,
    tells: bool,
) -> Result<(Outcome, Shell), String> {
    let answered_before = shell.counters().answered;
    let place = |place: usize| Peer::new(place, PEERS.get(place).copied().unwrap_or(("", Transport::Udp)));
    let mut history = History {
        choices,
        shell,
        peers: std::array::from_fn(place),
        calls: Vec::new(),
        strays: false,
        finals: BTreeMap::new(),
        call_ids: BTreeMap::new(),
        outcome: Outcome::default(),
        fates: VecDeque::new(),
        tells,
        lasts,
        answered_before,
    };
    history.calls(0)?;
    while let Some(octet) = history.choices.octet() {
        history.step(octet)?;
    }
    history.ends()?;
    Ok((history.outcome, history.shell))
}

impl History<'_> {
    fn step(&mut self, octet: u8) -> Result<(), String> {
        match octet % 64 {
            0..=2 => {
                let who = self.choices.of(FIRST_CALLEE);
                return self.calls(who);
            }
            3..=5 => self.cancels(),
            6..=11 => self.acknowledges(),
            12..=27 => self.requests(),
            28..=46 => self.answers(),
            47 => self.repeats(),
            48..=50 => {
                let (place, outcome) = (self.choices.of(8), self.choices.of(OUTCOMES));
                self.shell.answers(place, outcome);
            }
            51..=55 => return self.time_passes(),
            56..=58 => {
                let fates = [Fate::Lost, Fate::Lost, Fate::Doubled, Fate::Failed, Fate::NoRoom];
                self.fates.extend(self.choices.among(&fates));
            }
            59 => self.asks(),
            60 => self.shell.learns(),
            61 => self.shell_says(),
            _ => return self.rests(),
        }
        self.carries()
    }

    /// A caller begins a call.
    fn calls(&mut self, who: usize) -> Result<(), String> {
        let (kind, what) = (self.choices.octet().unwrap_or_default(), self.choices.of(16));
        let number = match what {
            0 => NUMBERS[1],
            1 => NUMBERS[2],
            _ => NUMBERS[0],
        };
        let call = self.calls.len();
        let options = if kind & 0x20 == 0 { "100rel, timer" } else { "timer" };
        let mut rest = format!("X-Call: {call}\r\nSupported: {options}\r\n");
        if kind & 1 != 0 {
            rest.push_str(&format!("Identity: a.b.c;info=<{URL}>;alg=ES256;ppt=shaken\r\n"));
        }
        if kind & 0x1c == 0x1c {
            // Too large for a datagram (RFC 3261 section 18.1.1).
            rest.push_str(&format!("X-Padding: {}\r\n", "x".repeat(1_400)));
        }
        let body = if kind & 2 == 0 { OFFER } else { "" };
        let now = self.shell.now.mono;
        self.calls.push(Call { callee: number == NUMBERS[1], uncertain: false });
        if let Some(peer) = self.peers.get_mut(who) {
            peer.asks(now, &Outside { method: "INVITE", number, call: Some(call), rest: &rest, body });
            let call_id = peer.sent.last().map(|sent| sent.call_id.clone());
            self.call_ids.extend(call_id.map(|id| (id, call)));
        }
        self.outcome.calls += 1;
        self.carries()
    }

    fn cancels(&mut self) {
        let (who, which, now) = (self.choices.of(4), self.choices.of(4), self.shell.now.mono);
        let Some(peer) = self.peers.get_mut(who) else { return };
        let invites = (0..peer.sent.len())
            .rev()
            .filter(|place| peer.sent.get(*place).is_some_and(|sent| sent.may_be_cancelled(now)));
        let place = invites.clone().nth(which).or(invites.clone().next());
        if let Some(place) = place {
            peer.cancels(now, place);
        }
    }

    fn acknowledges(&mut self) {
        for peer in &mut self.peers {
            let owes = |place: &usize| {
                peer.dialogs
                    .get(*place)
                    .is_some_and(|dialog| dialog.acks.iter().any(|(_, ack)| ack.is_none()))
            };
            if let Some(place) = (0..peer.dialogs.len()).find(owes) {
                return peer.acknowledges(place);
            }
        }
    }

    /// A peer sends a request within a dialog.
    fn requests(&mut self) {
        let (who, how, now) =
            (self.choices.of(4), self.choices.octet().unwrap_or_default(), self.shell.now.mono);
        let methods =
            ["BYE", "INFO", "UPDATE", "UPDATE", "INVITE", "INVITE", "INVITE", "PRACK", "OPTIONS", "MESSAGE"];
        let Some(method) = self.choices.among(&methods) else { return };
        let Some(peer) = self.peers.get_mut(who) else { return };
        let open = |place: &usize| {
            peer.dialogs.get(*place).is_some_and(|dialog| dialog.stage != super::dialog::Stage::Ended)
        };
        let open: Vec<_> = (0..peer.dialogs.len()).filter(open).collect();
        let Some(dialog) = open.get(usize::from(how >> 4) % open.len().max(1)).copied() else { return };
        let fault = match how & 15 {
            0 => Some(Fault::Sequence),
            1 => Some(Fault::Tag),
            _ => None,
        };
        let session = matches!(method, "UPDATE" | "INVITE" | "PRACK") && how & 2 == 0;
        peer.requests(now, dialog, method, session, fault);
    }

    /// A peer answers a request, usually the last request that waits for a response.
    fn answers(&mut self) {
        let (who, how, now) =
            (self.choices.of(8), self.choices.octet().unwrap_or_default(), self.shell.now.mono);
        // Callees are chosen more often, because they have more requests to answer.
        let who = if who < 4 { who } else { FIRST_CALLEE + who % 2 };
        let Some(peer) = self.peers.get_mut(who) else { return };
        let waits = |place: &usize| peer.asked.get(*place).is_some_and(|asked| asked.done.is_none());
        let waiting: Vec<_> = (0..peer.asked.len()).rev().filter(waits).collect();
        let place = match waiting.get(usize::from(how & 3)).or(waiting.first()) {
            Some(place) if how & 0x70 != 0 => *place,
            _ => usize::from(how & 3) % peer.asked.len().max(1),
        };
        let Some(asked) = peer.asked.get(place) else { return };
        let statuses: &[u16] = match (asked.method.as_str(), asked.dialog) {
            ("INVITE", None) => {
                &[100, 180, 180, 183, 200, 200, 200, 200, 302, 404, 480, 486, 487, 500, 503, 603]
            }
            ("INVITE", Some(_)) => &[100, 180, 200, 200, 200, 200, 408, 481, 487, 488, 491, 500],
            _ => &[100, 200, 200, 200, 200, 400, 408, 481, 491, 500],
        };
        let Some(status) = self.choices.among(statuses) else { return };
        peer.answers(now, place, status, usize::from(how >> 7), status == 183 || how & 0x0c == 0x0c);
    }

    fn repeats(&mut self) {
        let (who, which) = (self.choices.of(4), self.choices.of(8));
        if let Some(peer) = self.peers.get_mut(who) {
            peer.repeats(which);
        }
    }

    /// A peer sends a request outside any dialog, or octets that are no request.
    fn asks(&mut self) {
        let (who, now) = (self.choices.of(FIRST_CALLEE), self.shell.now.mono);
        let methods = ["MESSAGE", "MESSAGE", "OPTIONS", "REGISTER", "BYE", "FROB"];
        let method = if self.choices.one_in(8) { None } else { self.choices.among(&methods) };
        let at = self.choices.of(usize::from(u8::MAX));
        let Some(peer) = self.peers.get_mut(who) else { return };
        if let Some(method) = method {
            let rest = format!("Identity: a.b.c;info=<{URL}>;alg=ES256;ppt=msg\r\n");
            let rest = if at.is_multiple_of(4) { rest.as_str() } else { "" };
            return peer.asks(now, &Outside { method, number: NUMBERS[0], call: None, rest, body: "" });
        }
        // Some octets of the message are damaged. The model does not follow the effects of this message.
        self.strays = true;
        let number = NUMBERS[0];
        peer.asks(now, &Outside { method: "INVITE", number, call: None, rest: "", body: OFFER });
        if let (Some((_, message)), Some(sent)) = (peer.out.last_mut(), peer.sent.last_mut()) {
            let mut octets = message.to_vec();
            for (octet, value) in octets.iter_mut().skip(at).take(3).zip([b'\r', 0xff, b' ']) {
                *octet = value;
            }
            *message = octets.into();
            sent.octets = message.clone();
        }
    }

    fn shell_says(&mut self) {
        let variant = self.choices.of(VARIANTS);
        match self.choices.of(8) {
            0 if !self.lasts => self.shell.input(Input::HangUp),
            1 | 2 if !self.lasts => self.shell.input(Input::Drain),
            _ => self.shell.input(Input::Configure(config(variant))),
        }
    }

    /// Time passes, and the peers retransmit messages without an answer.
    fn time_passes(&mut self) -> Result<(), String> {
        let spans = [1, 600, 600, 2_500, 2_500, 4_500, 33_000, 125_000];
        let span = self.choices.among(&spans).unwrap_or(1);
        if span == 1 {
            self.shell.oversleeps(Duration::from_millis(700));
            return self.carries();
        }
        let (mut left, mut chunk) = (Duration::from_millis(span), Duration::from_millis(500));
        while !left.is_zero() {
            let part = left.min(chunk);
            self.passes(part)?;
            for peer in &mut self.peers {
                peer.retransmits(self.shell.now.mono);
            }
            self.carries()?;
            left -= part;
            chunk *= 2;
        }
        Ok(())
    }

    /// Advances the time, and wakes the switchboard at each of its deadlines.
    pub(super) fn passes(&mut self, span: Duration) -> Result<(), String> {
        let end = self.shell.now.mono + span;
        for _ in 0..MOST_WAKES {
            if !self.shell.wakes_before(end) {
                return self.carries();
            }
            self.carries()?;
        }
        Err("the switchboard does not sleep".to_owned())
    }

    /// Delivers messages until none is under way.
    pub(super) fn carries(&mut self) -> Result<(), String> {
        for _ in 0..MOST_MESSAGES {
            if let Some(transmit) = self.shell.wire.pop_front() {
                self.delivers(transmit)?;
                continue;
            }
            let sent: Vec<_> = self.peers.iter_mut().flat_map(|peer| peer.out.drain(..)).collect();
            if sent.is_empty() {
                return Ok(());
            }
            for (flow, octets) in sent {
                self.tells("", flow.remote, &octets);
                let unreliable = flow.transport == Transport::Udp;
                match self.fates.pop_front() {
                    Some(Fate::Lost | Fate::Failed | Fate::NoRoom) if unreliable => continue,
                    Some(Fate::Doubled) if unreliable => {
                        self.notes_provisional(&octets);
                        self.shell.receives(flow.clone(), octets.clone());
                        self.shell.receives(flow, octets);
                    }
                    Some(_) | None => {
                        self.notes_provisional(&octets);
                        self.shell.receives(flow, octets);
                    }
                }
            }
        }
        Err("messages go round and round".to_owned())
    }

    /// Notes that a provisional response of a peer arrives at the switchboard before its request has timed out.
    fn notes_provisional(&mut self, octets: &Bytes) {
        if octets.starts_with(b"SIP/2.0 1") {
            let now = self.shell.now.mono;
            let asked = self.peers.iter_mut().flat_map(|peer| &mut peer.asked);
            asked
                .filter(|asked| asked.last.as_ref() == Some(octets) && now.duration_since(asked.at) < IN_TIME)
                .for_each(|asked| asked.heard = true);
        }
    }

    fn delivers(&mut self, transmit: Transmit) -> Result<(), String> {
        let parsed = Message::parse(transmit.payload.clone(), &Limits::default());
        let message =
            parsed.map_err(|error| format!("a message of the switchboard cannot be parsed: {error}"))?;
        let place = PEERS.iter().position(|(at, _)| address(at) == transmit.flow.remote);
        self.tells("edge to ", transmit.flow.remote, &transmit.payload);
        let Some(place) = place else { return Ok(()) };
        self.checks(place, &message, &transmit.payload)?;
        let unreliable = transmit.flow.transport == Transport::Udp;
        let now = self.shell.now.mono;
        let times = match self.fates.pop_front() {
            Some(Fate::Lost) if unreliable => 0,
            Some(Fate::Doubled) if unreliable => 2,
            Some(fate @ (Fate::Failed | Fate::NoRoom)) => {
                self.undelivered(&message);
                let failed = if fate == Fate::Failed {
                    Input::TransportFailed(transmit)
                } else {
                    Input::NoRoom(transmit)
                };
                self.shell.input(failed);
                return Ok(());
            }
            Some(Fate::Lost | Fate::Doubled) | None => 1,
        };
        for _ in 0..times {
            if let Some(peer) = self.peers.get_mut(place) {
                peer.receives(now, transmit.flow.clone(), message.clone());
            }
        }
        let uncertain: Vec<_> = self.peers.iter_mut().flat_map(|peer| peer.uncertain.drain(..)).collect();
        uncertain.into_iter().flatten().for_each(|call| self.doubts(call));
        Ok(())
    }

    /// From now on the two sides of this call are not compared.
    pub(super) fn doubts(&mut self, call: usize) {
        if let Some(call) = self.calls.get_mut(call) {
            call.uncertain = true;
        }
    }

    pub(super) fn nothing_gets_lost(&mut self) {
        self.fates.clear();
    }

    #[expect(clippy::print_stdout, reason = "a replayed history is printed for a reader")]
    fn tells(&self, who: &str, peer: std::net::SocketAddr, octets: &[u8]) {
        if self.tells {
            let text = String::from_utf8_lossy(octets);
            let lines = text.lines().take_while(|line| !line.is_empty());
            let shown = lines.enumerate().filter(|(place, line)| {
                *place == 0 || ["To:", "CSeq:", "Call-ID:"].iter().any(|name| line.starts_with(name))
            });
            let shown: Vec<_> = shown.map(|(_, line)| line).collect();
            println!("{who}{peer}: {}", shown.join(" | "));
        }
    }
}

/// More messages than any step causes.
const MOST_MESSAGES: usize = 5_000;
