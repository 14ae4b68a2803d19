//! Requests that are too large for a datagram: RFC 3261 section 18.1.1.

use std::time::Duration;

use attesta_sip::{Method, Name, Request};
use attesta_transaction::Transport;

use crate::config::next_hop::NextHop;
use crate::env::Env;
use crate::headers::contact::contact_for;
use crate::headers::relay;
use crate::hunt::progress::{Attempt, Progress};
use crate::hunt::{Hunt, HuntStep};
use crate::intake::origin::Origin;
use crate::io::Unreachable;
use crate::trunk::rules::Oversize;

impl Hunt {
    /// The next hop over TCP for this INVITE. `None` if the INVITE is small enough for UDP, if its transport must not
    /// change, if no listener can reach the target over TCP, or if the target is not expected to accept a connection.
    pub(super) fn stream_for(
        &self,
        attempt: &Attempt,
        outgoing: &Request,
        origin: &Origin,
        env: &Env<'_>,
    ) -> Option<NextHop> {
        let trunk = attempt.trunk();
        let may_change = match (trunk.oversize, attempt.target.target.transport) {
            (Oversize::Datagram, _) | (Oversize::Tcp, Some(_)) => false,
            (Oversize::Tcp, None) => attempt.hop.flow.transport == Transport::Udp,
        };
        let is_invite = *outgoing.method() == Method::Invite;
        if !may_change || !is_invite || length(outgoing, &attempt.hop) <= LARGEST_DATAGRAM {
            return None;
        }
        let address = attempt.hop.flow.remote;
        let listener = origin.config.listener_towards(&trunk.listeners, Transport::Tcp, address)?.clone();
        let flow = listener.flow_to(address, None);
        env.targets.takes_connections(env.now.mono, &flow).then_some(NextHop { listener, flow })
    }

    /// Asks the shell to open a connection for this INVITE.
    pub(super) fn connect(
        &mut self,
        attempt: Attempt,
        stream: NextHop,
        outgoing: Request,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> HuntStep {
        tracing::debug!(flow = ?stream.flow, "INVITE too large for a datagram");
        let now = env.now.mono;
        env.targets.connecting(now, &stream.flow, CONNECT_BUDGET);
        self.forget_question(env);
        self.asked = Some(env.reach(origin.owner, stream.flow.clone()));
        let (until, outgoing) = (now + CONNECT_BUDGET, Box::new(outgoing));
        self.progress = Progress::Connecting { attempt, stream, outgoing, until };
        HuntStep::Goes
    }

    /// Handles the answer of the shell, or the deadline for the answer. Without a connection, the INVITE is sent over UDP.
    pub(crate) fn on_connected(
        &mut self,
        result: Result<(), Unreachable>,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> HuntStep {
        let (mut attempt, stream, mut outgoing) = match self.take_progress() {
            Progress::Connecting { attempt, stream, outgoing, .. } => (attempt, stream, outgoing),
            other @ (Progress::Idle
            | Progress::Resolving { .. }
            | Progress::Attesting { .. }
            | Progress::Signing { .. }
            | Progress::Trying { .. }
            | Progress::Ringing { .. }) => return self.put_back(other),
        };
        self.forget_question(env);
        let (now, cap) = (env.now.mono, origin.config.caps.remembered_targets);
        match result {
            Ok(()) => {
                env.targets.connected(now, &stream.flow, cap);
                // The INVITE is not for a `sips` URI, since it was about to leave over UDP.
                let own = stream.listener.contact(false);
                let contact = contact_for(
                    own,
                    attempt.trunk().leg_rules().relays_contact_params,
                    self.request().headers(),
                );
                outgoing.headers_mut().set(Name::Contact, contact);
                attempt.hop = stream;
            }
            Err(Unreachable::NoRoom) => {}
            Err(Unreachable::Refused) => {
                env.counters.connections_refused += 1;
                env.targets.refused_connection(now, &stream.flow, REFUSAL, cap);
            }
        }
        self.dispatch(attempt, *outgoing, origin, env)
    }
}

/// The length of a request in a datagram, with our Via, in octets.
fn length(request: &Request, hop: &NextHop) -> usize {
    let start_line = request.method().as_str().len() + request.uri().len() + START_LINE;
    let digits = request.body().len().checked_ilog10().unwrap_or_default() as usize + 1;
    start_line + relay::octets(request) + CONTENT_LENGTH + digits + hop.listener.sent_by.as_str().len() + VIA
}

/// The length, in octets, of two blanks, `SIP/2.0` and the line end.
const START_LINE: usize = 11;

/// The length, in octets, of `Content-Length: `, its line end, and the empty line.
const CONTENT_LENGTH: usize = 20;

/// The largest request that is sent over UDP, in octets, if the MTU of the path is not known (RFC 3261 section 18.1.1).
const LARGEST_DATAGRAM: usize = 1300;

/// The length, in octets, of `Via: SIP/2.0/UDP ;branch=z9hG4bK-at0123450123456789abcdef;rport` and its line end.
const VIA: usize = 65;

/// How long an INVITE waits for a connection before it is sent over UDP. A caller hardly notices this delay.
const CONNECT_BUDGET: Duration = Duration::from_millis(500);

/// After a target refuses a connection, we open no connection to the target for this time.
const REFUSAL: Duration = Duration::from_secs(300);
