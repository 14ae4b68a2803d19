//! Legs whose call is over. A closing leg sends our BYE and waits for the ACK of the peer. It also handles messages that cross
//! the BYE or the ACK (RFC 3261 section 15). If the peer has sent the BYE, the leg repeats our 2xx until its ACK arrives: the
//! peer may have sent the BYE before the 2xx arrived, and its INVITE still waits for a final response.
//!
//! When a call ends, its legs become closing legs, and the call is deleted. A 2xx that arrives too late for a call also creates
//! a closing leg (RFC 3261 section 13.2.2.4). This leg sends the ACK, and then ends the dialog (ADR 9).

use std::time::Instant;

use attesta_sip::{Request, Status};
use attesta_transaction::{ClientId, Failure, ServerId};

use crate::call::crossing::{Arrival, Crossing, Situation, cross};
use crate::call::end::ReleasedLeg;
use crate::counters::Refusal;
use crate::env::Env;
use crate::headers::address::sequence;
use crate::io::{Destination, ResolveError};
use crate::leg::Leg;

/// A leg whose call is over.
#[derive(Debug)]
pub(crate) struct ClosingLeg {
    leg: Leg,
    /// True once the peer has ended the dialog, or has answered our BYE.
    is_ended: bool,
    pub(crate) alarm: Option<Instant>,
}

/// An event for a closing leg.
#[derive(Debug)]
pub(crate) enum ClosingInput {
    /// A request in the dialog.
    Request { id: ServerId, request: Request },
    /// An ACK in the dialog.
    Ack(Request),
    /// A 2xx to an INVITE of ours with this CSeq number. No request waits for this 2xx.
    Repeated2xx { seq: u32, client: ClientId },
    /// A response to the BYE, or to an INVITE that was cancelled. `seq` is the CSeq number of the request.
    Response { client: ClientId, status: Status, seq: u32 },
    /// Our request gets no response.
    Failed { client: ClientId, why: Failure },
    /// The address of the peer.
    Resolved(Result<Vec<Destination>, ResolveError>),
    /// The deadline has passed.
    Deadline,
}

impl ClosingLeg {
    /// Ends the dialog of a leg. The owner of the leg must already be this closing leg.
    pub(crate) fn begin(released: ReleasedLeg, env: &mut Env<'_>) -> Self {
        let ReleasedLeg { mut leg, needs_bye, bye } = released;
        leg.end_requests(env);
        if needs_bye {
            leg.end(bye.as_ref(), env);
        }
        let mut closing = Self { leg, is_ended: !needs_bye, alarm: None };
        closing.settle(env);
        closing
    }

    /// True if the dialog has ended: the leg sends nothing more, and waits for nothing.
    pub(crate) fn is_over(&self) -> bool {
        self.leg.is_over()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.leg.deadline()
    }

    pub(crate) fn handle(&mut self, input: ClosingInput, env: &mut Env<'_>) {
        match input {
            ClosingInput::Request { id, request } => self.on_request(id, &request, env),
            ClosingInput::Ack(ack) => {
                if self.leg.invite.on_ack(sequence(&ack)) && !self.is_ended {
                    self.leg.send_bye(None, env);
                }
            }
            ClosingInput::Repeated2xx { seq, client } => self.leg.on_repeated_2xx(seq, client, env),
            ClosingInput::Response { client, status, seq } => {
                if status.is_final() {
                    self.request_done(client, env);
                }
                if status.is_success() && self.leg.invite.bye() != Some(client) {
                    self.leg.on_repeated_2xx(seq, client, env);
                }
            }
            ClosingInput::Failed { client, why } => {
                let is_unsent_bye = why == Failure::Transport && self.leg.invite.bye() == Some(client);
                if is_unsent_bye && self.leg.sends_bye_again(env) {
                    env.owners.forget_client(client);
                } else {
                    self.request_done(client, env);
                }
            }
            ClosingInput::Resolved(result) => {
                self.leg.on_resolved(result, env);
            }
            ClosingInput::Deadline => {
                let (_, gave_up) = self.leg.on_deadline(env);
                if gave_up && !self.is_ended {
                    self.leg.send_bye(None, env);
                }
            }
        }
        self.settle(env);
    }

    /// A BYE that crosses ours ends the dialog. Any other request in sequence gets 481, because the call has ended.
    fn on_request(&mut self, id: ServerId, request: &Request, env: &mut Env<'_>) {
        if self.leg.dialog.receive(request).is_err() {
            return env.refuse(id, request, Status::SERVER_INTERNAL_ERROR, Refusal::OutOfOrder);
        }
        let arrival = Arrival::of_request(request.method(), false, false);
        match cross(arrival, Situation::over(self.leg.side), None) {
            Crossing::AnswerAndEnd => {
                let response = env.reply(request, Status::OK);
                env.respond(id, &response);
                self.is_ended = true;
            }
            Crossing::Answer(status, refusal) => env.refuse(id, request, status, refusal),
            other @ (Crossing::Relay
            | Crossing::RelayBye
            | Crossing::RetryAfter(_)
            | Crossing::Acknowledged
            | Crossing::EndUnanswered
            | Crossing::EndUsage
            | Crossing::RelayAndEnd
            | Crossing::OkAndEnd
            | Crossing::Unavailable
            | Crossing::UnavailableAndEnd
            | Crossing::ByeToBoth
            | Crossing::AckAndBye
            | Crossing::Swap
            | Crossing::Absorb) => other.is_of_another_arrival(),
        }
    }

    fn request_done(&mut self, client: ClientId, env: &mut Env<'_>) {
        env.owners.forget_client(client);
        if self.leg.invite.bye() == Some(client) {
            self.is_ended = true;
        }
        if self.leg.invite.given_up() == Some(client) {
            self.leg.invite.on_given_up_over();
        }
    }

    /// Closes the leg as soon as the dialog has ended and no message in the dialog is outstanding.
    fn settle(&mut self, env: &mut Env<'_>) {
        if self.is_ended && !self.leg.is_over() && !self.leg.invite.is_in_progress() {
            self.leg.close(env);
        }
    }
}
