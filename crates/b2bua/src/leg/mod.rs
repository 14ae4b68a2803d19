//! A leg: one dialog with one peer, and the requests in flight in this dialog. A leg knows no other leg.

pub(crate) mod dialog;
pub(crate) mod invite;
pub(crate) mod next_hop;
pub(crate) mod offer_answer;
mod own_requests;
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
use crate::env::Env;
use crate::headers::contact::contact_for;
use crate::headers::relay;
use crate::headers::session::has_session;
use crate::identity::belief::strip_untrusted;
use crate::io::{Output, ResolveError};
use crate::leg::dialog::Dialog;
use crate::leg::invite::{Bye, Due2xx, InviteState, InviteUsage, Repeated2xx};
use crate::leg::next_hop::{NextHopState, OwnRequest, PeerPath, RequestKind};
use crate::leg::offer_answer::{Disagreement, OfferAnswer, Sender};
use crate::leg::reliable::RelayedReliable;
use crate::leg::requests::{RelayedRequest, RelayedRequests};
use crate::leg::session_timer::SessionTimer;
use crate::owners::Owner;
use crate::token::Token;
use crate::trunk::rules::{LegRules, Trusts};

/// The end of the call to which a leg leads.
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
    /// The reliable provisional responses that the peer has not acknowledged.
    pub(crate) reliable: RelayedReliable,
    /// The rules of the peer's trunk.
    pub(crate) rules: LegRules,
    /// The listener that sends messages to the peer.
    pub(crate) listener: Arc<Listener>,
    /// The session timer, or the keep-alive.
    pub(crate) timer: Option<Box<SessionTimer>>,
    /// The request on our own account that has no final response.
    pub(crate) own: Option<OwnRequest>,
    /// True if the peer supports session timers.
    pub(crate) supports_timer: bool,
    /// True if the peer takes an UPDATE.
    pub(crate) allows_update: bool,
    /// The session description of our last message, if we refresh the session by a re-INVITE.
    pub(crate) refresh_body: Option<Bytes>,
    session: OfferAnswer,
    next_hop: NextHopState,
    path: PeerPath,
    /// True if a TLS peer of a confirmed dialog cannot be reached.
    is_lost: bool,
    /// True once we have logged that the peer cannot be reached.
    is_loss_logged: bool,
    /// The trunk of the peer.
    trunk: Option<Arc<TrunkEntry>>,
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
    /// The flow by which the message of the peer that creates the dialog arrived.
    pub(crate) flow: Flow,
}

/// A relayed request that was sent on this leg, or could not be sent.
#[derive(Debug)]
pub(crate) struct Launched {
    /// The request's transaction with the peer that sent it.
    pub(crate) server: ServerId,
    pub(crate) result: Result<ClientId, NotLaunched>,
}

/// Why a request was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotLaunched {
    /// The endpoint holds as many transactions as its cap allows.
    Overloaded,
    /// The address of the peer was not found.
    NoAddress,
}

impl Leg {
    /// A leg with an early dialog. Its owner is told what arrives in the dialog.
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
            rules,
            listener,
            timer: None,
            own: None,
            supports_timer: false,
            allows_update: false,
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

    /// Closes the leg. Nothing more is sent in its dialog, and what arrives in the dialog has no owner.
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
        self.end_timer(env);
    }

    /// The call is over: the session is not refreshed, and the peer is not asked.
    pub(crate) fn end_timer(&mut self, env: &mut Env<'_>) {
        self.timer = None;
        if let Some(own) = self.own.take() {
            env.owners.forget_client(own.client);
        }
    }

    /// Hands the leg to another owner.
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

    /// True if nothing is owed in the dialog.
    pub(crate) fn is_over(&self) -> bool {
        self.invite.state == InviteState::Morgue
    }

    /// True if the answer with this token is for this leg.
    pub(crate) fn waits_for(&self, token: Token) -> bool {
        self.next_hop.asked() == Some(token)
    }

    /// When [`on_deadline`](Self::on_deadline) is due, or a relayed request of the peer is overdue.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let timer = self.timer.as_ref().map(|timer| timer.deadline());
        let deadlines = [self.next_hop.deadline(), self.invite.deadline(), self.requests.deadline(), timer];
        deadlines.into_iter().flatten().min()
    }

    /// The remote target follows the Contact of a target refresh (RFC 3261 section 12.2).
    pub(crate) fn refresh(&mut self, contact: Option<Bytes>) {
        if contact.is_some_and(|contact| self.dialog.refresh(contact)) {
            self.path.on_new_target();
            self.next_hop.forget();
        }
    }

    /// Sends the ACK of the 2xx that this leg has received, unless the ACK was sent before. `model` is the ACK of the other
    /// leg, with the header fields of the other leg that are believed.
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

    /// A 2xx to an INVITE of ours that no request waits for (RFC 3261 section 13.2.2.4).
    pub(crate) fn on_repeated_2xx(&mut self, seq: u32, client: ClientId, env: &mut Env<'_>) {
        if seq > self.dialog.local_seq() {
            // A CSeq number that we never used: the peer could otherwise make us send an ACK for each 2xx it invents.
            return;
        }
        match self.invite.on_repeated_2xx(seq, client) {
            Repeated2xx::AckAgain(transmit) => env.out.push_back(Output::Transmit(transmit)),
            Repeated2xx::Ack => self.acknowledge(None, env),
            Repeated2xx::Ignore => {}
        }
    }

    /// Ends the dialog by a BYE. If the ACK of our 2xx is due, the BYE waits for it (RFC 3261 section 15). `model`: the BYE
    /// of the other leg.
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

    /// Sends the BYE with the header fields and the body of `model`, the BYE of the other leg.
    pub(crate) fn send_bye(&mut self, model: Option<&Request>, env: &mut Env<'_>) {
        self.invite.state = InviteState::Mortal { bye: Bye::Queued };
        let (mut request, _) = self.dialog.request(Method::Bye);
        match model {
            Some(model) => self.fill(model, &mut request),
            None => request.headers_mut().push(Name::MaxForwards, relay::MAX_FORWARDS.to_string()),
        }
        self.send(request, RequestKind::Bye, env);
    }

    /// Copies the header fields and the body of `model`, a request of the other leg, as far as they are relayed.
    fn fill(&self, model: &Request, request: &mut Request) {
        // RFC 3261 section 8.1.1.6: our BYE or ACK has its own Max-Forwards if the model has no hops left.
        let forwards = relay::forwards(model.headers()).unwrap_or(relay::MAX_FORWARDS);
        relay::request(model, request, forwards, &self.contact(model.headers()));
    }

    /// Our Contact on this leg. `model` has the Contact of the other side.
    pub(crate) fn contact(&self, model: &Headers) -> String {
        contact_for(self.own_contact(), self.rules.relays_contact_params, model)
    }

    /// Our Contact on this leg, without parameters of the other side.
    pub(crate) fn own_contact(&self) -> String {
        self.config.contact(&self.listener, self.dialog.is_secure())
    }

    /// Does the work that is due: for the address of the peer, or for our 2xx. Returns the relayed requests that could not
    /// be sent, and true if our 2xx got no ACK.
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

    /// Answers the requests of the peer that are in flight, because the call is over (RFC 3261 section 15.1.2). The leg `far`,
    /// on which the requests were sent, may still receive a 2xx to a cancelled INVITE.
    pub(crate) fn abandon_requests(&mut self, mut far: Option<&mut Self>, env: &mut Env<'_>) {
        while let Some(RelayedRequest { request, server, client, .. }) = self.requests.pop() {
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

    /// A provisional response to an INVITE was relayed to the peer. The INVITE has the CSeq number `invite` on this leg, and
    /// `far_invite` on the other leg.
    pub(crate) fn on_provisional_relayed(&mut self, response: &Response, invite: u32, far_invite: u32) {
        if let Some(Ok(rseq)) = response.headers().get(Name::RSeq).map(RSeq::parse) {
            self.reliable.on_relayed(rseq.0, invite, far_invite);
        }
    }

    /// True if as many requests of the peer are in flight as the configuration allows.
    pub(crate) fn is_full(&self) -> bool {
        self.requests.len() >= self.config.caps.requests_per_dialog
    }

    /// The sender of the offer that has no answer yet.
    pub(crate) const fn open_offer(&self) -> Option<Sender> {
        self.session.open_offer()
    }

    /// Recomputes the route set and the remote target from the 2xx, which confirms the dialog (RFC 3261 section 13.2.2.4).
    pub(crate) fn confirm(&mut self, response: &Response) {
        if self.dialog.confirm(response) {
            self.path.on_new_target();
            self.next_hop.forget();
        }
    }

    /// Follows offers and answers in a request of the dialog.
    pub(crate) fn observe_request(&mut self, sender: Sender, request: &Request, env: &mut Env<'_>) {
        let session = has_session(request.headers(), request.body());
        if session && sender == Sender::Local && self.refresh_body.is_some() {
            self.refresh_body = Some(request.body_bytes());
        }
        let seen = self.session.on_request(sender, request.method(), session);
        count(seen, sender, env);
    }

    /// Follows offers and answers in a response of the dialog. Of provisional responses, only reliable ones count
    /// (RFC 6337 section 2.1).
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
        let seen = self.session.on_response(sender, method, response.status().class(), session);
        count(seen, sender, env);
    }
}

/// Counts what a peer did. The same message is seen on the other leg too, as ours, and counts once.
fn count(seen: Result<(), Disagreement>, sender: Sender, env: &mut Env<'_>) {
    if let (Err(why), Sender::Remote) = (seen, sender) {
        env.counters.offer_answer_disagreements += 1;
        tracing::debug!(?why, "offer and answer do not match");
    }
}
