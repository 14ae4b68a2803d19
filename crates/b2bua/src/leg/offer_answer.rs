//! The offers and answers of one dialog (RFC 3264, RFC 6337 section 2, RFC 6141).
//!
//! The table of crossings refuses a second offer while an offer is open. A message that the table cannot refuse is relayed,
//! even if the peer violates the model. Each violation is reported. A missing answer closes the offer, so that one wrong
//! message does not block later offers.

use attesta_sip::Method;

/// The sender of a message in the dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sender {
    /// This user agent.
    Local,
    /// The peer.
    Remote,
}

/// A method whose messages carry offers and answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Carrying {
    Invite,
    Ack,
    Prack,
    Update,
}

impl Carrying {
    /// Returns `None` if the bodies of this method describe no session of the dialog.
    fn of(method: &Method) -> Option<Self> {
        let all = [
            (Method::Invite, Self::Invite),
            (Method::Ack, Self::Ack),
            (Method::Prack, Self::Prack),
            (Method::Update, Self::Update),
        ];
        all.into_iter().find(|(each, _)| each == method).map(|(_, carrying)| carrying)
    }
}

/// The message that carries an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Carrier {
    /// A request: INVITE, UPDATE or PRACK.
    Request(Carrying),
    /// A reliable provisional response or a 2xx to an INVITE without an offer.
    Response,
}

/// The state of the negotiation of a session. At most one offer is open in a dialog (RFC 3264 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Negotiation {
    /// No offer was made yet.
    None,
    /// The last offer was answered.
    Stable,
    /// Our offer waits for an answer.
    LocalOffer { carrier: Carrier, before: Before },
    /// The peer's offer waits for an answer.
    RemoteOffer { carrier: Carrier, before: Before },
}

/// The state before an offer. A refused offer restores this state (RFC 6141 section 3.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Before {
    /// No session.
    None,
    /// Both sides have agreed on a session.
    Stable,
}

/// The state of the offer and the answer in the current INVITE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum InviteProgress {
    /// No INVITE is in progress.
    Idle,
    /// The INVITE contains an offer. The answer is outstanding.
    Offered,
    /// The INVITE contains no offer. The response may contain the offer.
    Offerless,
    /// The offer of the INVITE was answered, or a response has made an offer. Further session descriptions in responses repeat
    /// the first description (RFC 6337 section 2.1).
    Settled,
}

/// A violation of the offer/answer model by the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Disagreement {
    /// An offer arrived while another offer was open.
    SecondOffer,
    /// A session description arrived in a message that may carry no offer and no answer.
    Unexpected,
    /// A 2xx arrived without the answer to the offer of its request.
    NoAnswer,
}

/// The state of offer and answer in one dialog.
#[derive(Debug)]
pub(crate) struct OfferAnswer {
    negotiation: Negotiation,
    invite: InviteProgress,
}

impl OfferAnswer {
    pub(crate) const fn new() -> Self {
        Self { negotiation: Negotiation::None, invite: InviteProgress::Idle }
    }

    /// Observes a request. `session` is true if the body is a session description.
    pub(crate) fn on_request(
        &mut self,
        sender: Sender,
        method: &Method,
        session: bool,
    ) -> Result<(), Disagreement> {
        let method = match Carrying::of(method) {
            Some(method) => method,
            None => return Ok(()),
        };
        if method == Carrying::Invite {
            self.invite = if session { InviteProgress::Offered } else { InviteProgress::Offerless };
        }
        let answers = self.is_open_from(sender.other(), Carrier::Response);
        match method {
            Carrying::Ack | Carrying::Prack if answers && session => {
                self.settle();
                Ok(())
            }
            Carrying::Ack | Carrying::Prack if answers => {
                self.roll_back();
                Err(Disagreement::NoAnswer)
            }
            Carrying::Invite | Carrying::Update | Carrying::Prack | Carrying::Ack if !session => Ok(()),
            Carrying::Ack => Err(Disagreement::Unexpected),
            Carrying::Invite | Carrying::Update | Carrying::Prack => {
                self.offer(sender, Carrier::Request(method))
            }
        }
    }

    /// Observes a reliable provisional response or a final response to a request of `method`. `session` is true if the body
    /// is a session description.
    pub(crate) fn on_response(
        &mut self,
        sender: Sender,
        method: &Method,
        class: u8,
        session: bool,
    ) -> Result<(), Disagreement> {
        let method = match Carrying::of(method) {
            Some(method) => method,
            None => return Ok(()),
        };
        let is_open = self.is_open_from(sender.other(), Carrier::Request(method));
        if class > 2 {
            if is_open {
                self.roll_back();
            }
            if method == Carrying::Invite {
                self.invite = InviteProgress::Idle;
            }
            return Ok(());
        }
        let result = match method {
            Carrying::Invite => self.on_invite_response(sender, class, session),
            Carrying::Update | Carrying::Prack | Carrying::Ack => match (is_open, session) {
                (true, true) => {
                    self.settle();
                    Ok(())
                }
                (true, false) => {
                    self.roll_back();
                    Err(Disagreement::NoAnswer)
                }
                (false, true) => Err(Disagreement::Unexpected),
                (false, false) => Ok(()),
            },
        };
        if method == Carrying::Invite && class == 2 {
            self.invite = InviteProgress::Idle;
        }
        result
    }

    fn on_invite_response(&mut self, sender: Sender, class: u8, session: bool) -> Result<(), Disagreement> {
        match (self.invite, session) {
            (InviteProgress::Offered, true) => {
                self.invite = InviteProgress::Settled;
                self.settle();
                Ok(())
            }
            (InviteProgress::Offerless, true) => {
                self.invite = InviteProgress::Settled;
                self.offer(sender, Carrier::Response)
            }
            (InviteProgress::Offered | InviteProgress::Offerless, false) if class == 2 => {
                self.roll_back();
                Err(Disagreement::NoAnswer)
            }
            (InviteProgress::Idle, true) => Err(Disagreement::Unexpected),
            (InviteProgress::Settled, true) => Ok(()),
            (
                InviteProgress::Idle
                | InviteProgress::Offered
                | InviteProgress::Offerless
                | InviteProgress::Settled,
                false,
            ) => Ok(()),
        }
    }

    fn offer(&mut self, sender: Sender, carrier: Carrier) -> Result<(), Disagreement> {
        let before = match self.negotiation {
            Negotiation::None => Before::None,
            Negotiation::Stable => Before::Stable,
            Negotiation::LocalOffer { .. } | Negotiation::RemoteOffer { .. } => {
                return Err(Disagreement::SecondOffer);
            }
        };
        self.negotiation = match sender {
            Sender::Local => Negotiation::LocalOffer { carrier, before },
            Sender::Remote => Negotiation::RemoteOffer { carrier, before },
        };
        Ok(())
    }

    fn settle(&mut self) {
        self.negotiation = Negotiation::Stable;
    }

    fn roll_back(&mut self) {
        self.negotiation = match self.negotiation {
            Negotiation::LocalOffer { before, .. } | Negotiation::RemoteOffer { before, .. } => {
                match before {
                    Before::None => Negotiation::None,
                    Before::Stable => Negotiation::Stable,
                }
            }
            Negotiation::None => Negotiation::None,
            Negotiation::Stable => Negotiation::Stable,
        };
    }

    /// Returns the sender of the offer that has no answer yet.
    pub(crate) const fn open_offer(&self) -> Option<Sender> {
        match self.negotiation {
            Negotiation::LocalOffer { .. } => Some(Sender::Local),
            Negotiation::RemoteOffer { .. } => Some(Sender::Remote),
            Negotiation::None | Negotiation::Stable => None,
        }
    }

    fn is_open_from(&self, sender: Sender, by: Carrier) -> bool {
        match (&self.negotiation, sender) {
            (Negotiation::LocalOffer { carrier, .. }, Sender::Local)
            | (Negotiation::RemoteOffer { carrier, .. }, Sender::Remote) => *carrier == by,
            (
                Negotiation::None
                | Negotiation::Stable
                | Negotiation::LocalOffer { .. }
                | Negotiation::RemoteOffer { .. },
                Sender::Local | Sender::Remote,
            ) => false,
        }
    }
}

impl Sender {
    const fn other(self) -> Self {
        match self {
            Self::Local => Self::Remote,
            Self::Remote => Self::Local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Sender::{Local, Remote};

    fn stable() -> OfferAnswer {
        let mut dialog = OfferAnswer::new();
        assert_eq!(dialog.on_request(Remote, &Method::Invite, true), Ok(()));
        assert_eq!(dialog.on_response(Local, &Method::Invite, 2, true), Ok(()));
        assert_eq!(dialog.negotiation, Negotiation::Stable);
        dialog
    }

    #[test]
    fn an_offer_in_the_2xx_is_answered_in_the_ack() {
        let mut dialog = OfferAnswer::new();
        assert_eq!(dialog.on_request(Remote, &Method::Invite, false), Ok(()));
        assert_eq!(dialog.on_response(Local, &Method::Invite, 2, true), Ok(()));
        assert!(dialog.is_open_from(Local, Carrier::Response));
        assert_eq!(dialog.on_request(Remote, &Method::Ack, true), Ok(()));
        assert_eq!(dialog.negotiation, Negotiation::Stable);
    }

    #[test]
    fn an_offer_in_a_reliable_183_is_answered_in_the_prack() {
        let mut dialog = OfferAnswer::new();
        assert_eq!(dialog.on_request(Local, &Method::Invite, false), Ok(()));
        assert_eq!(dialog.on_response(Remote, &Method::Invite, 1, true), Ok(()));
        assert_eq!(dialog.on_request(Local, &Method::Prack, true), Ok(()));
        assert_eq!(dialog.on_response(Remote, &Method::Prack, 2, false), Ok(()));
        assert_eq!(dialog.on_response(Remote, &Method::Invite, 2, true), Ok(()), "a repeated description");
        assert_eq!(dialog.negotiation, Negotiation::Stable);
    }

    #[test]
    fn a_refused_offer_goes_back_to_the_session_before() {
        let mut dialog = stable();
        assert_eq!(dialog.on_request(Local, &Method::Invite, true), Ok(()));
        assert_eq!(dialog.on_response(Remote, &Method::Invite, 4, false), Ok(()));
        assert_eq!(dialog.negotiation, Negotiation::Stable);
    }

    #[test]
    fn departures_of_the_peer_are_named() {
        let mut dialog = stable();
        assert_eq!(dialog.on_request(Remote, &Method::Ack, true), Err(Disagreement::Unexpected));
        assert_eq!(dialog.on_response(Remote, &Method::Update, 2, true), Err(Disagreement::Unexpected));
        assert_eq!(dialog.on_request(Local, &Method::Update, true), Ok(()));
        assert_eq!(dialog.on_request(Remote, &Method::Update, true), Err(Disagreement::SecondOffer));
        assert_eq!(dialog.on_response(Remote, &Method::Update, 2, false), Err(Disagreement::NoAnswer));
        let mut silent = OfferAnswer::new();
        assert_eq!(silent.on_request(Local, &Method::Invite, true), Ok(()));
        assert_eq!(silent.on_response(Remote, &Method::Invite, 2, false), Err(Disagreement::NoAnswer));
    }

    #[test]
    fn other_bodies_are_no_offers() {
        let mut dialog = stable();
        assert_eq!(dialog.on_request(Remote, &Method::Info, true), Ok(()));
        assert_eq!(dialog.on_response(Local, &Method::Info, 2, true), Ok(()));
        assert_eq!(dialog.negotiation, Negotiation::Stable);
    }
}
