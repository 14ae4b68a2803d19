//! Legs whose call is over. A closing leg sends our BYE, waits for the ACK of the peer, and handles messages that cross
//! the BYE or the ACK (RFC 3261 section 15).
//!
//! When a call ends, its legs become closing legs, and the call is deleted. A 2xx that arrives too late for a call
//! (RFC 3261 section 13.2.2.4) also creates a closing leg, which sends the ACK and then ends the dialog (ADR 9).

use std::time::Instant;

use attesta_sip::{Method, Request, Status};
use attesta_transaction::{ClientId, ServerId};

use crate::counters::Refusal;
use crate::env::Env;
use crate::headers::address::sequence;
use crate::io::{Destination, ResolveError};
use crate::leg::Leg;
use crate::leg::invite::{Bye, InviteState};

/// A leg whose call is over.
#[derive(Debug)]
pub(crate) struct ClosingLeg {
    leg: Leg,
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
    Repeated2xx(u32),
    /// A response to the BYE.
    Response { client: ClientId, status: Status },
    /// The BYE gets no response.
    Failed(ClientId),
    /// The address of the peer.
    Resolved(Result<Vec<Destination>, ResolveError>),
    /// The deadline has passed.
    Deadline,
}

impl ClosingLeg {
    /// Ends the dialog of a leg. The owner of the leg must already be this closing leg. `bye` is the BYE of the
    /// other leg; its header fields are relayed.
    pub(crate) fn begin(mut leg: Leg, bye: Option<&Request>, env: &mut Env<'_>) -> Self {
        leg.end(bye, env);
        Self { leg, alarm: None }
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
                if self.leg.invite.on_ack(sequence(&ack)) {
                    self.leg.send_bye(None, env);
                }
            }
            ClosingInput::Repeated2xx(seq) => self.leg.on_repeated_2xx(seq, env),
            ClosingInput::Response { client, status } => {
                if status.is_final() {
                    self.bye_done(client, env);
                }
            }
            ClosingInput::Failed(client) => self.bye_done(client, env),
            ClosingInput::Resolved(result) => {
                self.leg.on_resolved(result, env);
            }
            ClosingInput::Deadline => {
                let (_, gave_up) = self.leg.on_deadline(env);
                if gave_up {
                    self.leg.send_bye(None, env);
                }
            }
        }
    }

    /// A BYE that crosses ours ends the dialog (RFC 5407 section 3.2.1). Any other request in sequence gets 481,
    /// because the call has ended.
    fn on_request(&mut self, id: ServerId, request: &Request, env: &mut Env<'_>) {
        if self.leg.dialog.receive(request).is_err() {
            env.refuse(id, request, Status::SERVER_INTERNAL_ERROR, Refusal::OutOfOrder);
        } else if *request.method() == Method::Bye {
            let response = env.reply(request, Status::OK);
            env.respond(id, &response);
            self.leg.close(env);
        } else {
            env.refuse(id, request, Status::CALL_DOES_NOT_EXIST, Refusal::NoDialog);
        }
    }

    fn bye_done(&mut self, client: ClientId, env: &mut Env<'_>) {
        env.owners.forget_client(client);
        if self.leg.invite.state == (InviteState::Mortal { bye: Bye::Sent(client) }) {
            self.leg.close(env);
        }
    }
}
