//! What a phone begins when it is asked.

use std::time::Instant;

use attesta_sip::{Headers, Method, Name, Request, Response, Status};
use attesta_transaction::ServerId;
use bytes::Bytes;

use super::line::{Carrier, InviteOut, Line, Stage};
use super::{Action, Asked, GIVES_UP, Phone, Sent, Supports, Timer};
use crate::sim::T1;

impl Phone {
    /// Begins a call to `number`; gives its line. `extra` are header fields, by name and value.
    ///
    /// # Panics
    ///
    /// If the phone has too many transactions.
    pub fn calls(
        &mut self,
        now: Instant,
        call: u64,
        number: &str,
        offer: bool,
        extra: &[(&str, &str)],
    ) -> u64 {
        let uri = format!("sip:{number}@{}", self.edge);
        let mut request = Request::new(Method::Invite, uri.clone());
        let own = format!("<sip:+12155551212@{}>;tag={}", self.address.ip(), self.ids.tag());
        let (call_id, contact) = (self.ids.call_id().to_string(), self.contact());
        let headers = request.headers_mut();
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, own);
        headers.push(Name::To, format!("<{uri}>"));
        headers.push(Name::CallId, call_id);
        headers.push(Name::CSeq, "1 INVITE");
        headers.push(Name::Contact, contact);
        self.supports.put(headers);
        headers.push(Name::Allow, ALLOW);
        headers.push_named("X-Call", call.to_string());
        extra.iter().for_each(|(name, value)| {
            headers.push_named(name, *value);
        });
        let number = self.next_line;
        self.next_line += 1;
        let mut line = Line::calling(call, &request);
        let session = offer.then(|| self.describes(number));
        if let Some(session) = &session {
            put(&mut request, session);
            line.talk.offers(true, Carrier::Invite, session.clone());
        }
        self.dialogs.insert((line.call_id.clone(), line.local_tag.clone()), number);
        self.lines.insert(number, line);
        self.sends_invite(now, number, request, 1, true, offer);
        number
    }

    /// Does this on a line; gives whether the RFCs allow it now. What they forbid is not done.
    pub fn acts(&mut self, now: Instant, number: u64, action: Action) -> bool {
        let Some(line) = self.lines.get(&number) else { return false };
        let done = match action {
            Action::Ring => self.rings(now, number, None),
            Action::RingReliably { session } => self.rings(now, number, Some(session)),
            Action::Answer => self.answers_waiting(now, number),
            Action::Refuse(status) => self.refuses(now, number, status),
            Action::Invite { offer } => self.invites_again(now, number, offer),
            Action::Update { offer } => self.updates(now, number, offer),
            Action::Prack => self.acknowledges_provisional(now, number),
            Action::Ack => self.acknowledges(number),
            Action::Bye => self.hangs_up(now, number),
            Action::Cancel => self.cancels(now, number),
            Action::Refer | Action::Info if line.stage != Stage::Up || line.hung_up => false,
            Action::Refer => {
                let rest = format!("<sip:+12155550100@{}>", self.edge);
                self.asks(now, number, Method::Refer, &[(Name::ReferTo, &rest)], None)
            }
            Action::Info => self.asks(now, number, Method::Info, &[], None),
        };
        self.drains(now);
        done
    }

    /// Lets go of all that is held back.
    pub fn lets_go(&mut self, now: Instant) {
        self.holds = super::Holds::default();
        let numbers: Vec<_> = self.lines.keys().copied().collect();
        for number in numbers {
            while self.acts(now, number, Action::Prack) {}
            self.acts(now, number, Action::Ack);
            while self.acts(now, number, Action::Answer) {}
        }
    }

    fn rings(&mut self, now: Instant, number: u64, reliable: Option<bool>) -> bool {
        let own = self.describes(number);
        let Some(line) = self.lines.get_mut(&number) else { return false };
        let Some(invite) = line.invite_in.as_mut().filter(|invite| invite.first && !invite.accepted) else {
            return false;
        };
        let Some(session) = reliable else {
            let id = invite.id;
            return self.responds(now, id, 180, None, None);
        };
        if !invite.reliable || invite.unacknowledged.is_some() || invite.answers {
            return false;
        }
        let session = session && line.talk.agreed.is_none();
        if session && line.talk.is_open(true) {
            return false;
        }
        invite.rseq += 1;
        invite.unacknowledged = Some((invite.rseq, session));
        let (id, rseq) = (invite.id, invite.rseq);
        if session {
            line.talk_own(own.clone());
        }
        self.responds(now, id, 183, session.then_some(own), Some(rseq))
    }

    fn answers_waiting(&mut self, now: Instant, number: u64) -> bool {
        let own = self.describes(number);
        let Some(line) = self.lines.get_mut(&number) else { return false };
        if let Some(invite) = line.invite_in.as_mut().filter(|invite| !invite.accepted && !invite.answers) {
            if invite.unacknowledged.is_some_and(|(_, session)| session) {
                // RFC 3262 section 3: not before the PRACK.
                invite.answers = true;
                return true;
            }
            invite.accepted = true;
            invite.unacknowledged = None;
            let id = invite.id;
            let says = line.talk.agreed.is_none() || !invite.first;
            if says {
                line.talk_own(own.clone());
            }
            if line.stage == Stage::Early {
                line.stage = Stage::Answered;
                line.answered = true;
                line.status = Some(200);
            }
            return self.responds(now, id, 200, says.then_some(own), None);
        }
        let Some(id) = (!line.waiting.is_empty()).then(|| line.waiting.remove(0)) else { return false };
        self.agrees(now, number, id)
    }

    /// 200 to a request other than INVITE.
    pub(super) fn agrees(&mut self, now: Instant, number: u64, id: ServerId) -> bool {
        let own = self.describes(number);
        let asked = self.servers.get(&id);
        let method = asked.map(|asked| asked.method.clone()).unwrap_or_default();
        let has_offer =
            asked.and_then(|asked| asked.request.as_ref()).is_some_and(|request| !request.body().is_empty());
        let Some(line) = self.lines.get_mut(&number) else { return false };
        let answers = method == "UPDATE" && has_offer && line.talk.waits(false, Carrier::Update);
        if answers {
            line.talk.answers(own.clone());
        }
        let status = if method == "REFER" { 202 } else { 200 };
        self.responds(now, id, status, answers.then_some(own), None);
        if method == "REFER" {
            self.notifies(now, number);
        }
        true
    }

    fn notifies(&mut self, now: Instant, number: u64) {
        if self.lines.get(&number).is_none_or(|line| line.stage != Stage::Up) {
            return;
        }
        let headers: [(Name, &str); 3] = [
            (Name::Event, "refer"),
            (Name::SubscriptionState, "terminated;reason=noresource"),
            (Name::ContentType, "message/sipfrag"),
        ];
        self.asks(now, number, Method::Notify, &headers, Some(Bytes::from_static(b"SIP/2.0 200 OK\r\n")));
    }

    pub(super) fn refuses(&mut self, now: Instant, number: u64, status: u16) -> bool {
        let Some(line) = self.lines.get_mut(&number) else { return false };
        let Some(invite) = line.invite_in.take_if(|invite| !invite.accepted) else { return false };
        if invite.first {
            line.stage = Stage::Over;
            line.status = Some(status);
        }
        line.talk.open = None;
        self.responds(now, invite.id, status, None, None)
    }

    fn invites_again(&mut self, now: Instant, number: u64, offer: bool) -> bool {
        let own = self.describes(number);
        let (contact, supports) = (self.contact(), self.supports);
        let Some(line) = self.lines.get_mut(&number) else { return false };
        let acknowledged = line.acks.iter().all(|accepted| accepted.ack.is_some());
        if line.stage != Stage::Up || line.hung_up || line.is_pending() || !acknowledged {
            return false;
        }
        line.seq += 1;
        let seq = line.seq;
        let mut request = line.request(Method::Invite, seq);
        request.headers_mut().push(Name::Contact, contact);
        supports.put(request.headers_mut());
        request.headers_mut().push(Name::Allow, ALLOW);
        if offer {
            put(&mut request, &own);
            line.talk.offers(true, Carrier::Invite, own);
        }
        self.sends_invite(now, number, request, seq, false, offer);
        true
    }

    fn updates(&mut self, now: Instant, number: u64, offer: bool) -> bool {
        let own = self.describes(number);
        let contact = self.contact();
        let Some(line) = self.lines.get_mut(&number) else { return false };
        let settled = line.talk.agreed.is_some() && line.talk.open.is_none();
        let offerless = line.invite_out.as_ref().is_some_and(|invite| !invite.offered && !invite.first);
        if line.stage == Stage::Over
            || line.hung_up
            || !line.is_dialog()
            || (offer && (!settled || offerless))
        {
            return false;
        }
        let busy = line
            .invite_in
            .as_ref()
            .is_some_and(|invite| (!invite.first && !invite.accepted) || invite.unacknowledged.is_some());
        if busy || line.invite_out.as_ref().is_some_and(|invite| invite.cancelled) {
            return false;
        }
        // RFC 3311 section 5.1: the first offer of an INVITE has to be answered before.
        if offer {
            line.talk.offers(true, Carrier::Update, own.clone());
        }
        self.asks(now, number, Method::Update, &[(Name::Contact, &contact)], offer.then_some(own))
    }

    pub(super) fn acknowledges_provisional(&mut self, now: Instant, number: u64) -> bool {
        let own = self.describes(number);
        let Some(line) = self.lines.get_mut(&number) else { return false };
        let Some(invite) = line.invite_out.as_mut().filter(|invite| !invite.unacknowledged.is_empty()) else {
            return false;
        };
        let (rseq, answers) = invite.unacknowledged.remove(0);
        let rack = format!("{rseq} {} INVITE", invite.seq);
        if answers {
            line.talk.answers(own.clone());
        }
        self.asks(now, number, Method::Prack, &[(Name::RAck, &rack)], answers.then_some(own))
    }

    /// Sends the ACKs that are due.
    pub(super) fn acknowledges(&mut self, number: u64) -> bool {
        let own = self.describes(number);
        let flow = self.flow();
        let Some(line) = self.lines.get_mut(&number) else { return false };
        let mut any = false;
        for place in 0..line.acks.len() {
            let Some(accepted) = line.acks.get(place).filter(|accepted| accepted.ack.is_none()) else {
                continue;
            };
            let (seq, owes) = (accepted.seq, accepted.owes_answer);
            let mut request = line.request(Method::Ack, seq);
            if owes {
                put(&mut request, &own);
                line.talk.answers(own.clone());
            }
            let ack = self.endpoint.send(request, flow.clone(), &self.sent_by);
            if let Some(accepted) = line.acks.get_mut(place) {
                accepted.ack = Some(ack);
            }
            any = true;
        }
        any
    }

    pub(super) fn hangs_up(&mut self, now: Instant, number: u64) -> bool {
        let Some(line) = self.lines.get_mut(&number) else { return false };
        let may = match line.stage {
            Stage::Early => {
                line.calling
                    && line.is_dialog()
                    && !line.invite_out.as_ref().is_some_and(|invite| invite.cancelled)
            }
            Stage::Up => line.acks.iter().all(|accepted| accepted.ack.is_some()),
            Stage::Answered | Stage::Over => false,
        };
        if !may || line.hung_up {
            return false;
        }
        self.ends(now, number);
        true
    }

    /// Sends a BYE, whatever the state is.
    pub(super) fn ends(&mut self, now: Instant, number: u64) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        line.settled &= !line.is_pending();
        line.hung_up = true;
        line.stage = Stage::Over;
        let unanswered = line.invite_in.take_if(|invite| !invite.accepted);
        self.asks(now, number, Method::Bye, &[], None);
        if let Some(invite) = unanswered {
            self.responds(now, invite.id, 487, None, None);
        }
    }

    fn cancels(&mut self, now: Instant, number: u64) -> bool {
        let Some(line) = self.lines.get_mut(&number).filter(|line| !line.hung_up) else { return false };
        let Some(invite) = line.invite_out.as_mut().filter(|invite| !invite.cancelled) else { return false };
        invite.cancelled = true;
        self.endpoint.cancel(now, invite.id, None);
        true
    }

    /// Sends a request other than INVITE in the dialog.
    fn asks(
        &mut self,
        now: Instant,
        number: u64,
        method: Method,
        headers: &[(Name, &str)],
        body: Option<Bytes>,
    ) -> bool {
        let (flow, sent_by) = (self.flow(), self.sent_by.clone());
        let contact = self.contact();
        let Some(line) = self.lines.get_mut(&number) else { return false };
        line.seq += 1;
        let seq = line.seq;
        let mut request = line.request(method.clone(), seq);
        headers.iter().for_each(|(name, value)| request.headers_mut().push(*name, value));
        if matches!(method.as_str(), "REFER" | "NOTIFY") {
            request.headers_mut().push(Name::Contact, contact);
        }
        let session = body.clone().filter(|_| matches!(method.as_str(), "UPDATE" | "PRACK"));
        match (&session, body) {
            (Some(session), _) => put(&mut request, session),
            (None, Some(body)) => request.set_body(body),
            (None, None) => {}
        }
        let Ok(id) = self.endpoint.request(now, request, flow, &sent_by) else {
            self.trouble(number, "too many transactions");
            return false;
        };
        line.refs += 1;
        self.clients.insert(id, Sent { line: number, method: method.as_str().to_owned(), seq, session });
        true
    }

    fn sends_invite(
        &mut self,
        now: Instant,
        number: u64,
        request: Request,
        seq: u32,
        first: bool,
        offered: bool,
    ) {
        let (flow, sent_by) = (self.flow(), self.sent_by.clone());
        let Ok(id) = self.endpoint.request(now, request, flow, &sent_by) else {
            return self.trouble(number, "too many transactions");
        };
        if let Some(line) = self.lines.get_mut(&number) {
            line.refs += 1;
            line.invite_out = Some(InviteOut {
                id,
                seq,
                first,
                cancelled: false,
                offered,
                rseq: 0,
                unacknowledged: Vec::new(),
            });
        }
        self.clients.insert(id, Sent { line: number, method: "INVITE".to_owned(), seq, session: None });
    }

    /// Sends a response. A 2xx to an INVITE and a reliable 1xx are repeated.
    pub(super) fn responds(
        &mut self,
        now: Instant,
        id: ServerId,
        status: u16,
        session: Option<Bytes>,
        rseq: Option<u32>,
    ) -> bool {
        let contact = self.contact();
        let Some(Asked { line: number, request: Some(request), method }) = self.servers.get(&id) else {
            return false;
        };
        let (number, method, Some(code)) = (*number, method.clone(), Status::new(status)) else {
            return false;
        };
        let mut response = Response::to_request(request, code);
        if let Some(line) = self.lines.get(&number).filter(|_| status > 100) {
            response.headers_mut().set(Name::To, &line.local);
            if line.calling || !super::line::tag(request.headers(), Name::To).is_empty() {
                response.headers_mut().set(Name::To, request.headers().get(Name::To).unwrap_or_default());
            }
        }
        let headers = response.headers_mut();
        if matches!(method.as_str(), "INVITE" | "UPDATE" | "REFER") && status < 300 {
            headers.push(Name::Contact, contact);
            headers.push(Name::Allow, ALLOW);
        }
        if matches!(method.as_str(), "INVITE" | "UPDATE") && (200..300).contains(&status) {
            self.supports.accept(request, headers);
        }
        if let Some(rseq) = rseq {
            headers.push(Name::Require, "100rel");
            headers.push(Name::RSeq, rseq.to_string());
        }
        if matches!(status, 500 | 503) {
            headers.push(Name::RetryAfter, "3");
        }
        if let Some(session) = session {
            headers.push(Name::ContentType, "application/sdp");
            response.set_body(session);
        }
        self.endpoint.respond(now, id, &response);
        if method == "INVITE" && (rseq.is_some() || (200..300).contains(&status)) {
            let until = now + GIVES_UP;
            let response = Box::new(response);
            self.later(now + T1, Timer::Repeat { line: number, id, response, interval: T1, until });
        }
        if status >= 200
            && let Some(asked) = self.servers.get_mut(&id)
        {
            asked.request = None;
        }
        true
    }

    /// A session description that no other is like.
    pub(super) fn describes(&mut self, number: u64) -> Bytes {
        self.serial += 1;
        let (serial, host) = (self.serial, self.address.ip());
        format!(
            "v=0\r\no={} {number} {serial} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n",
            self.name
        )
        .into()
    }
}

impl Supports {
    /// The option tags of an own INVITE, and the session timer that it asks for.
    fn put(self, headers: &mut Headers) {
        let tags = match (self.reliable, self.timers) {
            (true, true) => "100rel, timer",
            (true, false) => "100rel",
            (false, true) => "timer",
            (false, false) => "",
        };
        if !tags.is_empty() {
            headers.push(Name::Supported, tags);
        }
        if self.expires {
            headers.push(Name::SessionExpires, "1800;refresher=uas");
        }
    }

    /// RFC 4028 section 9: the session timer of a 2xx. The other side refreshes.
    fn accept(self, request: &Request, headers: &mut Headers) {
        let asked = request.headers().get(Name::SessionExpires);
        let Some(asked) = asked.filter(|_| self.expires) else { return };
        let asked = String::from_utf8_lossy(asked);
        let interval = asked.split(';').next().unwrap_or_default();
        headers.push(Name::Require, "timer");
        headers.push(Name::SessionExpires, format!("{interval};refresher=uac"));
    }
}

impl Line {
    /// An own description in a message that may carry an offer or an answer.
    fn talk_own(&mut self, own: Bytes) {
        if self.talk.waits(false, Carrier::Invite) {
            self.talk.answers(own);
        } else {
            self.talk.offers(true, Carrier::Invite, own);
        }
    }
}

fn put(request: &mut Request, session: &Bytes) {
    request.headers_mut().push(Name::ContentType, "application/sdp");
    request.set_body(session.clone());
}

const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, REFER, NOTIFY, INFO, MESSAGE";
