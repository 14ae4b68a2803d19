//! One transaction: its machine and what the machine does not change.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use attesta_sip::{Method, Request, Response, Status};
use bytes::Bytes;
use tracing::trace;

use crate::cancel_scope::CancelScope;
use crate::client_invite::Cancel;
use crate::config::Config;
use crate::error::Failure;
use crate::flow::{ConnectionId, Flow};
use crate::id_generator::Branch;
use crate::io::{ClientId, ServerId};
use crate::key::Key;
use crate::outbox::Outbox;
use crate::reply::Unanswered;
use crate::{client, client_invite, server, server_invite};

/// A client transaction.
#[derive(Debug)]
pub(crate) struct Client {
    /// Where the request goes.
    pub(crate) flow: Flow,
    /// The request as it was sent; empty once it has its final response, since the machine then lingers for 32 s.
    pub(crate) request: Bytes,
    /// The branch of its Via.
    pub(crate) branch: Branch,
    machine: ClientMachine,
}

#[derive(Debug)]
enum ClientMachine {
    Invite(client_invite::State),
    Other(client::State),
    /// A CANCEL of the endpoint's own, of which the user hears nothing.
    Cancel(client::State),
}

/// What can happen to a client transaction, whatever its machine.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one turn of the loop: a box would cost an allocation per message"
)]
pub(crate) enum ClientEvent {
    Response(Response, Flow),
    Cancel(Cancel),
    Timer,
    TransportError(Failure),
}

impl Client {
    /// Sends a request of the user's.
    pub(crate) fn start(
        now: Instant,
        method: &Method,
        branch: Branch,
        flow: Flow,
        request: Bytes,
        config: &Config,
        out: &mut Outbox,
    ) -> Self {
        let machine = if *method == Method::Invite {
            ClientMachine::Invite(client_invite::State::start(now, &flow, &request, config, out))
        } else {
            ClientMachine::Other(client::State::start(now, &flow, &request, config, out))
        };
        Self { flow, request, branch, machine }
    }

    /// Sends a CANCEL for an INVITE of the user's.
    pub(crate) fn start_cancel(
        now: Instant,
        branch: Branch,
        flow: Flow,
        cancel: Bytes,
        config: &Config,
        out: &mut Outbox,
    ) -> Self {
        let machine = ClientMachine::Cancel(client::State::start(now, &flow, &cancel, config, out));
        Self { flow, request: cancel, branch, machine }
    }

    /// Takes one event; gives back the wish for a CANCEL that must leave now.
    pub(crate) fn step(
        &mut self,
        now: Instant,
        event: ClientEvent,
        id: ClientId,
        config: &Config,
        out: &mut Outbox,
    ) -> Option<Cancel> {
        let before = self.state();
        let mut cancel = None;
        let named = self.is_named().then_some(id);
        match &mut self.machine {
            ClientMachine::Invite(state) => {
                let tsx = client_invite::Context { id, config, flow: &self.flow, invite: &self.request };
                let old = mem::replace(state, client_invite::State::Terminated);
                *state = old.step(now, event.for_invite(), &tsx, out, &mut cancel);
            }
            ClientMachine::Other(state) | ClientMachine::Cancel(state) => {
                let event = event.for_other()?;
                let tsx = client::Context { id: named, config, flow: &self.flow, request: &self.request };
                *state = mem::replace(state, client::State::Terminated).step(now, event, &tsx, out);
            }
        }
        trace!(client = id.0.serial, from = before, to = self.state(), "transition");
        if self.absorbs() {
            self.request = Bytes::new();
        }
        cancel
    }

    /// When the transaction wants a timer event.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.machine {
            ClientMachine::Invite(state) => state.deadline(),
            ClientMachine::Other(state) | ClientMachine::Cancel(state) => state.deadline(),
        }
    }

    /// Whether a final response has come: the request is never sent again, and what the machine still does is to absorb what
    /// comes late (Timers D, K and M).
    pub(crate) fn absorbs(&self) -> bool {
        match &self.machine {
            ClientMachine::Invite(state) => {
                matches!(
                    state,
                    client_invite::State::Accepted { .. } | client_invite::State::Completed { .. }
                )
            }
            ClientMachine::Other(state) | ClientMachine::Cancel(state) => {
                matches!(state, client::State::Completed { .. })
            }
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        match &self.machine {
            ClientMachine::Invite(state) => matches!(state, client_invite::State::Terminated),
            ClientMachine::Other(state) | ClientMachine::Cancel(state) => {
                matches!(state, client::State::Terminated)
            }
        }
    }

    /// Whether the user knows of the transaction.
    pub(crate) fn is_named(&self) -> bool {
        match &self.machine {
            ClientMachine::Invite(_) | ClientMachine::Other(_) => true,
            ClientMachine::Cancel(_) => false,
        }
    }

    fn state(&self) -> &'static str {
        match &self.machine {
            ClientMachine::Invite(state) => state.name(),
            ClientMachine::Other(state) | ClientMachine::Cancel(state) => state.name(),
        }
    }
}

impl ClientEvent {
    fn for_invite(self) -> client_invite::Event {
        match self {
            Self::Response(response, flow) if response.status().is_provisional() => {
                client_invite::Event::Provisional(response, flow)
            }
            Self::Response(response, flow) if response.status().is_success() => {
                client_invite::Event::Success(response, flow)
            }
            Self::Response(response, flow) => client_invite::Event::Failure(response, flow),
            Self::Cancel(wish) => client_invite::Event::Cancel(wish),
            Self::Timer => client_invite::Event::Timer,
            Self::TransportError(why) => client_invite::Event::TransportError(why),
        }
    }

    /// `None` for a CANCEL: only an INVITE is cancelled (RFC 3261 section 9.1).
    fn for_other(self) -> Option<client::Event> {
        match self {
            Self::Response(response, flow) if response.status().is_provisional() => {
                Some(client::Event::Provisional(response, flow))
            }
            Self::Response(response, flow) => Some(client::Event::Final(response, flow)),
            Self::Cancel(_) => None,
            Self::Timer => Some(client::Event::Timer),
            Self::TransportError(why) => Some(client::Event::TransportError(why)),
        }
    }
}

/// A server transaction.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where responses go.
    pub(crate) flow: Flow,
    /// The key under which the request is known on whatever path it comes.
    pub(crate) merged: Option<Key>,
    /// Who else may cancel it.
    pub(crate) kin: Option<Arc<dyn CancelScope>>,
    machine: ServerMachine,
}

#[derive(Debug)]
enum ServerMachine {
    Invite(server_invite::State),
    Other(server::State),
    /// A CANCEL, which the endpoint answers and the user cannot.
    Cancel(server::State),
}

/// What can happen to a server transaction, whatever its machine.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one turn of the loop: a box would cost an allocation per message"
)]
pub(crate) enum ServerEvent {
    /// The request arrived again.
    Request,
    Ack(Request, Flow),
    Response(Status, Bytes),
    Timer,
    TransportError,
}

impl Server {
    /// Waits for the user's response to a request.
    pub(crate) fn start(
        now: Instant,
        method: &Method,
        flow: Flow,
        merged: Option<Key>,
        request: Unanswered,
        config: &Config,
    ) -> Self {
        let machine = if *method == Method::Invite {
            ServerMachine::Invite(server_invite::State::start(now, request))
        } else {
            ServerMachine::Other(server::State::start(now, request, config))
        };
        Self { flow, merged, kin: None, machine }
    }

    /// Waits for the endpoint's response to a CANCEL.
    pub(crate) fn start_cancel(now: Instant, flow: Flow, request: Unanswered, config: &Config) -> Self {
        let machine = ServerMachine::Cancel(server::State::start(now, request, config));
        Self { flow, merged: None, kin: None, machine }
    }

    /// Takes one event.
    pub(crate) fn step(
        &mut self,
        now: Instant,
        event: ServerEvent,
        id: ServerId,
        config: &Config,
        out: &mut Outbox,
    ) {
        let before = self.state();
        let named = self.is_named().then_some(id);
        match &mut self.machine {
            ServerMachine::Invite(state) => {
                let tsx = server_invite::Context { id, config, flow: &self.flow };
                let old = mem::replace(state, server_invite::State::Terminated);
                *state = old.step(now, event.for_invite(), &tsx, out);
            }
            ServerMachine::Other(state) | ServerMachine::Cancel(state) => {
                let Some(event) = event.for_other() else { return };
                let tsx = server::Context { id: named, config, flow: &self.flow };
                *state = mem::replace(state, server::State::Terminated).step(now, event, &tsx, out);
            }
        }
        trace!(server = id.0.serial, from = before, to = self.state(), "transition");
    }

    /// Whether a CANCEL that came by this flow counts. The request came from where responses go back to.
    pub(crate) fn may_be_cancelled_by(&self, flow: &Flow) -> bool {
        self.flow.remote.ip().to_canonical() == flow.remote.ip().to_canonical()
            || self.kin.as_ref().is_some_and(|kin| kin.may_cancel(flow))
    }

    /// The connection is gone: if it is the one that responses take, they take another from now on.
    pub(crate) fn moves(&mut self, gone: Option<ConnectionId>, elsewhere: &Flow) {
        if self.flow.connection == gone {
            self.flow = elsewhere.clone();
        }
    }

    /// When the transaction wants a timer event.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.machine {
            ServerMachine::Invite(state) => state.deadline(),
            ServerMachine::Other(state) | ServerMachine::Cancel(state) => state.deadline(),
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        match &self.machine {
            ServerMachine::Invite(state) => matches!(state, server_invite::State::Terminated),
            ServerMachine::Other(state) | ServerMachine::Cancel(state) => {
                matches!(state, server::State::Terminated)
            }
        }
    }

    /// Whether the user knows of the transaction.
    pub(crate) fn is_named(&self) -> bool {
        match &self.machine {
            ServerMachine::Invite(_) | ServerMachine::Other(_) => true,
            ServerMachine::Cancel(_) => false,
        }
    }

    /// Whether what the machine still does is to absorb what comes late (Timers I, J and L).
    pub(crate) fn absorbs(&self) -> bool {
        match &self.machine {
            ServerMachine::Invite(state) => {
                matches!(
                    state,
                    server_invite::State::Accepted { .. } | server_invite::State::Confirmed { .. }
                )
            }
            ServerMachine::Other(state) | ServerMachine::Cancel(state) => {
                matches!(state, server::State::Completed { .. })
            }
        }
    }

    /// The INVITE's machine.
    pub(crate) fn invite(&self) -> Option<&server_invite::State> {
        match &self.machine {
            ServerMachine::Invite(state) => Some(state),
            ServerMachine::Other(_) | ServerMachine::Cancel(_) => None,
        }
    }

    fn state(&self) -> &'static str {
        match &self.machine {
            ServerMachine::Invite(state) => state.name(),
            ServerMachine::Other(state) | ServerMachine::Cancel(state) => state.name(),
        }
    }
}

impl ServerEvent {
    fn for_invite(self) -> server_invite::Event {
        match self {
            Self::Request => server_invite::Event::Invite,
            Self::Ack(request, flow) => server_invite::Event::Ack(request, flow),
            Self::Response(status, response) if status.is_provisional() => {
                server_invite::Event::Provisional(response)
            }
            Self::Response(status, response) if status.is_success() => {
                server_invite::Event::Success(response)
            }
            Self::Response(_, response) => server_invite::Event::Failure(response),
            Self::Timer => server_invite::Event::Timer,
            Self::TransportError => server_invite::Event::TransportError,
        }
    }

    /// `None` for what such a transaction has no use for: an ACK, and a provisional response of the user's, since RFC 4320
    /// section 4.1 leaves only the 100 that the endpoint sends.
    fn for_other(self) -> Option<server::Event> {
        match self {
            Self::Request => Some(server::Event::Request),
            Self::Ack(..) => None,
            Self::Response(status, _) if status.is_provisional() => None,
            Self::Response(Status::REQUEST_TIMEOUT, _) => Some(server::Event::Silence),
            Self::Response(_, response) => Some(server::Event::Final(response)),
            Self::Timer => Some(server::Event::Timer),
            Self::TransportError => Some(server::Event::TransportError),
        }
    }
}
