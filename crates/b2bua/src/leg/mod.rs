//! A leg: one dialog with one peer, and the requests in flight in this dialog. A leg does not know the other legs.

pub(crate) mod dialog;
pub(crate) mod invite;
pub(crate) mod next_hop;
pub(crate) mod offer_answer;
pub(crate) mod own_requests;
pub(crate) mod prack;
pub(crate) mod refers;
pub(crate) mod refresh_body;
pub(crate) mod reliable;
pub(crate) mod requests;
mod sending;
pub(crate) mod session_timer;

use std::sync::Arc;
use std::time::Instant;

use attesta_sip::{Headers, Method, Name, RSeq, Request, Response, Status};
use attesta_transaction::{ClientId, Flow, ServerId};
use bytes::Bytes;

use crate::config::Config;
use crate::config::listener::Listener;
use crate::config::trunk_entry::TrunkEntry;
use crate::counters::Refusal;
use crate::env::Env;
use crate::headers::contact::contact_for;
use crate::headers::relay;
use crate::headers::session::{has_session, is_session_alone};
use crate::identity::belief::strip_untrusted;
use crate::io::{Output, ResolveError};
use crate::late_answers::MOST_ACKS_AGAIN;
use crate::leg::dialog::Dialog;
use crate::leg::invite::{Bye, Due2xx, InviteState, InviteUsage, Repeated2xx};
use crate::leg::next_hop::{NextHopState, OwnRequest, PeerPath, RequestKind};
use crate::leg::offer_answer::{Disagreement, OfferAnswer, Sender};
use crate::leg::refers::RelayedRefers;
use crate::leg::refresh_body::RefreshBody;
use crate::leg::reliable::{RelayedReliable, ReliableReceiver, ReliableSender};
use crate::leg::requests::{RelayedRequest, RelayedRequests};
use crate::leg::session_timer::SessionTimer;
use crate::owners::Owner;
use crate::token::Token;
use crate::trunk::rules::{LegRules, Trusts};

/// The side of a call on which a leg is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// The A leg.
    Caller,
    /// The B leg.
    Callee,
}

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "a",
            Self::Callee => "b",
        }
    }
}

/// One leg: a dialog with one peer.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) dialog: Dialog,
    pub(crate) side: Side,
    pub(crate) invite: InviteUsage,
    /// The peer's requests that are being relayed.
    pub(crate) requests: RelayedRequests,
    /// The reliable provisional responses that were relayed to the peer and that the peer has not acknowledged.
    pub(crate) reliable: RelayedReliable,
    /// The REFERs of the peer that were relayed.
    pub(crate) refers: RelayedRefers,
    /// Our own reliable provisional responses to the peer.
    reliable_sender: Option<Box<ReliableSender>>,
    /// The peer's reliable provisional responses that we acknowledge.
    reliable_receiver: Option<Box<ReliableReceiver>>,
    /// The rules of the peer's trunk.
    pub(crate) rules: LegRules,
    /// The listener that sends messages to the peer.
    pub(crate) listener: Arc<Listener>,
    /// The session timer, or the keep-alive.
    pub(crate) timer: Option<Box<SessionTimer>>,
    /// Our own request that has no final response.
    pub(crate) own: Option<OwnRequest>,
    /// The session description of our last message, if we refresh the session by a re-INVITE.
    pub(crate) refresh_body: Option<Box<RefreshBody>>,
    session: OfferAnswer,
    next_hop: NextHopState,
    path: PeerPath,
    /// True if a TLS peer of a confirmed dialog cannot be reached.
    is_lost: bool,
    /// True once we have logged that the peer cannot be reached.
    is_loss_logged: bool,
    /// The trunk of the peer.
    pub(crate) trunk: Option<Arc<TrunkEntry>>,
    config: Arc<Config>,
    owner: Owner,
}

/// The settings of a new leg, without its dialog.
#[derive(Clone, Debug)]
pub(crate) struct LegSettings {
    pub(crate) owner: Owner,
    pub(crate) side: Side,
    pub(crate) listener: Arc<Listener>,
    pub(crate) config: Arc<Config>,
    pub(crate) rules: LegRules,
    /// The trunk of the peer. `None`: no trunk is known.
    pub(crate) trunk: Option<Arc<TrunkEntry>>,
    /// The flow on which the peer's message that creates the dialog arrived.
    pub(crate) flow: Flow,
}

/// The result of sending a relayed request on this leg.
#[derive(Debug)]
pub(crate) struct Launched {
    /// The transaction with the peer that sent the request.
    pub(crate) server: ServerId,
    pub(crate) result: Result<ClientId, NotLaunched>,
}

/// The reason why a request was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotLaunched {
    /// The number of transactions of the endpoint has reached its limit.
    Overloaded,
    /// The address of the peer was not found.
    NoAddress,
}

impl Leg {
    /// Creates a leg with an early dialog. The owner of the leg gets the messages of the dialog.
    pub(crate) fn open(dialog: Dialog, settings: LegSettings, env: &mut Env<'_>) -> Self {
        let LegSettings { owner, side, listener, config, rules, trunk, flow } = settings;
        let mut path = PeerPath::new(rules.behind_nat);
        path.on_message(&flow, dialog.needs_tls());
        dialog.is_owned_by(owner, env.owners);
        Self {
            dialog,
            side,
            invite: InviteUsage::early(),
            requests: RelayedRequests::default(),
            reliable: RelayedReliable::default(),
            refers: RelayedRefers::default(),
            reliable_sender: None,
            reliable_receiver: None,
            rules,
            listener,
            timer: None,
            own: None,
            refresh_body: None,
            session: OfferAnswer::new(),
            next_hop: NextHopState::Unknown,
            path,
            is_lost: false,
            is_loss_logged: false,
            trunk,
            config,
            owner,
        }
    }

    /// Closes the leg. The leg sends no further message. Messages that arrive in the dialog have no owner.
    pub(crate) fn close(&mut self, env: &mut Env<'_>) {
        self.invite.state = InviteState::Morgue;
        let id = self.dialog.id();
        env.owners.forget_dialog(&id);
        if let Some((client, ack)) = self.invite.sent_ack() {
            env.late_answers.keep_ack(client, &id, ack);
        }
        if let Some(token) = self.next_hop.asked() {
            env.owners.forget_token(token);
        }
        self.reliable_sender = None;
        self.end_requests(env);
    }

    /// The call is over. Waiting requests are not sent, and the session is not refreshed. Our own requests need no response.
    pub(crate) fn end_requests(&mut self, env: &mut Env<'_>) {
        self.next_hop.unqueue_all();
        self.end_session_for_good(env);
    }

    /// The call is over, and the dialog lives on. The session is not refreshed, and the peer is not probed.
    pub(crate) fn end_session_for_good(&mut self, env: &mut Env<'_>) {
        self.timer = None;
        if let Some(own) = self.own.take() {
            env.owners.forget_client(own.client);
        }
        self.forget_pracks(env);
    }

    /// Gives the leg to another owner.
    pub(crate) fn hand_to(&mut self, owner: Owner, env: &mut Env<'_>) {
        self.owner = owner;
        self.dialog.is_owned_by(owner, env.owners);
        if let Some(token) = self.next_hop.asked() {
            env.owners.own_token(token, owner);
        }
        for client in [self.invite.bye(), self.invite.given_up()].into_iter().flatten() {
            env.owners.own_client(client, owner);
        }
    }

    /// True if no message in the dialog is outstanding.
    pub(crate) fn is_over(&self) -> bool {
        self.invite.state == InviteState::Morgue
    }

    /// True if the answer with this token is for this leg.
    pub(crate) fn waits_for(&self, token: Token) -> bool {
        self.next_hop.asked() == Some(token)
    }

    /// Returns the time of the next [`on_deadline`](Self::on_deadline), or of the next overdue request of the peer.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let timer = self.timer.as_ref().map(|timer| timer.deadline());
        let reliable = self.reliable_sender.as_ref().and_then(|sender| sender.deadline());
        let (next_hop, requests) = (self.next_hop.deadline(), self.requests.deadline());
        let deadlines = [next_hop, self.invite.deadline(), requests, timer, reliable];
        deadlines.into_iter().flatten().min()
    }

    /// Sets the remote target to the Contact of a target refresh request (RFC 3261 section 12.2).
    pub(crate) fn refresh(&mut self, contact: Option<Bytes>) {
        if contact.is_some_and(|contact| self.dialog.refresh(contact)) {
            self.path.on_new_target();
            self.next_hop.forget();
        }
    }

    /// Sends the ACK of the received 2xx, unless the ACK was sent before. `model` is the ACK of the other leg. Only trusted
    /// header fields of the other leg are copied.
    pub(crate) fn acknowledge(&mut self, model: Option<(&Request, Trusts)>, env: &mut Env<'_>) {
        let Some(seq) = self.invite.take_ack_due() else { return };
        let mut request = self.dialog.ack(seq);
        match model {
            Some((model, trusts)) => {
                self.fill(model, &mut request);
                strip_untrusted(request.headers_mut(), trusts);
            }
            None => request.headers_mut().push(Name::MaxForwards, relay::MAX_FORWARDS.to_string()),
        }
        self.observe_request(Sender::Local, &request, env);
        self.send(request, RequestKind::Ack, env);
    }

    /// Handles a 2xx to our INVITE for which no request waits (RFC 3261 section 13.2.2.4).
    pub(crate) fn on_repeated_2xx(&mut self, seq: u32, client: ClientId, env: &mut Env<'_>) {
        if seq > self.dialog.local_seq() {
            // We never used this CSeq number. Without this check, the peer could make us send an ACK for each 2xx that it
            // invents.
            return;
        }
        match self.invite.on_repeated_2xx(seq, client) {
            Repeated2xx::AckAgain(_, times) if times > MOST_ACKS_AGAIN => {
                env.counters.refuse(Refusal::AckCap);
            }
            Repeated2xx::AckAgain(transmit, _) => env.out.push_back(Output::Transmit(transmit)),
            Repeated2xx::Ack => self.acknowledge(None, env),
            Repeated2xx::Ignore => {}
        }
    }

    /// Ends the dialog with a BYE. If our 2xx waits for its ACK, the BYE also waits for this ACK (RFC 3261 section 15). `model`
    /// is the BYE of the other leg.
    pub(crate) fn end(&mut self, model: Option<&Request>, env: &mut Env<'_>) {
        if matches!(self.invite.state, InviteState::Mortal { .. }) {
            return;
        }
        self.invite.state = InviteState::Mortal { bye: Bye::AwaitsAck };
        self.next_hop.unqueue_all();
        self.acknowledge(None, env);
        if !self.invite.awaits_ack() {
            self.send_bye(model, env);
        }
    }

    /// Sends the BYE with the header fields and the body of `model`, which is the BYE of the other leg.
    pub(crate) fn send_bye(&mut self, model: Option<&Request>, env: &mut Env<'_>) {
        self.invite.state = InviteState::Mortal { bye: Bye::Queued };
        let (mut request, _) = self.dialog.request(Method::Bye);
        match model {
            Some(model) => self.fill(model, &mut request),
            None => request.headers_mut().push(Name::MaxForwards, relay::MAX_FORWARDS.to_string()),
        }
        self.send(request, RequestKind::Bye, env);
    }

    /// Copies the header fields and the body of `model` that are relayed. `model` is a request of the other leg.
    fn fill(&self, model: &Request, request: &mut Request) {
        // If the model has no hops left, our BYE or ACK has its own Max-Forwards (RFC 3261 section 8.1.1.6).
        let forwards = relay::forwards(model.headers()).unwrap_or(relay::MAX_FORWARDS);
        relay::request(model, request, forwards, || self.contact(model.headers()));
    }

    /// Returns our Contact on this leg. `model` contains the Contact of the other side.
    pub(crate) fn contact(&self, model: &Headers) -> String {
        contact_for(self.own_contact(), self.rules.relays_contact_params, model)
    }

    /// Our Contact on this leg, without parameters of the other side.
    pub(crate) fn own_contact(&self) -> String {
        self.config.contact(&self.listener, self.dialog.is_secure())
    }

    /// Does the work that is due: for the address of the peer, and for our 2xx. Returns the relayed requests that could not be
    /// sent, and true if our 2xx got no ACK.
    pub(crate) fn on_deadline(&mut self, env: &mut Env<'_>) -> (Vec<Launched>, bool) {
        let now = env.now.mono;
        let launched = if self.next_hop.deadline().is_some_and(|until| until <= now) {
            self.on_resolved(Err(ResolveError::Timeout), env)
        } else {
            Vec::new()
        };
        let gave_up = match self.invite.on_deadline(now) {
            Due2xx::GiveUp => true,
            Due2xx::Repeat(server, response) => {
                env.respond(server, response);
                false
            }
            Due2xx::Nothing => false,
        };
        (launched, gave_up)
    }

    /// Answers the peer's requests in flight, because the call is over (RFC 3261 section 15.1.2). The requests were sent on the
    /// leg `far`. This leg may still receive a 2xx to a cancelled INVITE. Requests with one of the methods `kept` stay in flight.
    pub(crate) fn abandon_requests(
        &mut self,
        mut far: Option<&mut Self>,
        kept: &[Method],
        env: &mut Env<'_>,
    ) {
        while let Some(RelayedRequest { request, server, client, .. }) = self.requests.pop_except(kept) {
            env.owners.forget_server(server);
            if let Some(client) = client {
                match &mut far {
                    Some(far) if *request.method() == Method::Invite => {
                        env.cancel(client, None);
                        far.invite.on_given_up(client);
                    }
                    Some(_) | None => env.owners.forget_client(client),
                }
            }
            let response = env.reply(&request, Status::REQUEST_TERMINATED);
            env.respond(server, &response);
        }
    }

    /// Notes that a provisional response to an INVITE was relayed to the peer. The INVITE has the CSeq number `invite` on this
    /// leg, and `far_invite` on the other leg.
    pub(crate) fn on_provisional_relayed(&mut self, response: &Response, invite: u32, far_invite: u32) {
        if let Some(Ok(rseq)) = response.headers().get(Name::RSeq).map(RSeq::parse) {
            self.reliable.on_relayed(rseq.0, invite, far_invite);
        }
    }

    /// True if the number of the peer's requests in flight has reached the configured limit.
    pub(crate) fn is_full(&self) -> bool {
        self.requests.len() >= self.config.caps.requests_per_dialog
    }

    /// Returns the sender of the offer that has no answer yet.
    pub(crate) const fn open_offer(&self) -> Option<Sender> {
        self.session.open_offer()
    }

    /// Takes the route set and the remote target from the 2xx, which confirms the dialog (RFC 3261 section 13.2.2.4).
    pub(crate) fn confirm(&mut self, response: &Response) {
        if self.dialog.confirm(response) {
            self.path.on_new_target();
            self.next_hop.forget();
        }
    }

    /// Updates the state of offer and answer with a request of the dialog.
    pub(crate) fn observe_request(&mut self, sender: Sender, request: &Request, env: &mut Env<'_>) {
        let session = has_session(request.headers(), request.body());
        if session
            && sender == Sender::Local
            && let Some(ours) = &mut self.refresh_body
        {
            ours.on_offer(is_session_alone(request.headers()).then(|| request.body_bytes()));
        }
        let seen = self.session.on_request(sender, request.method(), session);
        count(seen, sender, env);
    }

    /// Closes the offer of our re-INVITE, because the re-INVITE was not sent.
    fn take_back_offer(&mut self) {
        let refusal = Status::SERVICE_UNAVAILABLE.class();
        let taken_back = self.session.on_response(Sender::Remote, &Method::Invite, refusal, false);
        debug_assert!(taken_back.is_ok(), "a refusal never disagrees");
        if let Some(ours) = &mut self.refresh_body {
            ours.on_offer_over(false);
        }
    }

    /// Updates the state of offer and answer with a response of the dialog. A provisional response counts only if it is
    /// reliable (RFC 6337 section 2.1).
    pub(crate) fn observe_response(
        &mut self,
        sender: Sender,
        method: &Method,
        response: &Response,
        env: &mut Env<'_>,
    ) {
        if response.status().is_provisional() && !response.headers().contains(Name::RSeq) {
            return;
        }
        let session = has_session(response.headers(), response.body());
        let was_open = self.open_offer() == Some(Sender::Local);
        let seen = self.session.on_response(sender, method, response.status().class(), session);
        if let Some(ours) = &mut self.refresh_body {
            if session && sender == Sender::Local {
                ours.on_answer(is_session_alone(response.headers()).then(|| response.body_bytes()));
            } else if was_open && self.session.open_offer().is_none() {
                ours.on_offer_over(response.status().class() <= 2);
            }
        }
        count(seen, sender, env);
    }
}

/// Counts a violation by a peer. The other leg observes the same message as our message, and does not count it again.
fn count(seen: Result<(), Disagreement>, sender: Sender, env: &mut Env<'_>) {
    if let (Err(why), Sender::Remote) = (seen, sender) {
        env.counters.offer_answer_disagreements += 1;
        tracing::debug!(?why, "offer and answer do not match");
    }
}
