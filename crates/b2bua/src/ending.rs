//! The end of a dialog: RFC 3261 section 15.

use attesta_sip::{MaxForwards, Method, Name, Request, Status};
use attesta_transaction::ServerId;

use crate::arena::Key;
use crate::bridge;
use crate::call::{Call, Turn};
use crate::counters::Refusal;
use crate::delivery::{Errand, Parcel};
use crate::desk::{Desk, RETRY_AFTER_DRAINING, reply_tagged};
use crate::event::Cause;
use crate::identity;
use crate::io::Now;
use crate::leg::{Side, Stage};

impl Call {
    /// The edge stops: the call is hung up, or refused where nobody has answered it yet.
    pub(crate) fn shut_down<P>(&mut self, turn: &mut Turn<'_, P>) {
        let Some(request) = self.request() else { return self.over(turn, Cause::ShutDown) };
        let mut response = reply_tagged(request, Status::SERVICE_UNAVAILABLE, &self.tag);
        response.headers_mut().push(Name::RetryAfter, RETRY_AFTER_DRAINING);
        self.abandon_attempt(turn, None);
        self.conclude(turn, response, Cause::ShutDown);
    }
}

impl Desk {
    /// A BYE ends the call, from either side; of an early dialog from the caller's only (RFC 3261 section 15.1.1).
    pub(crate) fn bye(&mut self, now: Now, key: Key, id: ServerId, mut request: Request) {
        let Some(leg) = self.legs.get(key) else { return };
        let (side, stage, trusts) = (leg.side, leg.stage, leg.trusts);
        if matches!(stage, Stage::Early(_)) && side == Side::Callee {
            return self.refuse(now.mono, id, &request, Status::CALL_DOES_NOT_EXIST, Refusal::NoDialog);
        }
        let response = self.reply(&request, Status::OK);
        self.endpoint.respond(now.mono, id, &response);
        let cause = match (stage, side) {
            (Stage::Early(_), _) => Cause::Cancelled,
            (Stage::Confirmed(_), Side::Caller) => Cause::CallerHungUp,
            (Stage::Confirmed(_), Side::Callee) => Cause::CalleeHungUp,
            // Our own BYE has crossed the peer's.
            (Stage::Ending, _) => return self.close_leg(key),
        };
        identity::disbelieve(request.headers_mut(), trusts);
        self.end_call_of(key, cause, Some(key), Some(request));
    }

    /// Ends a leg whose call is over: requests in flight are answered, then a BYE is sent, or the leg closed where none is
    /// due. Our own 2xx is waited on first (RFC 3261 section 15.1.1).
    pub(crate) fn hang_up(&mut self, now: Now, key: Key, gone: bool, bye: Option<&Request>) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let early = matches!(leg.stage, Stage::Early(_));
        leg.stage = Stage::Ending;
        let relays = std::mem::take(&mut leg.relays);
        for relay in relays {
            self.relay_abandoned(now, relay);
        }
        if gone || early {
            return self.close_leg(key);
        }
        self.acknowledge(now, key, None);
        if self.legs.get(key).is_some_and(|leg| leg.answer.is_none()) {
            self.say_bye(now, key, bye);
        }
    }

    /// Sends the BYE of a leg, with what `model`, the BYE of the other leg, carries.
    pub(crate) fn say_bye(&mut self, now: Now, key: Key, model: Option<&Request>) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let (mut request, _) = leg.dialog.request(Method::Bye);
        match model {
            Some(model) => {
                let forwards = bridge::forwards(model.headers()).unwrap_or(MaxForwards(0));
                bridge::request(model, &mut request, forwards, &leg.listener.contact());
            }
            None => request.headers_mut().push(Name::MaxForwards, bridge::MAX_FORWARDS.to_string()),
        }
        self.send(now, key, Parcel { request, errand: Errand::Bye });
    }
}
