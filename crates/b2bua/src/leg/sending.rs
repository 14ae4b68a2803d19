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
                None => self.not_sent(kind, env),
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
        let flow = result.ok().and_then(|destinations| self.flow_towards(destinations, env));
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

    /// Returns the flow to the first destination that one of our listeners can reach. The connection and the listener of the
    /// leg are preferred. Destinations that are out of service come last.
    fn flow_towards(&mut self, mut destinations: Vec<Destination>, env: &Env<'_>) -> Option<Flow> {
        let (now, targets) = (env.now.mono, &env.targets);
        destinations.sort_by_key(|each| {
            targets.status_at(now, each.transport, each.address) != TargetStatus::InService
        });
        for destination in destinations {
            if let Some(flow) = self.path.connection_to(&destination) {
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
                match kind {
                    OwnKind::Prack => self.on_prack_launched(client),
                    OwnKind::Probe | OwnKind::Update | OwnKind::ReInvite => {
                        self.own = client.map(|client| OwnRequest { client, kind, seq }).or(self.own);
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
        if kind == RequestKind::Bye && self.listener.transport.reliable() {
            self.log_lost();
        }
        match kind {
            RequestKind::Ack => {
                self.invite.on_ack_not_sent();
                None
            }
            RequestKind::Own(OwnKind::Prack, _) => {
                self.on_prack_launched(None);
                None
            }
            RequestKind::Own(OwnKind::Probe | OwnKind::Update | OwnKind::ReInvite, _) => None,
            RequestKind::Bye => {
                self.close(env);
                None
            }
            RequestKind::Relay(server) => Some(Launched { server, result: Err(NotLaunched::NoAddress) }),
        }
    }

    /// True if the next hop may follow messages from this flow.
    pub(crate) fn follows(&self, flow: &Flow) -> bool {
        flow.transport.reliable() || self.rules.behind_nat
    }

    /// Notes the flow on which a valid message of the peer has arrived in the dialog. A browser may return on another
    /// WebSocket.
    pub(crate) fn on_message_from(&mut self, flow: &Flow) {
        if let Some(flow) = self.path.on_message(flow) {
            match &self.next_hop {
                NextHopState::Known(_) | NextHopState::Unknown => self.next_hop = NextHopState::Known(flow),
                NextHopState::Asked { .. } => {}
            }
        }
    }

    /// Handles a request to the peer that could not be sent. The address of the peer is requested again. Returns true if a TLS
    /// peer is lost because two consecutive requests could not be sent. A browser may return on another WebSocket.
    pub(crate) fn on_loss(&mut self) -> bool {
        let loss = self.path.on_loss();
        self.next_hop.forget();
        let is_lost = self.listener.transport == Transport::Tls && loss == Loss::Again;
        if is_lost {
            self.log_lost();
        }
        is_lost
    }

    /// Handles our BYE that could not be sent. Sends the BYE again if the connection was lost. Returns false if the peer gets
    /// no BYE.
    pub(crate) fn sends_bye_again(&mut self, env: &mut Env<'_>) -> bool {
        let again = self.listener.transport.reliable() && self.path.on_loss() == Loss::First;
        self.next_hop.forget();
        if again {
            self.send_bye(None, env);
        }
        again && !self.is_over()
    }

    /// Logs that the peer gets no further message.
    fn log_lost(&self) {
        let (side, transport) = (self.side.as_str(), self.listener.transport);
        tracing::warn!(side, %transport, "the peer of a call cannot be reached");
    }
}
