//! What goes into an [`Endpoint`](crate::Endpoint) and what comes out.

use std::time::Instant;

use attesta_sip::{Request, Response, StreamError};
use bytes::Bytes;

use crate::error::Failure;
use crate::flow::Flow;

/// Something that happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// One message arrived: a datagram, or one message framed from a stream.
    Datagram {
        /// Where it came from and at which of our addresses.
        flow: Flow,
        /// Its octets, as received.
        data: Bytes,
    },
    /// What arrives on this stream cannot be cut into messages any further (RFC 3261 section 18.3): it is answered, if it is
    /// a request that can be; whoever owns the connection closes it then.
    Unreadable {
        /// The stream.
        flow: Flow,
        /// What was wrong, with what arrived of the message.
        error: StreamError,
    },
    /// What the endpoint asked to transmit could not be sent, or an ICMP error said that it did not arrive
    /// (RFC 3261 section 18.4). The payload may be cut short, as ICMP does, so long as Via, Call-ID and CSeq stand in it; that
    /// of a response over a stream may not.
    ///
    /// A response on a connection that is gone is then handed out once more, with a flow without a connection: the shell finds
    /// or opens one to that address (RFC 3261 section 18.2.2). If that fails too, the user hears of it.
    TransportFailed(Transmit),
    /// The same where a limit of our own is the reason, as one on connections: the user learns it by
    /// [`Failure::NoRoom`].
    NoRoom(Transmit),
    /// The time of the last [`Output::Timeout`] has come.
    Timeout,
}

/// Something to be done outside.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one turn of the loop: a box would cost an allocation per message"
)]
pub enum Output {
    /// Send this.
    Transmit(Transmit),
    /// Tell the transaction user.
    Event(Event),
    /// Nothing more for now: hand in [`Input::Timeout`] at this time, unless other input comes before. `None`: no
    /// machine waits for anything.
    Timeout(Option<Instant>),
}

/// One message on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From where and to where. Over a stream: on the connection that it names, and on no other; where it names none, on one
    /// that is open to that address, else on a new one.
    pub flow: Flow,
    /// The octets of the message.
    pub payload: Bytes,
}

/// What the transaction user learns.
///
/// Of each transaction that it can name, the last it hears is `ClientTerminated` or `ServerTerminated`, once.
#[derive(Clone, Debug)]
pub enum Event {
    /// A request began a server transaction: answer it by [`Endpoint::respond`](crate::Endpoint::respond).
    Request {
        /// The transaction.
        id: ServerId,
        /// The request, `received` and `rport` filled into its top Via.
        request: Request,
        /// Where it came from.
        flow: Flow,
        /// Whether it was taken though the cap on transactions is reached: an INVITE, which only the user can tell to be an
        /// emergency call. Any other is to be refused by [`Endpoint::turn_away`](crate::Endpoint::turn_away).
        on_reserve: bool,
    },
    /// An ACK that the user must see: of a 2xx response.
    Ack {
        /// The INVITE, where the ACK carries its branch (which RFC 2543 clients do); else the dialog tells.
        invite: Option<ServerId>,
        /// The ACK.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// A CANCEL for an INVITE that has no final response yet (RFC 3261 section 9.2). The CANCEL itself is answered;
    /// the INVITE now deserves a 487.
    Cancelled {
        /// The INVITE.
        invite: ServerId,
        /// The CANCEL, which may carry a Reason (RFC 3326).
        request: Request,
    },
    /// A response that the user must see: each provisional, the first final, and of an INVITE each 2xx.
    Response {
        /// The transaction of the request that it answers.
        id: ClientId,
        /// The response.
        response: Response,
        /// Where it came from.
        flow: Flow,
    },
    /// A request will get no response.
    ClientFailed {
        /// The transaction of the request.
        id: ClientId,
        /// Why.
        why: Failure,
    },
    /// A response did not arrive, or was not acknowledged. After [`Failure::Transport`] the transaction lives on
    /// (RFC 6026 section 7.1).
    ServerFailed {
        /// The transaction of the response.
        id: ServerId,
        /// Why.
        why: Failure,
    },
    /// A client transaction is gone; nothing more comes of it.
    ClientTerminated {
        /// The transaction.
        id: ClientId,
    },
    /// A server transaction is gone; responses to it are discarded.
    ServerTerminated {
        /// The transaction.
        id: ServerId,
    },
}

/// A client transaction of one endpoint. Never given twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ClientId(pub(crate) Slot);

/// A server transaction of one endpoint. Never given twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ServerId(pub(crate) Slot);

/// A place in a slab and the serial number of its tenant, which tells a transaction from those before it there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Slot {
    pub(crate) serial: u64,
    pub(crate) index: u32,
}
