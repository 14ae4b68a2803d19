//! The inputs of a call, and the results of its steps.

use attesta_sip::{Request, Response};
use attesta_transaction::{ClientId, Failure, Flow, ServerId};
use bytes::Bytes;

use crate::headers::dialog_id::DialogId;
use crate::io::{Destination, ResolveError, SignError, Unreachable};
use crate::policy::Decision;
use crate::token::Token;

/// What happens to a call.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "an input is moved once and never stored")]
pub(crate) enum CallInput<'a> {
    /// A request in one of its dialogs.
    Request { dialog: DialogId, id: ServerId, request: Request, flow: &'a Flow },
    /// An ACK in one of its dialogs.
    Ack { dialog: DialogId, ack: &'a Request, flow: &'a Flow },
    /// A CANCEL of the call's INVITE, or of an INVITE in its dialogs.
    Cancelled { server: ServerId, cancel: &'a Request },
    /// A response to one of its requests.
    Response { client: ClientId, response: &'a Response, flow: &'a Flow },
    /// A 2xx to an INVITE in one of its dialogs, for which no request waits.
    Repeated2xx { dialog: DialogId, seq: u32, client: ClientId },
    /// One of its requests gets no response.
    Failed { client: ClientId, why: Failure },
    /// The addresses that it asked for.
    Resolved { token: Token, result: Result<Vec<Destination>, ResolveError> },
    /// Whether the connection that it asked for is open.
    Reached { token: Token, result: Result<(), Unreachable> },
    /// The answer of an outside signer.
    Signed { token: Token, result: Result<Bytes, SignError> },
    /// The answer of the policy.
    Decided { token: Token, decision: Decision },
    /// New certificates are known.
    Certificates,
    /// The deadline of the call is over.
    Deadline,
    /// The edge stops.
    ShutDown,
}

/// How a step of a call ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallStep {
    /// The call continues.
    Goes,
    /// The call continues. The response was not for this call.
    NotTaken,
    /// The call is over.
    Over,
}
