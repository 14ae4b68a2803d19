//! The INVITE server transaction.

use std::time::Instant;

use attesta_sip::Request;
use bytes::Bytes;

use crate::config::{Config, TRYING_AFTER};
use crate::error::Failure;
use crate::flow::Flow;
use crate::io::{self, ServerId};
use crate::outbox::Outbox;
use crate::reply::Unanswered;
use crate::timer::Backoff;

/// INVITE server transaction: RFC 3261 section 17.2.1 as amended by RFC 6026 section 7.1.
///
/// ```text
///                                | INVITE: to the user
///                                v         (100 if the user sends nothing in 200 ms)
///                         +------------+
///    INVITE: send the +-- |            | --+  101-199 from the user: send it
///    last response    +-> | Proceeding | <-+  transport error: inform the user
///                         +------------+
///          300-699 from    |          |  2xx from the user: send it
///          the user: send  |          +------------------+
///                          v                             v
///                   +-------------+               +------------+
///    INVITE or  +-- |             |               |            | --+  INVITE: absorb
///    Timer G:   |   |  Completed  |               |  Accepted  |   |  ACK: to the user
///    send it    +-> |             |               |            | <-+  2xx from the user: send it
///                   +-------------+               +------------+      transport error: inform the user
///                    |           | Timer H:              |
///                    | ACK       | inform the user       |
///                    v           |                       |
///               +-----------+    |                       | Timer L
///    INVITE, +- | Confirmed |    |                       |
///    ACK:    +> |           |    |                       |
///    absorb     +-----------+    |                       |
///                    | Timer I   |                       |
///                    v           v                       |
///                   Terminated <-------------------------+
///
///    Completed, on a transport error: inform the user.
/// ```
#[derive(Debug)]
pub(crate) enum State {
    Proceeding { trying: Option<Trying>, provisional: Option<Bytes> },
    Accepted { timer_l: Instant },
    Completed { response: Bytes, timer_g: Option<Backoff>, timer_h: Instant },
    Confirmed { timer_i: Instant },
    Terminated,
}

/// The 100 that is sent at the time `at` if the user has sent no response by then.
#[derive(Debug)]
pub(crate) struct Trying {
    at: Instant,
    invite: Unanswered,
}

/// The events of the machine.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the value lives for one turn of the loop: a box would cost an allocation per message"
)]
pub(crate) enum Event {
    /// The INVITE arrived again.
    Invite,
    /// An ACK arrived.
    Ack(Request, Flow),
    /// The user sends a 1xx.
    Provisional(Bytes),
    /// The user sends a 2xx.
    Success(Bytes),
    /// The user sends a 300-699.
    Failure(Bytes),
    /// The deadline has passed.
    Timer,
    /// The transport could not send the response.
    TransportError,
}

/// The data that the machine reads and does not change.
pub(crate) struct Context<'a> {
    pub(crate) id: ServerId,
    pub(crate) config: &'a Config,
    /// The flow of the responses.
    pub(crate) flow: &'a Flow,
}

impl State {
    /// Waits for the user's first response to an INVITE.
    pub(crate) fn start(now: Instant, invite: Unanswered) -> Self {
        Self::Proceeding { trying: Some(Trying { at: now + TRYING_AFTER, invite }), provisional: None }
    }

    /// Handles one event at `now`. Messages and events go to `out`.
    pub(crate) fn step(self, now: Instant, event: Event, tsx: &Context<'_>, out: &mut Outbox) -> Self {
        match self {
            Self::Proceeding { trying, provisional } => match event {
                Event::Invite => {
                    out.absorb();
                    if let Some(response) = &provisional {
                        out.resend(tsx.flow, response);
                    }
                    Self::Proceeding { trying, provisional }
                }
                Event::Provisional(response) => {
                    out.send(tsx.flow, &response);
                    Self::Proceeding { trying: None, provisional: Some(response) }
                }
                Event::Success(response) => {
                    out.send(tsx.flow, &response);
                    Self::Accepted { timer_l: now + tsx.config.sixty_four_t1() }
                }
                Event::Failure(response) => tsx.complete(now, response, out),
                Event::Timer => {
                    let provisional =
                        trying.and_then(|trying| trying.invite.trying(tsx.config)).or(provisional);
                    if let Some(response) = &provisional {
                        out.send(tsx.flow, response);
                    }
                    Self::Proceeding { trying: None, provisional }
                }
                Event::TransportError => {
                    tsx.inform(Failure::Transport, out);
                    Self::Proceeding { trying, provisional }
                }
                // No final response was sent in Proceeding, so the ACK has no meaning.
                Event::Ack(..) => Self::Proceeding { trying, provisional },
            },
            Self::Accepted { timer_l } => match event {
                Event::Invite => {
                    out.absorb();
                    Self::Accepted { timer_l }
                }
                Event::Ack(request, flow) => {
                    out.tell(io::Event::Ack { invite: Some(tsx.id), request, flow });
                    Self::Accepted { timer_l }
                }
                Event::Success(response) => {
                    out.send(tsx.flow, &response);
                    Self::Accepted { timer_l }
                }
                Event::Provisional(_) | Event::Failure(_) => Self::Accepted { timer_l },
                Event::Timer => Self::Terminated,
                Event::TransportError => {
                    tsx.inform(Failure::Transport, out);
                    Self::Accepted { timer_l }
                }
            },
            Self::Completed { response, timer_g, timer_h } => match event {
                Event::Invite => {
                    out.absorb();
                    out.resend(tsx.flow, &response);
                    Self::Completed { response, timer_g, timer_h }
                }
                Event::Ack(..) if tsx.flow.transport.reliable() => Self::Terminated,
                Event::Ack(..) => Self::Confirmed { timer_i: now + tsx.config.lifetime() },
                Event::Timer if timer_h <= now => {
                    tsx.inform(Failure::Timeout, out);
                    Self::Terminated
                }
                Event::Timer => {
                    let timer_g = timer_g.map(|timer_g| {
                        out.resend(tsx.flow, &response);
                        timer_g.doubled_to(now, tsx.config.longest_interval())
                    });
                    Self::Completed { response, timer_g, timer_h }
                }
                Event::TransportError => {
                    tsx.inform(Failure::Transport, out);
                    Self::Completed { response, timer_g, timer_h }
                }
                Event::Provisional(_) | Event::Success(_) | Event::Failure(_) => {
                    Self::Completed { response, timer_g, timer_h }
                }
            },
            Self::Confirmed { timer_i } => match event {
                Event::Invite | Event::Ack(..) => {
                    out.absorb();
                    Self::Confirmed { timer_i }
                }
                Event::Provisional(_) | Event::Success(_) | Event::Failure(_) | Event::TransportError => {
                    Self::Confirmed { timer_i }
                }
                Event::Timer => Self::Terminated,
            },
            Self::Terminated => Self::Terminated,
        }
    }

    /// The time of the next [`Event::Timer`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Proceeding { trying, .. } => trying.as_ref().map(|trying| trying.at),
            Self::Accepted { timer_l } => Some(*timer_l),
            Self::Completed { timer_g, timer_h, .. } => {
                Some(timer_g.map_or(*timer_h, |timer_g| timer_g.at.min(*timer_h)))
            }
            Self::Confirmed { timer_i } => Some(*timer_i),
            Self::Terminated => None,
        }
    }

    /// The response to a retransmitted INVITE.
    pub(crate) fn last_response(&self) -> Option<&Bytes> {
        match self {
            Self::Proceeding { provisional, .. } => provisional.as_ref(),
            Self::Completed { response, .. } => Some(response),
            Self::Accepted { .. } | Self::Confirmed { .. } | Self::Terminated => None,
        }
    }

    /// The RFC's name of the state.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Proceeding { .. } => "Proceeding",
            Self::Accepted { .. } => "Accepted",
            Self::Completed { .. } => "Completed",
            Self::Confirmed { .. } => "Confirmed",
            Self::Terminated => "Terminated",
        }
    }
}

impl Context<'_> {
    fn complete(&self, now: Instant, response: Bytes, out: &mut Outbox) -> State {
        out.send(self.flow, &response);
        let timer_g =
            (!self.flow.transport.reliable()).then(|| Backoff::start(now, self.config.round_trip()));
        State::Completed { response, timer_g, timer_h: now + self.config.sixty_four_t1() }
    }

    fn inform(&self, why: Failure, out: &mut Outbox) {
        out.tell(io::Event::ServerFailed { id: self.id, why });
    }
}
