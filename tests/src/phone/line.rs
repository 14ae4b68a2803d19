//! A call as one phone sees it: its dialog, its INVITEs and its session.

use attesta_sip::{CSeq, Headers, Method, Name, NameAddr, Request};
use attesta_transaction::{ClientId, ServerId, Transmit};
use bytes::Bytes;

use super::Ended;

/// Where a call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The INVITE has no final response.
    Early,
    /// This phone sent a 2xx and waits for the ACK.
    Answered,
    /// This phone received a 2xx, or the ACK of its own.
    Up,
    /// The call is over.
    Over,
}

/// A call at one phone.
pub struct Line {
    /// The number of the call, which crosses the edge in `X-Call`.
    pub call: u64,
    /// Whether this phone is the caller.
    pub calling: bool,
    /// Where the call is.
    pub stage: Stage,
    /// Whether it had a 2xx.
    pub answered: bool,
    pub(super) call_id: String,
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) local_tag: String,
    pub(super) target: String,
    pub(super) seq: u32,
    pub(super) hung_up: bool,
    /// Whether the call ends once the ACK of the 2xx arrives.
    pub(super) ends_on_ack: bool,
    /// The final response to the first INVITE.
    pub(super) status: Option<u16>,
    /// Whether nothing was open when the call ended.
    pub(super) settled: bool,
    pub(super) invite_out: Option<InviteOut>,
    pub(super) invite_in: Option<InviteIn>,
    /// Other requests of the dialog that wait for their response.
    pub(super) waiting: Vec<ServerId>,
    /// Own INVITEs that had a 2xx: the CSeq number, the offer in the 2xx if it has to be answered, and the ACK once it is sent.
    pub(super) acks: Vec<Accepted>,
    pub(super) talk: Talk,
    /// Live transactions.
    pub(super) refs: usize,
}

pub(super) struct InviteOut {
    pub(super) id: ClientId,
    pub(super) seq: u32,
    pub(super) first: bool,
    pub(super) cancelled: bool,
    pub(super) offered: bool,
    /// The RSeq of the last reliable response that was acknowledged.
    pub(super) rseq: u32,
    /// Reliable responses that wait for their PRACK, with the answer that it has to carry.
    pub(super) unacknowledged: Vec<(u32, bool)>,
}

pub(super) struct InviteIn {
    pub(super) id: ServerId,
    pub(super) seq: u32,
    pub(super) first: bool,
    /// Whether the INVITE allows reliable provisional responses.
    pub(super) reliable: bool,
    pub(super) rseq: u32,
    /// The reliable response that waits for its PRACK, and whether it carries a session description.
    pub(super) unacknowledged: Option<(u32, bool)>,
    /// Whether a 200 was asked for before the PRACK came.
    pub(super) answers: bool,
    /// Whether a 2xx was sent, which waits for its ACK.
    pub(super) accepted: bool,
}

pub(super) struct Accepted {
    pub(super) seq: u32,
    pub(super) id: ClientId,
    pub(super) owes_answer: bool,
    pub(super) ack: Option<Transmit>,
}

/// Offers and answers of the dialog (RFC 3264).
#[derive(Default, Debug)]
pub(super) struct Talk {
    /// What both sides agreed on: own and remote description.
    pub(super) agreed: Option<(Bytes, Bytes)>,
    pub(super) open: Option<Open>,
}

/// An offer without its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Open {
    pub(super) ours: bool,
    pub(super) carrier: Carrier,
    pub(super) session: Bytes,
}

/// What carries an offer, and so its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Carrier {
    /// An INVITE, or a response to an INVITE without an offer.
    Invite,
    Update,
}

impl Talk {
    pub(super) fn offers(&mut self, ours: bool, carrier: Carrier, session: Bytes) {
        self.open = Some(Open { ours, carrier, session });
    }

    /// The answer to the open offer.
    pub(super) fn answers(&mut self, session: Bytes) {
        if let Some(open) = self.open.take() {
            self.agreed = Some(if open.ours { (open.session, session) } else { (session, open.session) });
        }
    }

    pub(super) fn rolls_back(&mut self, ours: bool, carrier: Carrier) {
        if self.waits(ours, carrier) {
            self.open = None;
        }
    }

    /// Whether an offer that came in this message waits for its answer.
    pub(super) fn waits(&self, ours: bool, carrier: Carrier) -> bool {
        self.open.as_ref().is_some_and(|open| open.ours == ours && open.carrier == carrier)
    }

    pub(super) fn is_open(&self, ours: bool) -> bool {
        self.open.as_ref().is_some_and(|open| open.ours == ours)
    }
}

impl Line {
    /// The line of an own INVITE.
    pub(super) fn calling(call: u64, request: &Request) -> Self {
        let headers = request.headers();
        Self {
            calling: true,
            local: text(headers, Name::From),
            remote: text(headers, Name::To),
            local_tag: tag(headers, Name::From),
            target: String::from_utf8_lossy(request.uri()).into_owned(),
            seq: 1,
            ..Self::empty(call, headers)
        }
    }

    /// The line of an INVITE that was received.
    pub(super) fn called(call: u64, request: &Request, own_tag: &str) -> Self {
        let headers = request.headers();
        Self {
            local: format!("{};tag={own_tag}", text(headers, Name::To)),
            remote: text(headers, Name::From),
            local_tag: own_tag.to_owned(),
            target: contact(headers).unwrap_or_default(),
            ..Self::empty(call, headers)
        }
    }

    fn empty(call: u64, headers: &Headers) -> Self {
        Self {
            call,
            calling: false,
            stage: Stage::Early,
            answered: false,
            call_id: text(headers, Name::CallId),
            local: String::new(),
            remote: String::new(),
            local_tag: String::new(),
            target: String::new(),
            seq: 0,
            hung_up: false,
            ends_on_ack: false,
            status: None,
            settled: true,
            invite_out: None,
            invite_in: None,
            waiting: Vec::new(),
            acks: Vec::new(),
            talk: Talk::default(),
            refs: 0,
        }
    }

    /// Takes the remote tag and target of a message that makes or refreshes the dialog (RFC 3261 section 12).
    pub(super) fn follows(&mut self, headers: &Headers, remote: Name) {
        if !tag(headers, remote).is_empty() {
            self.remote = text(headers, remote);
        }
        self.target = contact(headers).unwrap_or_else(|| self.target.clone());
    }

    /// Whether the phone knows the other side's tag.
    pub(super) fn is_dialog(&self) -> bool {
        !self.calling || self.remote.contains(";tag=")
    }

    /// A request within the dialog.
    pub(super) fn request(&self, method: Method, seq: u32) -> Request {
        let mut request = Request::new(method.clone(), self.target.clone());
        let headers = request.headers_mut();
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, &self.local);
        headers.push(Name::To, &self.remote);
        headers.push(Name::CallId, &self.call_id);
        headers.push(Name::CSeq, format!("{seq} {method}"));
        request
    }

    /// The session that both sides agreed on: own and remote description.
    #[must_use]
    pub const fn session(&self) -> Option<&(Bytes, Bytes)> {
        self.talk.agreed.as_ref()
    }

    /// How the call ended.
    pub(super) fn ending(&self) -> Ended {
        Ended {
            call: self.call,
            call_id: self.call_id.clone(),
            answered: self.answered,
            status: self.status,
            session: self.talk.agreed.clone(),
            settled: self.settled,
        }
    }

    /// Whether an offer or an INVITE is still unanswered.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.talk.open.is_some() || self.invite_out.is_some() || self.invite_in.is_some()
    }
}

pub(super) fn text(headers: &Headers, name: Name) -> String {
    String::from_utf8_lossy(headers.get(name).unwrap_or_default()).into_owned()
}

pub(super) fn tag(headers: &Headers, name: Name) -> String {
    let tag = headers.get(name).and_then(|value| NameAddr::parse(value).ok()?.tag().map(<[u8]>::to_vec));
    String::from_utf8_lossy(&tag.unwrap_or_default()).into_owned()
}

pub(super) fn cseq(headers: &Headers) -> (u32, String) {
    let cseq = headers.get(Name::CSeq).and_then(|value| CSeq::parse(value).ok());
    cseq.map_or((0, String::new()), |cseq| (cseq.number(), cseq.method().as_str().to_owned()))
}

fn contact(headers: &Headers) -> Option<String> {
    let uri = NameAddr::parse(headers.values(Name::Contact).next()?).ok()?.uri().as_bytes().to_vec();
    Some(String::from_utf8_lossy(&uri).into_owned())
}
