//! The inputs of a call, and the results of its steps.

use attesta_sip::{Request, Response};
use attesta_transaction::{ClientId, Failure, Flow, ServerId};
use bytes::Bytes;

use crate::call::replacement::Replacement;
use crate::headers::dialog_id::DialogId;
use crate::io::{Destination, ResolveError, SignError, Unreachable};
use crate::policy::Decision;
use crate::token::Token;

/// An event of a call.
#[derive(Debug)]
pub(crate) enum CallInput<'a> {
    /// A request in a dialog of the call.
    Request { dialog: DialogId, id: ServerId, request: Request, flow: &'a Flow },
    /// An INVITE that replaces a leg of the call.
    Replacement(Replacement<'a>),
    /// An ACK in a dialog of the call.
    Ack { dialog: DialogId, ack: &'a Request, flow: &'a Flow },
    /// A CANCEL of the call's INVITE, or of an INVITE in a dialog of the call.
    Cancelled { server: ServerId, cancel: &'a Request },
    /// A response to a request of the call.
    Response { client: ClientId, response: &'a Response, flow: &'a Flow },
    /// A 2xx to an INVITE in a dialog of the call. No request waits for this 2xx.
    Repeated2xx { dialog: DialogId, seq: u32, client: ClientId },
    /// A request of the call gets no response.
    Failed { client: ClientId, why: Failure },
    /// The addresses that the call has asked for.
    Resolved { token: Token, result: Result<Vec<Destination>, ResolveError> },
    /// The result of opening a connection for the call.
    Reached { token: Token, result: Result<(), Unreachable> },
    /// The answer of an outside signer.
    Signed { token: Token, result: Result<Bytes, SignError> },
    /// The answer of the policy.
    Decided { token: Token, decision: Decision },
    /// New certificates are known.
    Certificates,
    /// The deadline of the call has passed.
    Deadline,
    /// The edge stops.
    ShutDown,
}

/// The result of a step of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallStep {
    /// The call continues.
    Goes,
    /// The call continues. The response was not for this call.
    NotTaken,
    /// The call is over.
    Over,
}
