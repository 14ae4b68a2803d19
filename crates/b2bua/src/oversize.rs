//! Requests that are too large for a datagram: RFC 3261 section 18.1.1.

use std::time::{Duration, Instant};

use attesta_sip::{Name, Request};
use attesta_transaction::Transport;

use crate::attempt::{Path, Progress};
use crate::call::{Call, Turn};
use crate::health::{Peer, Standing};
use crate::io::{Destination, Output, Unreachable};
use crate::policy::Policy;
use crate::route::Stop;

/// What is done with an INVITE of more than 1,300 octets towards a target that is reached by UDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Oversize {
    /// It goes by TCP where the target takes a connection, and by UDP where it does not. A target whose URI says
    /// `transport=udp` is not asked: a transport that is named is the one that is used (RFC 3263 section 4.1).
    #[default]
    Tcp,
    /// It goes by UDP, in fragments where the path needs them.
    Datagram,
}

/// An INVITE that waits for a connection.
#[derive(Debug)]
pub(crate) struct Reaching {
    pub(crate) stop: Stop,
    /// The way of the datagram, should there be no connection.
    pub(crate) path: Path,
    /// The way of the connection.
    over: Path,
    pub(crate) outgoing: Box<Request>,
    pub(crate) until: Instant,
}

impl Call {
    /// The way by TCP that this INVITE has to take, if there is one that may be tried.
    pub(crate) fn way_of_the_large<P>(
        &self,
        turn: &Turn<'_, P>,
        stop: &Stop,
        path: &Path,
        outgoing: &Request,
    ) -> Option<Path> {
        let trunk = &stop.egress.trunk;
        let asked = match (trunk.oversize, stop.target.transport) {
            (Oversize::Datagram, _) => false,
            (Oversize::Tcp, None) => path.flow.transport == Transport::Udp,
            (Oversize::Tcp, Some(_)) => false,
        };
        if !asked || length(outgoing, path) <= LARGEST_DATAGRAM {
            return None;
        }
        let address = path.flow.remote;
        let listener = self.config.listener_towards(&trunk.listeners, Transport::Tcp, address)?.clone();
        let flow = listener.flow_to(&Destination { transport: Transport::Tcp, address, server_name: None });
        let over = Path { listener, flow };
        let opens = turn.desk.connections.standing(turn.now.mono, Peer::of(&over.flow)) == Standing::Well;
        // One that takes connections and is silent on them has no use for them.
        let silent = turn.desk.standing(turn.now, &over) == Standing::Failed;
        (opens && !silent).then_some(over)
    }

    /// Has the shell open a connection for this INVITE, for as long as a caller hardly notices.
    pub(crate) fn reach<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        stop: Stop,
        path: Path,
        over: Path,
        outgoing: Request,
    ) {
        tracing::debug!(flow = ?over.flow, "too large for a datagram");
        turn.desk.connections.tried(turn.now.mono, Peer::of(&over.flow), REACH_BUDGET);
        let token = turn.desk.token();
        self.await_answer(turn, token);
        turn.desk.emit(Output::Reach { token, flow: over.flow.clone() });
        let until = turn.now.mono + REACH_BUDGET;
        let outgoing = Box::new(outgoing);
        self.set_progress(Progress::Reaching(Reaching { stop, path, over, outgoing, until }));
    }

    /// The answer of the shell, or the end of the time that it has for one.
    pub(crate) fn reached<P: Policy>(&mut self, turn: &mut Turn<'_, P>, result: Result<(), Unreachable>) {
        let Reaching { stop, path, over, mut outgoing, .. } = match self.take_progress() {
            Some(Progress::Reaching(reaching)) => reaching,
            Some(other) => return self.set_progress(other),
            None => return,
        };
        self.forget_question(turn);
        let (peer, cap) = (Peer::of(&over.flow), self.config.caps.set_aside);
        let path = match result {
            Ok(()) => {
                turn.desk.connections.answered(turn.now.mono, peer, cap);
                outgoing.headers_mut().set(Name::Contact, over.listener.contact());
                over
            }
            Err(Unreachable::NoRoom) => path,
            Err(Unreachable::Refused) => {
                // Whoever comes next does not wait again: a firewall that drops SYNs costs one call.
                turn.desk.counters.connections_refused += 1;
                turn.desk.connections.failed(turn.now.mono, peer, REFUSAL, cap);
                tracing::info!(flow = ?over.flow, "takes no connection: what is large goes in datagrams");
                path
            }
        };
        self.dispatch(turn, stop, path, *outgoing);
    }
}

/// The octets of a request as it is sent in a datagram, our Via among them.
fn length(request: &Request, path: &Path) -> usize {
    request.to_bytes().len() + path.listener.sent_by.as_str().len() + VIA
}

/// RFC 3261 section 18.1.1, where the MTU of the path is not known.
const LARGEST_DATAGRAM: usize = 1300;

/// The octets of `Via: SIP/2.0/UDP ;branch=z9hG4bK-at0123450123456789abcdef;rport` and its line end.
const VIA: usize = 65;

/// How long a call waits for a connection before it goes by datagram.
const REACH_BUDGET: Duration = Duration::from_millis(500);

/// How long a refusal is remembered.
const REFUSAL: Duration = Duration::from_secs(300);
