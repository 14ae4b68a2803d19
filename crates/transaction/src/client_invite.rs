//! The INVITE client transaction.

use std::time::Instant;

use attesta_sip::Response;
use bytes::Bytes;

use crate::ack_cancel;
use crate::config::Config;
use crate::error::Failure;
use crate::flow::Flow;
use crate::io::{self, ClientId};
use crate::outbox::Outbox;
use crate::timer::Backoff;

/// INVITE client transaction: RFC 3261 section 17.1.1 as amended by RFC 6026 section 7.2.
///
/// ```text
///                           | INVITE from the user: send INVITE
///                           v
///                    +------------+  Timer B or transport error: inform the user
///       Timer A: +-- |  Calling   | -----------------------------------------------+
///    send INVITE +-> |            |                                                |
///                    +------------+                                                |
///    300-699: send    |     |    |  2xx: to the user                               |
///    ACK, to the user |     |    +---------------------------+                     |
///         +-----------+     | 1xx: to the user               |                     |
///         |                 v                                |                     |
///         |          +------------+  64 T1 after its CANCEL: inform the user       |
///         |  1xx: +- | Proceeding | ------------------------------------------------+
///         |  to   +> |            |                          |                     |
///         |  user    +------------+                          |                     |
///         |  300-699: |          |  2xx: to the user         |                     |
///         |  as above |          +-----------------+         |                     |
///         v           v                            v         v                     |
///        +-------------+                          +-----------+                    |
///    +-- |  Completed  |                          | Accepted  | --+ 2xx:           |
///    +-> |             |                          |           | <-+ to the user    |
///        +-------------+                          +-----------+                    |
///    300-699:  |     |  transport error:             | Timer M                     |
///    send ACK  |     |  inform the user              |                             |
///      Timer D |     |                               |                             |
///              v     v                               v                             |
///             Terminated <---------------------------+-----------------------------+
/// ```
///
/// If the user cancels in Calling, the CANCEL is sent when the first 1xx arrives (RFC 3261 section 9.1).
#[derive(Debug)]
pub(crate) enum State {
    Calling { timer_a: Option<Backoff>, timer_b: Instant, cancel: Option<Cancel> },
    Proceeding { cancelled: Option<Instant> },
    Accepted { timer_m: Instant },
    Completed { ack: Bytes, timer_d: Instant },
    Terminated,
}

/// The events of the machine.
#[derive(Debug)]
pub(crate) enum Event {
    /// A 1xx arrived.
    Provisional(Response, Flow),
    /// A 2xx arrived.
    Success(Response, Flow),
    /// A 300-699 arrived.
    Failure(Response, Flow),
    /// The user cancels the INVITE.
    Cancel(Cancel),
    /// The deadline has passed.
    Timer,
    /// The transport could not send the message, or one of our own limits prevented it.
    TransportError(Failure),
}

/// A CANCEL to send: the value of its Reason, if there is one (RFC 3326).
#[derive(Clone, Debug)]
pub(crate) struct Cancel(pub(crate) Option<Bytes>);

/// The data that the machine reads and does not change.
pub(crate) struct Context<'a> {
    pub(crate) id: ClientId,
    pub(crate) config: &'a Config,
    pub(crate) flow: &'a Flow,
    /// The INVITE as sent.
    pub(crate) invite: &'a Bytes,
}

impl State {
    /// Sends the INVITE.
    pub(crate) fn start(
        now: Instant,
        flow: &Flow,
        invite: &Bytes,
        config: &Config,
        out: &mut Outbox,
    ) -> Self {
        out.send(flow, invite);
        let timer_a = (!flow.transport.reliable()).then(|| Backoff::start(now, config.round_trip()));
        Self::Calling { timer_a, timer_b: now + config.sixty_four_t1(), cancel: None }
    }

    /// Handles one event at `now`. Messages and events go to `out`. A CANCEL that must be sent now goes to `cancels`.
    pub(crate) fn step(
        self,
        now: Instant,
        event: Event,
        tsx: &Context<'_>,
        out: &mut Outbox,
        cancels: &mut Option<Cancel>,
    ) -> Self {
        match self {
            Self::Calling { timer_a, timer_b, cancel } => match event {
                Event::Provisional(response, flow) => {
                    tsx.respond(response, flow, out);
                    let cancelled = cancel.is_some().then(|| now + tsx.config.sixty_four_t1());
                    *cancels = cancel;
                    Self::Proceeding { cancelled }
                }
                Event::Success(response, flow) => tsx.accept(now, response, flow, out),
                Event::Failure(response, flow) => tsx.complete(now, response, flow, out),
                Event::Cancel(wanted) => Self::Calling { timer_a, timer_b, cancel: cancel.or(Some(wanted)) },
                Event::Timer if timer_b <= now => tsx.fail(Failure::Timeout, out),
                Event::Timer => {
                    let timer_a = timer_a.map(|timer_a| {
                        out.resend(tsx.flow, tsx.invite);
                        timer_a.doubled(now)
                    });
                    Self::Calling { timer_a, timer_b, cancel }
                }
                Event::TransportError(why) => tsx.fail(why, out),
            },
            Self::Proceeding { cancelled } => match event {
                Event::Provisional(response, flow) => {
                    tsx.respond(response, flow, out);
                    Self::Proceeding { cancelled }
                }
                Event::Success(response, flow) => tsx.accept(now, response, flow, out),
                Event::Failure(response, flow) => tsx.complete(now, response, flow, out),
                Event::Cancel(wanted) => {
                    if cancelled.is_none() {
                        *cancels = Some(wanted);
                    }
                    Self::Proceeding { cancelled: cancelled.or(Some(now + tsx.config.sixty_four_t1())) }
                }
                Event::Timer => tsx.fail(Failure::Timeout, out),
                // In Proceeding, this machine sends nothing. A late ICMP error for the INVITE therefore has no meaning.
                Event::TransportError(_) => Self::Proceeding { cancelled },
            },
            Self::Accepted { timer_m } => match event {
                Event::Success(response, flow) => {
                    tsx.respond(response, flow, out);
                    Self::Accepted { timer_m }
                }
                Event::Provisional(..) | Event::Failure(..) => {
                    out.absorb();
                    Self::Accepted { timer_m }
                }
                Event::Cancel(_) | Event::TransportError(_) => Self::Accepted { timer_m },
                Event::Timer => Self::Terminated,
            },
            Self::Completed { ack, timer_d } => match event {
                Event::Failure(..) => {
                    out.absorb();
                    out.resend(tsx.flow, &ack);
                    Self::Completed { ack, timer_d }
                }
                Event::Provisional(..) | Event::Success(..) => {
                    out.absorb();
                    Self::Completed { ack, timer_d }
                }
                Event::Cancel(_) => Self::Completed { ack, timer_d },
                Event::Timer => Self::Terminated,
                Event::TransportError(why) => tsx.fail(why, out),
            },
            Self::Terminated => Self::Terminated,
        }
    }

    /// The time of the next [`Event::Timer`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Calling { timer_a: Some(timer_a), timer_b, .. } => Some(timer_a.at.min(*timer_b)),
            Self::Calling { timer_a: None, timer_b, .. } => Some(*timer_b),
            Self::Proceeding { cancelled } => *cancelled,
            Self::Accepted { timer_m } => Some(*timer_m),
            Self::Completed { timer_d, .. } => Some(*timer_d),
            Self::Terminated => None,
        }
    }

    /// The RFC's name of the state.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Calling { .. } => "Calling",
            Self::Proceeding { .. } => "Proceeding",
            Self::Accepted { .. } => "Accepted",
            Self::Completed { .. } => "Completed",
            Self::Terminated => "Terminated",
        }
    }
}

impl Context<'_> {
    fn respond(&self, response: Response, flow: Flow, out: &mut Outbox) {
        out.tell(io::Event::Response { id: self.id, response, flow });
    }

    fn accept(&self, now: Instant, response: Response, flow: Flow, out: &mut Outbox) -> State {
        self.respond(response, flow, out);
        State::Accepted { timer_m: now + self.config.sixty_four_t1() }
    }

    /// Sends the ACK to the next hop of the INVITE. If the transport is reliable, the ACK is sent too, and Timer D
    /// is zero (RFC 6026 section 8.4).
    fn complete(&self, now: Instant, response: Response, flow: Flow, out: &mut Outbox) -> State {
        let ack = ack_cancel::ack(self.invite, &response);
        if let Some(ack) = &ack {
            out.send(self.flow, ack);
        }
        self.respond(response, flow, out);
        match ack {
            Some(ack) if !self.flow.transport.reliable() => {
                State::Completed { ack, timer_d: now + self.config.timer_d() }
            }
            Some(_) | None => State::Terminated,
        }
    }

    fn fail(&self, why: Failure, out: &mut Outbox) -> State {
        out.tell(io::Event::ClientFailed { id: self.id, why });
        State::Terminated
    }
}
