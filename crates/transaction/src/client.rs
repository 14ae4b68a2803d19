//! The non-INVITE client transaction.

use std::time::Instant;

use attesta_sip::Response;
use bytes::Bytes;

use crate::config::Config;
use crate::error::Failure;
use crate::flow::Flow;
use crate::io::{self, ClientId};
use crate::outbox::Outbox;
use crate::timer::Backoff;

/// Non-INVITE client transaction: RFC 3261 section 17.1.2.
///
/// ```text
///                          | request from the user: send it
///  Timer E: send request   v
///                +------> Trying ------ Timer F or transport error: inform the user ----+
///                +--------/ | \                                                         |
///                           |  \ 200-699: to the user                                   |
///                           | 1xx: to the user                                          |
///                           v    \                                                      |
///                +--> Proceeding -\---- Timer F or transport error: inform the user ----+
///  Timer E: send +-----/    |      \                                                    |
///  request; 1xx: to         | 200-699: to the user                                      |
///  the user                 v        v                                                  |
///                       Completed <--+                                                  |
///                           | Timer K                                                   |
///                           +---------> Terminated <------------------------------------+
/// ```
#[derive(Debug)]
pub(crate) enum State {
    Trying { timer_e: Option<Backoff>, timer_f: Instant },
    Proceeding { timer_e: Option<Backoff>, timer_f: Instant },
    Completed { timer_k: Instant },
    Terminated,
}

/// The events of the machine.
#[derive(Debug)]
pub(crate) enum Event {
    /// A 1xx arrived.
    Provisional(Response, Flow),
    /// A 200-699 arrived.
    Final(Response, Flow),
    /// The deadline has passed.
    Timer,
    /// The transport could not send the request, or one of our own limits prevented it.
    TransportError(Failure),
}

/// The data that the machine reads and does not change.
pub(crate) struct Context<'a> {
    /// The transaction; `None` for a CANCEL, which the endpoint sends and the user does not know.
    pub(crate) id: Option<ClientId>,
    pub(crate) config: &'a Config,
    pub(crate) flow: &'a Flow,
    /// The request as sent.
    pub(crate) request: &'a Bytes,
}

impl State {
    /// Sends the request.
    pub(crate) fn start(
        now: Instant,
        flow: &Flow,
        request: &Bytes,
        config: &Config,
        out: &mut Outbox,
    ) -> Self {
        out.send(flow, request);
        let timer_e = (!flow.transport.reliable()).then(|| Backoff::start(now, config.round_trip()));
        Self::Trying { timer_e, timer_f: now + config.sixty_four_t1() }
    }

    /// Handles one event at `now`. Messages and events go to `out`.
    pub(crate) fn step(self, now: Instant, event: Event, tsx: &Context<'_>, out: &mut Outbox) -> Self {
        match self {
            Self::Trying { timer_e, timer_f } => match event {
                Event::Provisional(response, flow) => {
                    tsx.respond(response, flow, out);
                    Self::Proceeding { timer_e, timer_f }
                }
                Event::Final(response, flow) => tsx.complete(now, response, flow, out),
                Event::Timer if timer_f <= now => tsx.fail(Failure::Timeout, out),
                Event::Timer => {
                    let timer_e = timer_e.map(|timer_e| {
                        out.resend(tsx.flow, tsx.request);
                        timer_e.doubled_to(now, tsx.config.longest_interval())
                    });
                    Self::Trying { timer_e, timer_f }
                }
                Event::TransportError(why) => tsx.fail(why, out),
            },
            Self::Proceeding { timer_e, timer_f } => match event {
                Event::Provisional(response, flow) => {
                    tsx.respond(response, flow, out);
                    Self::Proceeding { timer_e, timer_f }
                }
                Event::Final(response, flow) => tsx.complete(now, response, flow, out),
                Event::Timer if timer_f <= now => tsx.fail(Failure::Timeout, out),
                Event::Timer => {
                    let timer_e = timer_e.map(|_| {
                        out.resend(tsx.flow, tsx.request);
                        Backoff::start(now, tsx.config.longest_interval())
                    });
                    Self::Proceeding { timer_e, timer_f }
                }
                Event::TransportError(why) => tsx.fail(why, out),
            },
            Self::Completed { timer_k } => match event {
                Event::Provisional(..) | Event::Final(..) => {
                    out.absorb();
                    Self::Completed { timer_k }
                }
                Event::Timer => Self::Terminated,
                Event::TransportError(_) => Self::Completed { timer_k },
            },
            Self::Terminated => Self::Terminated,
        }
    }

    /// The time of the next [`Event::Timer`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Trying { timer_e, timer_f } | Self::Proceeding { timer_e, timer_f } => {
                Some(timer_e.map_or(*timer_f, |timer_e| timer_e.at.min(*timer_f)))
            }
            Self::Completed { timer_k } => Some(*timer_k),
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
    fn respond(&self, response: Response, flow: Flow, out: &mut Outbox) {
        if let Some(id) = self.id {
            out.tell(io::Event::Response { id, response, flow });
        }
    }

    fn complete(&self, now: Instant, response: Response, flow: Flow, out: &mut Outbox) -> State {
        self.respond(response, flow, out);
        if self.flow.transport.reliable() {
            State::Terminated
        } else {
            State::Completed { timer_k: now + self.config.lifetime() }
        }
    }

    fn fail(&self, why: Failure, out: &mut Outbox) -> State {
        if let Some(id) = self.id {
            out.tell(io::Event::ClientFailed { id, why });
        }
        State::Terminated
    }
}
