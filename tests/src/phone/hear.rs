//! What a phone does with what it receives.

use std::time::{Duration, Instant};

use attesta_sip::{Name, RAck, Request, Response, Status};
use attesta_transaction::{Event, Failure, Output, ServerId};

use super::line::{Carrier, InviteIn, Line, Stage, cseq, tag, text};
use super::{Asked, Phone, T2, Timer};
use crate::sim::Effect;

impl Phone {
    /// Takes what the transaction layer has to say.
    pub(super) fn drains(&mut self, now: Instant) {
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit(transmit) => self.effects.push_back(Effect::Send(transmit)),
                Output::Event(event) => self.hears(now, event),
                Output::Timeout(at) => {
                    let own = self.timers.keys().next().map(|&(at, _)| at);
                    self.deadline = at.into_iter().chain(own).min();
                    return;
                }
            }
        }
    }

    fn hears(&mut self, now: Instant, event: Event) {
        match event {
            Event::Request { id, request, .. } => self.requested(now, id, request),
            Event::Ack { request, .. } => self.acknowledged(now, &request),
            Event::Cancelled { invite, .. } => {
                let line = self.servers.get(&invite).map(|asked| asked.line);
                if let Some(line) = line {
                    self.refuses(now, line, 487);
                }
            }
            Event::Response { id, response, .. } => self.responded(now, id, &response),
            Event::ClientFailed { id, why } => self.client_failed(now, id, why),
            Event::ServerFailed { id, why } => {
                // A response to an address that is gone: the phone can do nothing about it.
                if let (Failure::Timeout, Some(line)) = (why, self.servers.get(&id).map(|asked| asked.line)) {
                    self.trouble(line, "no ACK of a refusal");
                }
            }
            Event::ClientTerminated { id } => {
                if let Some(sent) = self.clients.remove(&id) {
                    if let Some(line) = self.lines.get_mut(&sent.line) {
                        line.acks.retain(|accepted| accepted.id != id || accepted.ack.is_none());
                    }
                    self.releases(sent.line);
                }
            }
            Event::ServerTerminated { id } => {
                if let Some(asked) = self.servers.remove(&id) {
                    self.releases(asked.line);
                }
            }
        }
    }

    fn releases(&mut self, number: u64) {
        if let Some(line) = self.lines.get_mut(&number) {
            line.refs -= 1;
        }
        self.forgets(number);
    }

    fn requested(&mut self, now: Instant, id: ServerId, request: Request) {
        let headers = request.headers();
        let (seq, method) = cseq(headers);
        let own_tag = tag(headers, Name::To);
        if own_tag.is_empty() {
            return self.asked_outside(now, id, request, &method, seq);
        }
        let dialog = (text(headers, Name::CallId), own_tag);
        let number = self.dialogs.get(&dialog).copied();
        let Some((number, line)) = number.and_then(|number| Some((number, self.lines.get_mut(&number)?)))
        else {
            return self.dismisses(now, id, &request, 481);
        };
        if line.calling && method != "BYE" && line.stage == Stage::Early {
            // The request was faster than the response that makes the dialog.
            line.remote = text(request.headers(), Name::From);
        }
        if matches!(method.as_str(), "INVITE" | "UPDATE" | "REFER") {
            line.follows(request.headers(), Name::From);
        }
        line.refs += 1;
        self.servers
            .insert(id, Asked { line: number, method: method.clone(), request: Some(request.clone()) });
        match method.as_str() {
            "BYE" => self.is_hung_up_on(now, number, id),
            "INVITE" => self.invited_again(now, number, id, seq, &request),
            _ if self.lines.get(&number).is_some_and(|line| line.stage == Stage::Over) => {
                self.responds(now, id, 481, None, None);
            }
            "UPDATE" => self.updated(now, number, id, &request),
            "PRACK" => self.acknowledged_provisional(now, number, id, &request),
            _ => self.agrees_or_waits(now, number, id),
        }
    }

    fn asked_outside(&mut self, now: Instant, id: ServerId, request: Request, method: &str, seq: u32) {
        if method != "INVITE" {
            return self.dismisses(now, id, &request, if method == "OPTIONS" { 200 } else { 481 });
        }
        let call =
            request.headers().named("X-Call").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        let own_tag = self.ids.tag().to_string();
        let mut line = Line::called(call.unwrap_or(u64::MAX), &request, &own_tag);
        let number = self.next_line;
        self.next_line += 1;
        line.refs = 1;
        line.invite_in = Some(InviteIn {
            id,
            seq,
            first: true,
            reliable: self.supports.reliable && text(request.headers(), Name::Supported).contains("100rel"),
            rseq: 0,
            unacknowledged: None,
            answers: false,
            accepted: false,
        });
        if !request.body().is_empty() {
            line.talk.offers(false, Carrier::Invite, request.body_bytes());
        }
        self.dialogs.insert((line.call_id.clone(), own_tag), number);
        self.lines.insert(number, line);
        let plan = text_named(&request, "X-Plan");
        self.servers.insert(id, Asked { line: number, method: method.to_owned(), request: Some(request) });
        self.plans(now, number, &plan);
    }

    fn invited_again(&mut self, now: Instant, number: u64, id: ServerId, seq: u32, request: &Request) {
        let holds = self.holds.answers;
        let Some(line) = self.lines.get_mut(&number) else { return };
        let status = if line.stage == Stage::Over {
            Some(481)
        } else if line.invite_out.is_some() || line.talk.is_open(true) {
            Some(491)
        } else if line.invite_in.as_ref().is_some_and(|invite| !invite.accepted) || line.talk.is_open(false) {
            Some(500)
        } else {
            None
        };
        if let Some(status) = status {
            self.responds(now, id, status, None, None);
            return;
        }
        line.invite_in = Some(InviteIn {
            id,
            seq,
            first: false,
            reliable: false,
            rseq: 0,
            unacknowledged: None,
            answers: false,
            accepted: false,
        });
        if !request.body().is_empty() {
            line.talk.offers(false, Carrier::Invite, request.body_bytes());
        }
        if !holds {
            self.acts(now, number, super::Action::Answer);
        }
    }

    fn updated(&mut self, now: Instant, number: u64, id: ServerId, request: &Request) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        if !request.body().is_empty() {
            let offerless = line.invite_in.as_ref().is_some_and(|invite| !invite.first && !invite.accepted);
            let status = if line.talk.is_open(true) {
                Some(491)
            } else if line.talk.is_open(false) || offerless {
                Some(500)
            } else {
                None
            };
            if let Some(status) = status {
                self.responds(now, id, status, None, None);
                return;
            }
            line.talk.offers(false, Carrier::Update, request.body_bytes());
        }
        self.agrees_or_waits(now, number, id);
    }

    fn agrees_or_waits(&mut self, now: Instant, number: u64, id: ServerId) {
        if !self.holds.answers {
            self.agrees(now, number, id);
        } else if let Some(line) = self.lines.get_mut(&number) {
            line.waiting.push(id);
        }
    }

    fn acknowledged_provisional(&mut self, now: Instant, number: u64, id: ServerId, request: &Request) {
        let rack = request.headers().get(Name::RAck).and_then(|value| RAck::parse(value).ok());
        let Some(line) = self.lines.get_mut(&number) else { return };
        let invite = line.invite_in.as_mut().filter(|invite| {
            rack.as_ref().is_some_and(|rack| {
                invite.seq == rack.sequence()
                    && invite.unacknowledged.is_some_and(|(rseq, _)| rseq == rack.response())
            })
        });
        let Some(invite) = invite else {
            self.responds(now, id, 481, None, None);
            return;
        };
        invite.unacknowledged = None;
        let answers = std::mem::take(&mut invite.answers);
        if !request.body().is_empty() && line.talk.waits(true, Carrier::Invite) {
            line.talk.answers(request.body_bytes());
        }
        self.agrees(now, number, id);
        if answers {
            self.acts(now, number, super::Action::Answer);
        }
    }

    fn is_hung_up_on(&mut self, now: Instant, number: u64, id: ServerId) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        if line.stage == Stage::Over && !line.hung_up {
            self.responds(now, id, 481, None, None);
            return;
        }
        line.settled &= line.stage == Stage::Over || !line.is_pending();
        line.stage = Stage::Over;
        let unanswered = line.invite_in.take_if(|invite| !invite.accepted);
        let waiting = std::mem::take(&mut line.waiting);
        if let Some(invite) = unanswered {
            self.responds(now, invite.id, 487, None, None);
        }
        for each in waiting {
            // RFC 3261 section 15.1.2: pending requests get a response; 487 is recommended.
            self.responds(now, each, 487, None, None);
        }
        self.agrees_or_waits(now, number, id);
    }

    fn acknowledged(&mut self, now: Instant, request: &Request) {
        let dialog = (text(request.headers(), Name::CallId), tag(request.headers(), Name::To));
        let (seq, _) = cseq(request.headers());
        let Some(number) = self.dialogs.get(&dialog).copied() else { return };
        let Some(line) = self.lines.get_mut(&number) else { return };
        if line.invite_in.take_if(|invite| invite.accepted && invite.seq == seq).is_none() {
            return;
        }
        if line.talk.waits(true, Carrier::Invite) {
            if request.body().is_empty() {
                // The edge cannot answer for a caller who has hung up.
                line.talk.rolls_back(true, Carrier::Invite);
                line.settled = false;
            } else {
                line.talk.answers(request.body_bytes());
            }
        }
        if line.stage == Stage::Answered {
            line.stage = Stage::Up;
        }
        if line.ends_on_ack {
            self.ends(now, number);
        }
    }

    /// Repeats a 2xx without ACK, or a reliable 1xx without PRACK.
    pub(super) fn repeats(
        &mut self,
        now: Instant,
        number: u64,
        id: ServerId,
        response: Box<Response>,
        interval: Duration,
        until: Instant,
    ) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        let Some(invite) = line.invite_in.as_ref().filter(|invite| invite.id == id) else { return };
        let waits = if response.status().is_success() {
            invite.accepted
        } else {
            !invite.accepted && invite.unacknowledged.is_some_and(|(rseq, _)| is_of(&response, rseq))
        };
        if !waits {
            return;
        }
        if now < until {
            self.endpoint.respond(now, id, &response);
            let interval = (2 * interval).min(if response.status().is_success() { T2 } else { 64 * T2 });
            let at = (now + interval).min(until);
            return self.later(at, Timer::Repeat { line: number, id, response, interval, until });
        }
        if response.status().is_success() {
            line.invite_in = None;
            let over = line.stage == Stage::Over;
            self.trouble(number, "no ACK of a 2xx");
            if !over {
                self.ends(now, number);
            }
        } else {
            self.trouble(number, "no PRACK");
            self.refuses(now, number, 504);
        }
    }

    /// Answers a request of no call. The transaction needs no line.
    fn dismisses(&mut self, now: Instant, id: ServerId, request: &Request, status: u16) {
        let Some(status) = Status::new(status) else { return };
        let mut response = Response::to_request(request, status);
        if tag(request.headers(), Name::To).is_empty() {
            let tag = self.ids.tag().to_string();
            response.set_to_tag(&tag);
        }
        self.endpoint.respond(now, id, &response);
    }
}

fn is_of(response: &Response, rseq: u32) -> bool {
    response.headers().get(Name::RSeq).is_some_and(|value| value == rseq.to_string().as_bytes())
}

fn text_named(request: &Request, name: &str) -> String {
    String::from_utf8_lossy(request.headers().named(name).unwrap_or_default()).into_owned()
}
