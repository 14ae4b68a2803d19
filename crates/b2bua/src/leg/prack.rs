//! How a leg ends 100rel: its own reliable provisional responses, and its PRACKs (RFC 3262).

use attesta_sip::{Method, Name, RAck, RSeq, Response};
use attesta_transaction::{ClientId, ServerId};

use crate::env::Env;
use crate::headers::options::{self, RELIABLE};
use crate::headers::session::has_session;
use crate::leg::Leg;
use crate::leg::dialog::FIRST_SEQ;
use crate::leg::next_hop::{OwnKind, RequestKind};
use crate::leg::offer_answer::Sender;
use crate::leg::reliable::{Answer, DueReliable, OnPrack, ProvisionalResponse, ReliableSender};

/// True if a provisional response is reliable (RFC 3262 section 4).
pub(crate) fn rseq_of(response: &Response) -> Option<u32> {
    let headers = response.headers();
    let rseq = headers.get(Name::RSeq).and_then(|value| RSeq::parse(value).ok())?;
    options::has(headers, Name::Require, RELIABLE).then_some(rseq.0)
}

/// Makes a response unreliable.
pub(crate) fn make_unreliable(response: &mut Response) {
    let headers = response.headers_mut();
    headers.remove(Name::RSeq);
    options::remove(headers, Name::Require, RELIABLE);
}

impl Leg {
    /// True if we have sent a reliable response of our own in this dialog.
    pub(crate) const fn sends_reliably(&self) -> bool {
        self.reliable_sender.is_some()
    }

    /// Sends a provisional response to the INVITE reliably, as soon as the response before it is acknowledged. `server` is the
    /// transaction of the INVITE, and `invite` is its CSeq number.
    pub(crate) fn send_reliably(
        &mut self,
        mut response: Response,
        (server, invite): (ServerId, u32),
        env: &mut Env<'_>,
    ) {
        options::add(response.headers_mut(), Name::Require, RELIABLE);
        let has_session = has_session(response.headers(), response.body());
        let t1 = self.config.transactions.round_trip();
        let sender = self.reliable_sender.get_or_insert_with(|| {
            // The numbers of a dialog form one sequence: after a relayed response, our first response has the next number.
            let next = self.reliable.last().and_then(|last| last.checked_add(1));
            let first = next.unwrap_or_else(|| ReliableSender::first_rseq(env.ids.number()));
            Box::new(ReliableSender::new(invite, first, t1))
        });
        if sender.is_full() {
            tracing::debug!(
                status = response.status().code(),
                "too many responses wait for a PRACK: dropped"
            );
        }
        let response = ProvisionalResponse { response, has_session };
        let sent = sender.send(env.now.mono, response, self.reliable.is_waiting()).cloned();
        self.on_reliable_sent(sent, server, env);
    }

    /// True if a PRACK with this RAck acknowledges a response of our own.
    pub(crate) fn awaits_prack(&self, rack: &RAck) -> bool {
        self.reliable_sender.as_ref().is_some_and(|sender| sender.awaits(rack))
    }

    /// A PRACK acknowledges a response of our own. The next response is sent.
    pub(crate) fn on_prack(&mut self, rack: &RAck, server: ServerId, env: &mut Env<'_>) {
        let sent = match self.reliable_sender.as_mut().map(|sender| sender.on_prack(env.now.mono, rack)) {
            Some(OnPrack::Acknowledges(next)) => next.cloned(),
            Some(OnPrack::Unknown) | None => None,
        };
        self.on_reliable_sent(sent, server, env);
    }

    /// The PRACK of a relayed response has arrived. A response of our own may have waited for it.
    pub(crate) fn on_relayed_prack(&mut self, server: ServerId, env: &mut Env<'_>) {
        if self.reliable.is_waiting() {
            return;
        }
        let sent = self.reliable_sender.as_mut().and_then(|sender| sender.resume(env.now.mono)).cloned();
        self.on_reliable_sent(sent, server, env);
    }

    fn on_reliable_sent(&mut self, sent: Option<Response>, server: ServerId, env: &mut Env<'_>) {
        if let Some(response) = sent {
            self.observe_response(Sender::Local, &Method::Invite, &response, env);
            env.respond(server, &response);
        }
    }

    /// True if the 2xx must wait for the PRACK of a response of our own (RFC 3262 section 3).
    pub(crate) fn holds_2xx(&mut self) -> bool {
        self.reliable_sender.as_mut().is_some_and(|sender| sender.holds_2xx())
    }

    /// The INVITE gets its 2xx: no response of our own is sent again.
    pub(crate) fn end_reliable_responses(&mut self) {
        if let Some(sender) = &mut self.reliable_sender {
            sender.on_2xx_sent();
        }
    }

    /// Does what is due for a response of our own. Returns true if the response got no PRACK within 64*T1.
    pub(crate) fn on_reliable_deadline(&mut self, server: ServerId, env: &mut Env<'_>) -> bool {
        match self.reliable_sender.as_mut().map(|sender| sender.on_deadline(env.now.mono)) {
            Some(DueReliable::Repeat(response)) => {
                env.respond(server, response);
                false
            }
            Some(DueReliable::GiveUp) => true,
            Some(DueReliable::Nothing) | None => false,
        }
    }

    /// A reliable response of the peer has arrived. Acknowledges the response by a PRACK of our own. Returns false if the
    /// response is discarded: it is a repetition, or a response before it is missing.
    pub(crate) fn acknowledge_reliable(&mut self, rseq: u32, response: &Response, env: &mut Env<'_>) -> bool {
        let receiver = self.reliable_receiver.get_or_insert_default();
        if !receiver.on_response(rseq) {
            tracing::debug!(rseq, "a reliable response was discarded");
            return false;
        }
        let headers = response.headers();
        if has_session(headers, response.body()) {
            let content_type = headers.get(Name::ContentType).unwrap_or_default().to_vec().into();
            receiver.keep_answer(Answer { content_type, body: response.body_bytes() });
        }
        if let Some(rack) = receiver.rack(FIRST_SEQ) {
            let (mut request, seq) = self.own_request(Method::Prack);
            request.headers_mut().push(Name::RAck, rack.to_string());
            self.send(request, RequestKind::Own(OwnKind::Prack, seq), env);
        }
        true
    }

    /// The INVITE to the peer has its 2xx. If the 2xx has no body, the caller, who had no reliable response, gets the answer of
    /// the peer's reliable response in the 2xx `back`.
    pub(crate) fn add_answer(&mut self, back: &mut Response) {
        let answer = self.reliable_receiver.as_mut().and_then(|receiver| receiver.take_answer());
        if let Some(Answer { content_type, body }) = answer
            && back.body().is_empty()
        {
            back.headers_mut().set(Name::ContentType, content_type);
            back.set_body(body);
        }
    }

    /// True if our PRACK in this transaction has no final response.
    pub(crate) fn has_sent_prack(&self, client: ClientId) -> bool {
        self.reliable_receiver.as_ref().is_some_and(|receiver| receiver.sent(client))
    }

    /// Our PRACK in this transaction has its final response, or gets none.
    pub(crate) fn on_prack_done(&mut self, client: ClientId) {
        if let Some(receiver) = &mut self.reliable_receiver {
            receiver.on_prack_done(client);
        }
    }

    /// Our PRACK was sent in this transaction, or could not be sent.
    pub(super) fn on_prack_launched(&mut self, client: Option<ClientId>) {
        if let Some(receiver) = &mut self.reliable_receiver {
            match client {
                Some(client) => receiver.on_prack_sent(client),
                None => receiver.on_prack_not_sent(),
            }
        }
    }

    /// The responses to our PRACKs no longer matter.
    pub(super) fn forget_pracks(&mut self, env: &mut Env<'_>) {
        if let Some(mut receiver) = self.reliable_receiver.take() {
            while let Some(client) = receiver.pop_prack() {
                env.owners.forget_client(client);
            }
        }
    }
}
