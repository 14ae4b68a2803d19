//! 100rel between both legs during set-up: relayed, or ended by this edge on one side (RFC 3262). The table is at
//! [`Reliable`](crate::trunk::rules::Reliable).

use attesta_sip::{Request, Response, Status};
use attesta_transaction::{ClientId, Flow, ServerId};

use crate::call::bridge::{Bridge, rack_of};
use crate::call::caller::CallerSide;
use crate::counters::Refusal;
use crate::env::Env;
use crate::headers::address::sequence;
use crate::headers::session::has_session;
use crate::hunt::Hunt;
use crate::intake::origin::Origin;
use crate::leg::Side;
use crate::leg::dialog::FIRST_SEQ;
use crate::leg::offer_answer::Sender;
use crate::leg::prack::{make_unreliable, rseq_of};

/// A 2xx of the callee that waits until the caller has acknowledged our reliable response (RFC 3262 section 3).
#[derive(Debug)]
pub(crate) struct Waiting2xx {
    pub(super) client: ClientId,
    pub(super) response: Response,
    pub(super) flow: Flow,
}

impl Bridge {
    /// Relays a provisional response of the callee to the caller.
    pub(super) fn relay_provisional(
        &mut self,
        response: &Response,
        hunt: &Hunt,
        caller: &mut CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) {
        let local = hunt.local_reliable(origin);
        let rseq = rseq_of(response);
        let is_ended = rseq.filter(|rseq| local.callee || (local.caller && self.is_numbered_by_us(*rseq)));
        if let (Some(rseq), Some(callee)) = (is_ended, self.callee())
            && !callee.acknowledge_reliable(rseq, response, env)
        {
            return;
        }
        let mut back = self.response_to_caller(response, hunt, env);
        if is_ended.is_some() {
            make_unreliable(&mut back);
        }
        caller.add_reasons(&mut back);
        CallerSide::tell_ringing(back.status(), origin, env);
        let invite = sequence(hunt.request()).unwrap_or_default();
        if local.caller && (rseq.is_none() || is_ended.is_some()) {
            self.a.send_reliably(back, (origin.server, invite), env);
        } else {
            self.a.on_provisional_relayed(&back, invite, FIRST_SEQ);
            self.a.observe_response(Sender::Local, hunt.request().method(), &back, env);
            env.respond(origin.server, &back);
        }
    }

    /// True if the callee's response with this RSeq does not cross with its RSeq, because we have sent a reliable response of our
    /// own. A repetition of a response that has crossed still crosses.
    fn is_numbered_by_us(&self, rseq: u32) -> bool {
        self.a.sends_reliably() && self.a.reliable.last() < Some(rseq)
    }

    /// Answers a PRACK of `near` that acknowledges a response of our own.
    pub(super) fn acknowledged(
        &mut self,
        near: Side,
        id: ServerId,
        prack: &Request,
        origin: &Origin,
        env: &mut Env<'_>,
    ) {
        if has_session(prack.headers(), prack.body()) {
            // The far peer has no PRACK in which the offer could cross.
            env.refuse(id, prack, Status::NOT_ACCEPTABLE_HERE, Refusal::PrackOffer);
        } else {
            let response = env.reply(prack, Status::OK);
            env.respond(id, &response);
        }
        if let (Some(leg), _) = self.legs(near)
            && let Some(rack) = rack_of(prack)
        {
            leg.on_prack(&rack, origin.server, env);
        }
    }

    /// The side to which we have sent a PRACK of our own in this transaction.
    pub(crate) fn side_of_prack(&mut self, client: ClientId) -> Option<Side> {
        [Side::Caller, Side::Callee]
            .into_iter()
            .find(|side| self.legs(*side).0.is_some_and(|leg| leg.has_sent_prack(client)))
    }

    /// Our PRACK to `near` has its final response, or gets none. The call continues in each case (RFC 5057 section 5.1): a peer
    /// that misses the PRACK refuses the INVITE itself.
    pub(crate) fn on_prack_done(&mut self, near: Side, client: ClientId, env: &mut Env<'_>) {
        env.owners.forget_client(client);
        if let (Some(leg), _) = self.legs(near) {
            leg.on_prack_done(client);
        }
    }
}
