//! 2xx and ACK: RFC 3261 sections 13.2.2.4 and 13.3.1.4.

use attesta_sip::{MaxForwards, Name, Request};

use crate::arena::Key;
use crate::bridge;
use crate::delivery::{Errand, Hop, Parcel};
use crate::desk::Desk;
use crate::dialog;
use crate::event::Cause;
use crate::identity;
use crate::io::{Now, Output, ResolveError};
use crate::leg::{Accepted, Ack, Far, Stage};
use crate::trunk::Trusts;

impl Desk {
    /// An ACK that arrived on a leg: the peer has our 2xx, and its ACK goes on to the other leg.
    pub(crate) fn acknowledged(&mut self, now: Now, key: Key, ack: &Request) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        if leg.answer.as_ref().is_none_or(|answer| dialog::sequence(ack) != Some(answer.seq)) {
            return;
        }
        leg.answer = None;
        let (stage, far, trusts) = (leg.stage, leg.far, leg.trusts);
        self.wind(key);
        match (stage, far) {
            (Stage::Ending, _) => self.say_bye(now, key, None),
            (Stage::Early(_) | Stage::Confirmed(_), Far::Leg(other)) => {
                self.acknowledge(now, other, Some((ack, trusts)))
            }
            (Stage::Early(_) | Stage::Confirmed(_), Far::Callee | Far::Nobody) => {}
        }
    }

    /// Sends the ACK of the 2xx that a leg has received, unless it has one; `model` is the other leg's ACK, and what is
    /// believed of it.
    pub(crate) fn acknowledge(&mut self, now: Now, key: Key, model: Option<(&Request, Trusts)>) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let Some(accepted @ Accepted { ack: Ack::Due, .. }) = &mut leg.invite else { return };
        accepted.ack = Ack::Ready;
        let mut request = leg.dialog.ack(accepted.seq);
        match model {
            Some((model, trusts)) => {
                let forwards = bridge::forwards(model.headers()).unwrap_or(MaxForwards(0));
                bridge::request(model, &mut request, forwards, &leg.listener.contact());
                identity::disbelieve(request.headers_mut(), trusts);
            }
            None => request.headers_mut().push(Name::MaxForwards, bridge::MAX_FORWARDS.to_string()),
        }
        self.send(now, key, Parcel { request, errand: Errand::Ack });
    }

    /// A 2xx to an INVITE of the leg's that nobody waits for: the last one again gets its ACK again, once there is one. One
    /// to a later INVITE, which was given up, gets an ACK of its own (RFC 3261 section 13.2.2.4).
    pub(crate) fn accepted_again(&mut self, now: Now, key: Key, seq: u32) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        match &leg.invite {
            Some(Accepted { seq: last, ack }) if seq <= *last => {
                if let (Ack::Sent(transmit), true) = (ack, seq == *last) {
                    let transmit = transmit.clone();
                    self.emit(Output::Transmit(transmit));
                }
            }
            Some(_) | None => {
                leg.invite = Some(Accepted { seq, ack: Ack::Due });
                self.acknowledge(now, key, None);
            }
        }
    }

    /// The deadline of a leg has come.
    pub(crate) fn leg_alarm(&mut self, now: Now, key: Key) {
        if let Some(leg) = self.legs.get(key)
            && let Hop::Asked { until, .. } = &leg.hop
            && *until <= now.mono
        {
            self.leg_resolved(now, key, Err(ResolveError::Timeout));
        }
        let Some(leg) = self.legs.get_mut(key) else { return };
        if let Some(answer) = &mut leg.answer {
            if answer.give_up <= now.mono {
                leg.answer = None;
                match leg.stage {
                    Stage::Ending => self.say_bye(now, key, None),
                    Stage::Early(_) | Stage::Confirmed(_) => {
                        self.end_call_of(key, Cause::NotAcknowledged, None, None);
                    }
                }
            } else if answer.repeats(now.mono) {
                let (server, response) = (answer.server, answer.response.clone());
                self.endpoint.respond(now.mono, server, &response);
            }
        }
        self.wind(key);
    }
}
