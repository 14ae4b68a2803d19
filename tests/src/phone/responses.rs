//! What a phone does with the responses to its requests.

use std::time::Instant;

use attesta_sip::{Name, Response};
use attesta_transaction::{ClientId, Failure};

use super::Phone;
use super::line::{Accepted, Carrier, Stage, tag};
use crate::sim::Effect;

impl Phone {
    pub(super) fn responded(&mut self, now: Instant, id: ClientId, response: &Response) {
        let Some(sent) = self.clients.get(&id) else { return };
        let (number, method, seq) = (sent.line, sent.method.clone(), sent.seq);
        let status = response.status().code();
        if status >= 200 {
            *self.statuses.entry((method.clone(), status)).or_default() += 1;
        }
        if method == "INVITE" {
            return match status {
                100 => {}
                101..=199 => self.rung(now, number, response),
                200..=299 => self.picked_up(now, number, id, seq, response),
                _ => self.declined(now, number, id, status),
            };
        }
        if status < 200 {
            return;
        }
        let session = sent.session.is_some();
        let Some(line) = self.lines.get_mut(&number) else { return };
        if method == "UPDATE" {
            if (200..300).contains(&status) {
                line.follows(response.headers(), Name::To);
                if session && line.talk.waits(true, Carrier::Update) {
                    line.talk.answers(response.body_bytes());
                }
            } else if session {
                line.talk.rolls_back(true, Carrier::Update);
            }
        }
        if matches!(method.as_str(), "UPDATE" | "INFO") {
            self.loses(now, number, status);
        }
    }

    /// RFC 3261 section 12.2.1.2 and RFC 5057: the dialog is over. A callee waits with its BYE for the ACK of its 2xx (RFC 3261
    /// section 15).
    fn loses(&mut self, now: Instant, number: u64, status: u16) {
        if !matches!(status, 408 | 481) {
            return;
        }
        match self.lines.get_mut(&number) {
            Some(line) if line.stage == Stage::Up => self.ends(now, number),
            Some(line) if line.stage == Stage::Answered => line.ends_on_ack = true,
            Some(_) | None => {}
        }
    }

    fn rung(&mut self, now: Instant, number: u64, response: &Response) {
        let holds = self.holds.pracks;
        let Some(line) = self.lines.get_mut(&number) else { return };
        let Some(invite) = line.invite_out.as_mut() else { return };
        if !invite.first || tag(response.headers(), Name::To).is_empty() {
            return;
        }
        let rseq = response
            .headers()
            .get(Name::RSeq)
            .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        let mut is_new = false;
        let (mut answers, body) = (false, !response.body().is_empty());
        if let Some(rseq) = rseq.filter(|rseq: &u32| invite.rseq == 0 || *rseq == invite.rseq + 1) {
            invite.rseq = rseq;
            is_new = true;
            answers = body && !invite.offered && line.talk.agreed.is_none();
            invite.unacknowledged.push((rseq, answers));
        }
        line.follows(response.headers(), Name::To);
        if is_new && body {
            if answers {
                line.talk.offers(false, Carrier::Invite, response.body_bytes());
            } else if line.talk.waits(true, Carrier::Invite) {
                line.talk.answers(response.body_bytes());
            }
        }
        if is_new && !holds {
            self.acknowledges_provisional(now, number);
        }
    }

    fn picked_up(&mut self, now: Instant, number: u64, id: ClientId, seq: u32, response: &Response) {
        let holds = self.holds.acks;
        let Some(line) = self.lines.get_mut(&number) else { return };
        if let Some(accepted) = line.acks.iter().find(|accepted| accepted.id == id) {
            self.effects.extend(accepted.ack.clone().map(Effect::Send));
            return;
        }
        let Some(invite) = line.invite_out.take() else { return };
        line.follows(response.headers(), Name::To);
        let mut owes_answer = false;
        let body = response.body_bytes();
        if !body.is_empty() {
            if line.talk.waits(true, Carrier::Invite) {
                line.talk.answers(body);
            } else if !invite.offered && (line.talk.agreed.is_none() || !invite.first) {
                line.talk.offers(false, Carrier::Invite, body);
                owes_answer = true;
            }
        }
        line.acks.push(Accepted { seq, id, owes_answer, ack: None });
        if line.stage == Stage::Early {
            line.stage = Stage::Up;
            line.answered = true;
        }
        if invite.first {
            line.status = Some(200);
        }
        let over = line.stage == Stage::Over;
        let gives_up = invite.first && invite.cancelled && !over;
        if !holds || over || gives_up {
            self.acknowledges(number);
        }
        if gives_up {
            self.ends(now, number);
        }
    }

    fn declined(&mut self, now: Instant, number: u64, id: ClientId, status: u16) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        let Some(invite) = line.invite_out.take_if(|invite| invite.id == id) else { return };
        line.talk.rolls_back(invite.offered, Carrier::Invite);
        if invite.first {
            line.stage = Stage::Over;
            line.status = Some(status);
            // A CANCEL of a call that the other side has refused.
            let waiting = std::mem::take(&mut line.waiting);
            for each in waiting {
                self.responds(now, each, 481, None, None);
            }
        } else {
            self.loses(now, number, status);
        }
    }

    pub(super) fn client_failed(&mut self, now: Instant, id: ClientId, why: Failure) {
        let Some(sent) = self.clients.get(&id) else { return };
        let (number, method) = (sent.line, sent.method.clone());
        self.trouble(number, &format!("{method} got no response: {why}"));
        let Some(line) = self.lines.get_mut(&number) else { return };
        match method.as_str() {
            "INVITE" => self.declined(now, number, id, 408),
            "UPDATE" => {
                line.talk.rolls_back(true, Carrier::Update);
                self.loses(now, number, 408);
            }
            "INFO" => self.loses(now, number, 408),
            _ => {}
        }
    }
}
