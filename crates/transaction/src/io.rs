//! The inputs and outputs of an [`Endpoint`](crate::Endpoint).

use std::time::Instant;

use attesta_sip::{Request, Response, StreamError};
use bytes::Bytes;

use crate::error::Failure;
use crate::flow::Flow;

/// An input: an event from outside the endpoint.
#[derive(Clone, Debug)]
pub enum Input {
    /// One message arrived: a datagram, or one message framed from a stream.
    Datagram {
        /// The source address, and our address.
        flow: Flow,
        /// The octets as received.
        data: Bytes,
    },
    /// The stream can no longer be split into messages (RFC 3261 section 18.3). If the broken message is a request with a Via,
    /// the endpoint answers it. The owner of the connection then closes the connection.
    Unreadable {
        /// The stream.
        flow: Flow,
        /// The error, with the octets of the broken message.
        error: StreamError,
    },
    /// A message could not be sent, or an ICMP error reported that it did not arrive (RFC 3261 section 18.4). The payload may
    /// be truncated, as in ICMP, if it still contains Via, Call-ID and CSeq. The payload of a response over a stream must be
    /// complete.
    ///
    /// If the connection of a response is gone, the endpoint sends the response again with a flow without a connection. The
    /// shell then finds or opens a connection to that address (RFC 3261 section 18.2.2). If that fails too, the user gets an
    /// event.
    TransportFailed(Transmit),
    /// Like `TransportFailed`, but one of our own limits is the cause, such as the limit on connections. The user gets
    /// [`Failure::NoRoom`].
    NoRoom(Transmit),
    /// The time of the last [`Output::Timeout`] has arrived.
    Timeout,
}

/// An output: an action for the caller.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the value lives for one turn of the loop: a box would cost an allocation per message"
)]
pub enum Output {
    /// A message to send.
    Transmit(Transmit),
    /// An event for the transaction user.
    Event(Event),
    /// No output remains. Pass [`Input::Timeout`] at this time, unless another input arrives first. `None` if no timer runs.
    Timeout(Option<Instant>),
}

/// One message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The source and the destination. On a stream with a connection, only this connection may be used. On a stream without a
    /// connection, use an open connection to that address, or open a new connection.
    pub flow: Flow,
    /// The octets of the message.
    pub payload: Bytes,
}

/// An event for the transaction user.
///
/// The last event of each transaction that the user knows is `ClientTerminated` or `ServerTerminated`.
#[derive(Clone, Debug)]
pub enum Event {
    /// A request started a server transaction. Answer it with [`Endpoint::respond`](crate::Endpoint::respond).
    Request {
        /// The transaction.
        id: ServerId,
        /// The request, with `received` and `rport` in its top Via.
        request: Request,
        /// The flow on which it arrived.
        flow: Flow,
        /// Whether the request was accepted above the cap on live transactions. Only the user knows whether an INVITE is an
        /// emergency call. If it is not, refuse the INVITE with [`Endpoint::turn_away`](crate::Endpoint::turn_away).
        on_reserve: bool,
    },
    /// The ACK of a 2xx response.
    Ack {
        /// The INVITE, if the ACK has its branch. RFC 2543 clients send such ACKs. Otherwise the dialog identifies the INVITE.
        invite: Option<ServerId>,
        /// The ACK.
        request: Request,
        /// The flow on which it arrived.
        flow: Flow,
    },
    /// A CANCEL for an INVITE without a final response (RFC 3261 section 9.2). The endpoint has answered the CANCEL. The user
    /// should now send a 487 to the INVITE.
    Cancelled {
        /// The INVITE.
        invite: ServerId,
        /// The CANCEL, which may have a Reason (RFC 3326).
        request: Request,
    },
    /// A response for the user: each provisional response, the first final response, and each 2xx to an INVITE.
    Response {
        /// The transaction of the request.
        id: ClientId,
        /// The response.
        response: Response,
        /// The flow on which it arrived.
        flow: Flow,
    },
    /// A request will get no response.
    ClientFailed {
        /// The transaction of the request.
        id: ClientId,
        /// The reason.
        why: Failure,
    },
    /// A response did not arrive, or was not acknowledged. After [`Failure::Transport`] the transaction continues (RFC 6026
    /// section 7.1).
    ServerFailed {
        /// The transaction of the response.
        id: ServerId,
        /// The reason.
        why: Failure,
    },
    /// A client transaction has ended and gives no more events.
    ClientTerminated {
        /// The transaction.
        id: ClientId,
    },
    /// A server transaction has ended. Responses to it are discarded.
    ServerTerminated {
        /// The transaction.
        id: ServerId,
    },
}

/// A client transaction of one endpoint. An endpoint never reuses the value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ClientId(pub(crate) Slot);

/// A server transaction of one endpoint. An endpoint never reuses the value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ServerId(pub(crate) Slot);

/// An index into a slab, and the serial number of the entry there. The serial number distinguishes the entry from earlier
/// entries with the same index.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Slot {
    pub(crate) serial: u64,
    pub(crate) index: u32,
}
