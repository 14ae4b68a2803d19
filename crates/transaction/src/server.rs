//! The non-INVITE server transaction.

use std::time::Instant;

use bytes::Bytes;

use crate::config::Config;
use crate::error::Failure;
use crate::flow::Flow;
use crate::io::{self, ServerId};
use crate::outbox::Outbox;
use crate::reply::Unanswered;

/// Non-INVITE server transaction: RFC 3261 section 17.2.2 with the provisional responses of RFC 4320.
///
/// ```text
///                         | request: to the user
///       request: absorb   v
///                +---> Trying
///                +------/ | \
///                         |  \ 200-699 from the user: send it
///                         | no final response by the time at which
///                         | the client's Timer E reaches T2: send 100
///                         v    \
///    request: +--> Proceeding   \
///  send 100   +------/    |      \
///                         | 200-699 from the user: send it; 64 T1 after
///    request:             v        v the request: the client has stopped
///  send response +--> Completed <--+
///                +------/ |           transport error anywhere:
///                         | Timer J   inform the user
///                         v
///                     Terminated
/// ```
///
/// The state Completed without a response absorbs retransmissions. The last retransmission may still be in the network when the
/// client's Timer F fires.
///
/// A transport error does not change the state (RFC 6026 section 8.8). A client that retransmits its request gets the response
/// again.
#[derive(Debug)]
pub(crate) enum State {
    Trying { request: Unanswered, trying: Instant, expires: Instant },
    Proceeding { trying: Bytes, expires: Instant },
    Completed { response: Option<Bytes>, timer_j: Instant },
    Terminated,
}

/// The events of the machine.
#[derive(Debug)]
pub(crate) enum Event {
    /// The request arrived again.
    Request,
    /// The user sends a 200-699 other than 408.
    Final(Bytes),
    /// The user sends a 408. It is dropped, because a non-INVITE request never gets a 408 (RFC 4320 section 4.2).
    Silence,
    /// The deadline has passed.
    Timer,
    /// The transport could not send the response.
    TransportError,
}

/// The data that the machine reads and does not change.
pub(crate) struct Context<'a> {
    /// The transaction; `None` for a CANCEL, which the endpoint answers and the user does not know.
    pub(crate) id: Option<ServerId>,
    pub(crate) config: &'a Config,
    /// The flow of the responses.
    pub(crate) flow: &'a Flow,
}

impl State {
    /// Waits for the user's response to a request.
    pub(crate) fn start(now: Instant, request: Unanswered, config: &Config) -> Self {
        Self::Trying { request, trying: now + config.trying_after(), expires: now + config.sixty_four_t1() }
    }

    /// Handles one event at `now`. Messages and events go to `out`.
    pub(crate) fn step(self, now: Instant, event: Event, tsx: &Context<'_>, out: &mut Outbox) -> Self {
        match self {
            Self::Trying { request, trying, expires } => match event {
                Event::Request => {
                    out.absorb();
                    Self::Trying { request, trying, expires }
                }
                Event::Final(response) => tsx.complete(now, response, out),
                Event::Silence => tsx.silence(expires),
                Event::Timer => match request.trying(tsx.config) {
                    Some(trying) if now < expires => {
                        out.send(tsx.flow, &trying);
                        Self::Proceeding { trying, expires }
                    }
                    Some(_) | None => tsx.silence(expires),
                },
                Event::TransportError => {
                    tsx.inform(out);
                    Self::Trying { request, trying, expires }
                }
            },
            Self::Proceeding { trying, expires } => match event {
                Event::Request => {
                    out.absorb();
                    out.resend(tsx.flow, &trying);
                    Self::Proceeding { trying, expires }
                }
                Event::Final(response) => tsx.complete(now, response, out),
                Event::Silence | Event::Timer => tsx.silence(expires),
                Event::TransportError => {
                    tsx.inform(out);
                    Self::Proceeding { trying, expires }
                }
            },
            Self::Completed { response, timer_j } => match event {
                Event::Request => {
                    out.absorb();
                    if let Some(response) = &response {
                        out.resend(tsx.flow, response);
                    }
                    Self::Completed { response, timer_j }
                }
                Event::Final(_) | Event::Silence => Self::Completed { response, timer_j },
                Event::Timer => Self::Terminated,
                Event::TransportError => {
                    tsx.inform(out);
                    Self::Completed { response, timer_j }
                }
            },
            Self::Terminated => Self::Terminated,
        }
    }

    /// The time of the next [`Event::Timer`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Trying { trying, expires, .. } => Some(*trying.min(expires)),
            Self::Proceeding { expires, .. } => Some(*expires),
            Self::Completed { timer_j, .. } => Some(*timer_j),
            Self::Terminated => None,
        }
    }

    /// The RFC's name of the state.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Trying { .. } => "Trying",
            Self::Proceeding { .. } => "Proceeding",
            Self::Completed { .. } => "Completed",
            Self::Terminated => "Terminated",
        }
    }
}

impl Context<'_> {
    fn complete(&self, now: Instant, response: Bytes, out: &mut Outbox) -> State {
        out.send(self.flow, &response);
        self.linger(Some(response), now)
    }

    /// Sends no response. The client retransmits its request until `expires`.
    fn silence(&self, expires: Instant) -> State {
        self.linger(None, expires)
    }

    fn linger(&self, response: Option<Bytes>, since: Instant) -> State {
        if self.flow.transport.reliable() {
            State::Terminated
        } else {
            State::Completed { response, timer_j: since + self.config.sixty_four_t1() }
        }
    }

    fn inform(&self, out: &mut Outbox) {
        if let Some(id) = self.id {
            out.tell(io::Event::ServerFailed { id, why: Failure::Transport });
        }
    }
}
