//! Sending the requests of a leg, and finding the address of its peer (RFC 3261 sections 12.2.1.1 and 18.1.1).

use attesta_sip::Request;
use attesta_transaction::{Flow, ServerId, Transport};

use crate::env::Env;
use crate::io::{Destination, ResolveError};
use crate::leg::invite::{Bye, InviteState};
use crate::leg::next_hop::{
    Loss, NextHopState, OwnKind, OwnRequest, QueuedRequest, RESOLVE_BUDGET, RequestKind,
};
use crate::leg::{Launched, Leg, NotLaunched};
use crate::trunk::health::TargetStatus;

impl Leg {
    /// Sends a request in the dialog as soon as the address of the peer is known. Returns the result for a relayed request if
    /// it is known at once.
    pub(crate) fn send(
        &mut self,
        request: Request,
        kind: RequestKind,
        env: &mut Env<'_>,
    ) -> Option<Launched> {
        let request = QueuedRequest { request, kind };
        if let NextHopState::Unknown = self.next_hop
            && let Some(flow) = self.decided_flow()
        {
            self.next_hop = NextHopState::Known(flow);
        }
        match &mut self.next_hop {
            NextHopState::Known(flow) => {
                let flow = flow.clone();
                self.launch(request, flow, env)
            }
            NextHopState::Asked { queue, .. } => {
                queue.push(request);
                None
            }
            NextHopState::Unknown => match self.dialog.next_hop() {
                Some(target) => {
                    let token = env.resolve(self.owner, target, self.config.transports(&[]));
                    let until = env.now.mono + RESOLVE_BUDGET;
                    self.next_hop = NextHopState::Asked { token, until, queue: vec![request] };
                    None
                }
                None => match self.last_resort() {
                    Some(flow) => self.launch(request, flow, env),
                    None => self.not_sent(kind, env),
                },
            },
        }
    }

    /// Drops a relayed request that was not sent yet, because its sender has received a final response.
    pub(crate) fn unqueue(&mut self, server: ServerId) {
        self.next_hop.unqueue(server);
    }

    /// Handles the address of the peer, or the failure to find the address. The waiting requests are sent, or fail.
    pub(crate) fn on_resolved(
        &mut self,
        result: Result<Vec<Destination>, ResolveError>,
        env: &mut Env<'_>,
    ) -> Vec<Launched> {
        let queue = match std::mem::replace(&mut self.next_hop, NextHopState::Unknown) {
            NextHopState::Asked { token, queue, .. } => {
                env.owners.forget_token(token);
                queue
            }
            other @ (NextHopState::Unknown | NextHopState::Known(_)) => {
                self.next_hop = other;
                return Vec::new();
            }
        };
        let flow = self
            .decided_flow()
            .or_else(|| self.flow_towards(result.unwrap_or_default(), env))
            .or_else(|| self.last_resort());
        if let Some(flow) = &flow {
            self.next_hop = NextHopState::Known(flow.clone());
        }
        let mut launched = Vec::new();
        for request in queue {
            launched.extend(match &flow {
                Some(flow) => self.launch(request, flow.clone(), env),
                None => self.not_sent(request.kind, env),
            });
        }
        launched
    }

    /// Returns the next hop if the path of the peer's messages alone determines it.
    fn decided_flow(&mut self) -> Option<Flow> {
        let flow = self.path.decided()?.clone();
        self.send_from(&flow);
        Some(flow)
    }

    /// Returns the connection of the peer, because its Contact has no address.
    fn last_resort(&mut self) -> Option<Flow> {
        self.path.on_no_address();
        self.decided_flow()
    }

    /// From now on, the listener of this flow sends the messages to the peer.
    fn send_from(&mut self, flow: &Flow) {
        if self.listener.transport != flow.transport || self.listener.address != flow.local {
            self.listener = self.config.listener_of(flow);
        }
    }

    /// Returns the flow to the first destination that one of our listeners can reach. The connection and the listener of the
    /// leg are preferred. Destinations that are out of service come last.
    fn flow_towards(&mut self, mut destinations: Vec<Destination>, env: &Env<'_>) -> Option<Flow> {
        let (now, targets) = (env.now.mono, &env.targets);
        destinations.sort_by_key(|each| {
            targets.status_at(now, each.transport, each.address) != TargetStatus::InService
        });
        for destination in destinations {
            if let Some(flow) = self.path.connection_to(&destination) {
                self.send_from(&flow);
                return Some(flow);
            }
            let Destination { transport, address, server_name } = destination;
            let own = &self.listener;
            if own.transport != transport || own.address.is_ipv4() != address.is_ipv4() {
                match self.config.listener_towards(&[], transport, address) {
                    Some(other) => self.listener = other.clone(),
                    None => continue,
                }
            }
            return Some(self.listener.flow_to(address, server_name));
        }
        None
    }

    fn launch(&mut self, queued: QueuedRequest, flow: Flow, env: &mut Env<'_>) -> Option<Launched> {
        let QueuedRequest { request, kind } = queued;
        let sent_by = &self.listener.sent_by;
        match kind {
            RequestKind::Ack => {
                let transmit = env.send(request, flow, sent_by);
                self.invite.on_ack_sent(transmit);
                None
            }
            RequestKind::Bye => {
                match env.request(self.owner, request, flow, sent_by) {
                    Ok(client) => self.invite.state = InviteState::Mortal { bye: Bye::Sent(client) },
                    Err(_) => self.close(env),
                }
                None
            }
            RequestKind::Own(kind, seq) => {
                let client = env.request(self.owner, request, flow, sent_by).ok();
                match (kind, client) {
                    (OwnKind::Prack, client) => self.on_prack_launched(client),
                    (OwnKind::Probe | OwnKind::Update | OwnKind::ReInvite, Some(client)) => {
                        self.own = Some(OwnRequest { client, kind, seq });
                    }
                    (OwnKind::Probe | OwnKind::Update | OwnKind::ReInvite, None) => {
                        self.on_own_unsent(kind, false, env);
                    }
                }
                None
            }
            RequestKind::Relay(server) => {
                let result = env.request(self.owner, request, flow, sent_by);
                Some(Launched { server, result: result.map_err(|_| NotLaunched::Overloaded) })
            }
        }
    }

    fn not_sent(&mut self, kind: RequestKind, env: &mut Env<'_>) -> Option<Launched> {
        tracing::debug!(?kind, side = self.side.as_str(), "the address of the peer was not found");
        match kind {
            RequestKind::Ack => {
                self.invite.on_ack_not_sent();
                self.on_unreachable();
                None
            }
            RequestKind::Own(OwnKind::Prack, _) => {
                self.on_prack_launched(None);
                None
            }
            RequestKind::Own(kind @ (OwnKind::Probe | OwnKind::Update | OwnKind::ReInvite), _) => {
                self.on_loss();
                self.on_own_unsent(kind, true, env);
                None
            }
            RequestKind::Bye => {
                self.log_loss();
                self.close(env);
                None
            }
            RequestKind::Relay(server) => Some(Launched { server, result: Err(NotLaunched::NoAddress) }),
        }
    }

    /// Notes the flow on which a valid request of the peer has arrived in the dialog. The path of the peer follows the request
    /// if the trunk of the peer claims the source.
    pub(crate) fn on_request_from(&mut self, flow: &Flow) {
        let follows = flow.transport.reliable() || self.rules.behind_nat;
        if follows && self.trunk.as_ref().is_some_and(|entry| entry.trunk.fit(flow).is_some()) {
            self.on_message_from(flow);
        }
    }

    /// Notes the flow on which a valid message of the peer has arrived in the dialog. A browser may return on another
    /// WebSocket.
    pub(crate) fn on_message_from(&mut self, flow: &Flow) {
        self.path.on_message(flow, self.dialog.needs_tls());
        if self.path.decided().is_some() {
            // The next request asks the path.
            self.next_hop.forget();
        }
    }

    /// Handles a request to the peer that could not be sent. The next request takes another way, if there is one. Returns true
    /// if a TLS peer is lost because two consecutive requests could not be sent. A browser may return on another WebSocket.
    pub(crate) fn on_loss(&mut self) -> bool {
        let is_lost = self.note_loss() == Loss::Again && self.listener.transport == Transport::Tls;
        if is_lost {
            self.on_unreachable();
        }
        is_lost
    }

    /// Handles our BYE that could not be sent. Sends the BYE again if the connection was lost. Returns false if the peer gets
    /// no BYE.
    pub(crate) fn sends_bye_again(&mut self, env: &mut Env<'_>) -> bool {
        let again = self.note_loss() == Loss::First && self.listener.transport.reliable();
        if again {
            self.send_bye(None, env);
        } else if self.listener.transport.reliable() {
            self.log_loss();
        }
        again && !self.is_over()
    }

    fn note_loss(&mut self) -> Loss {
        let used = match &self.next_hop {
            NextHopState::Known(flow) => Some(flow),
            NextHopState::Unknown | NextHopState::Asked { .. } => None,
        };
        let loss = self.path.on_loss(used);
        self.next_hop.forget();
        loss
    }

    /// True if a TLS peer of a confirmed dialog cannot be reached. Then the call must end.
    pub(crate) const fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Notes that the peer gets no further message. If the peer uses TLS, the call ends.
    fn on_unreachable(&mut self) {
        self.log_loss();
        self.is_lost = self.listener.transport == Transport::Tls && self.invite.is_confirmed();
    }

    /// Logs once that the peer gets no further message.
    fn log_loss(&mut self) {
        if std::mem::replace(&mut self.is_loss_logged, true) {
            return;
        }
        let trunk = self.trunk.as_ref().map_or("", |entry| entry.trunk.name());
        let (side, transport) = (self.side.as_str(), self.listener.transport);
        match self.dialog.next_hop() {
            Some(remote) => {
                tracing::warn!(trunk, side, %transport, %remote, "the peer of a call cannot be reached")
            }
            None => tracing::warn!(trunk, side, %transport, "the peer of a call has no usable Contact"),
        }
    }
}
