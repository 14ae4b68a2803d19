//! One transaction: its machine, and the data that the machine does not change.

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
    /// The flow of the request.
    pub(crate) flow: Flow,
    /// The request as sent. It is empty after the final response, because the machine then stays for 32 s.
    pub(crate) request: Bytes,
    /// The branch of its Via.
    pub(crate) branch: Branch,
    machine: ClientMachine,
}

#[derive(Debug)]
enum ClientMachine {
    Invite(client_invite::State),
    Other(client::State),
    /// A CANCEL of the endpoint itself. The user gets no events for this CANCEL.
    Cancel(client::State),
}

/// The events of a client transaction, for all its machines.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the value lives for one turn of the loop: a box would cost an allocation per message"
)]
pub(crate) enum ClientEvent {
    Response(Response, Flow),
    Cancel(Cancel),
    Timer,
    TransportError(Failure),
}

impl Client {
    /// Sends a request of the user.
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

    /// Sends a CANCEL for an INVITE of the user.
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

    /// Handles one event. Returns the CANCEL that must be sent now.
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

    /// The time of the next timer event.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.machine {
            ClientMachine::Invite(state) => state.deadline(),
            ClientMachine::Other(state) | ClientMachine::Cancel(state) => state.deadline(),
        }
    }

    /// Whether a final response has arrived. The request is not sent again, and the machine only absorbs late messages (Timers
    /// D, K and M).
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

    /// Whether the user knows the transaction.
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
            Self::Cancel(cancel) => client_invite::Event::Cancel(cancel),
            Self::Timer => client_invite::Event::Timer,
            Self::TransportError(why) => client_invite::Event::TransportError(why),
        }
    }

    /// `None` for a CANCEL: only an INVITE can be cancelled (RFC 3261 section 9.1).
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
    /// The flow of the responses.
    pub(crate) flow: Flow,
    /// The key of the request on every path.
    pub(crate) merged: Option<Key>,
    /// The other addresses that may cancel the INVITE.
    pub(crate) cancel_scope: Option<Arc<dyn CancelScope>>,
    machine: ServerMachine,
}

#[derive(Debug)]
enum ServerMachine {
    Invite(server_invite::State),
    Other(server::State),
    /// A CANCEL that the endpoint answers. The user gets no transaction for this CANCEL.
    Cancel(server::State),
}

/// The events of a server transaction, for all its machines.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the value lives for one turn of the loop: a box would cost an allocation per message"
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
        Self { flow, merged, cancel_scope: None, machine }
    }

    /// Waits for the endpoint's response to a CANCEL.
    pub(crate) fn start_cancel(now: Instant, flow: Flow, request: Unanswered, config: &Config) -> Self {
        let machine = ServerMachine::Cancel(server::State::start(now, request, config));
        Self { flow, merged: None, cancel_scope: None, machine }
    }

    /// Handles one event.
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

    /// Whether a CANCEL from this flow is accepted. The address of the responses is the source address of the request.
    pub(crate) fn may_be_cancelled_by(&self, flow: &Flow) -> bool {
        self.flow.remote.ip().to_canonical() == flow.remote.ip().to_canonical()
            || self.cancel_scope.as_ref().is_some_and(|scope| scope.may_cancel(flow))
    }

    /// Uses `elsewhere` for later responses, if they used the connection `gone`.
    pub(crate) fn replace_connection(&mut self, gone: Option<ConnectionId>, elsewhere: &Flow) {
        if self.flow.connection == gone {
            self.flow = elsewhere.clone();
        }
    }

    /// The time of the next timer event.
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

    /// Whether the user knows the transaction.
    pub(crate) fn is_named(&self) -> bool {
        match &self.machine {
            ServerMachine::Invite(_) | ServerMachine::Other(_) => true,
            ServerMachine::Cancel(_) => false,
        }
    }

    /// Whether the machine only absorbs late messages (Timers I, J and L).
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

    /// The machine of an INVITE.
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

    /// `None` for the events that such a machine ignores: an ACK, and a provisional response of the user. RFC 4320 section 4.1
    /// allows only the 100 that the endpoint sends.
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
