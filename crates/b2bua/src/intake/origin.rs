//! Where a request outside a dialog comes from.

use std::sync::Arc;

use attesta_sip::{Request, Response, Status};
use attesta_stir::Identity;
use attesta_transaction::{Flow, ServerId, Tag};
use bytes::Bytes;

use crate::config::Config;
use crate::config::listener::Listener;
use crate::config::trunk_entry::TrunkEntry;
use crate::event::{Arrival, CallNumber};
use crate::headers::reply::reply_tagged;
use crate::identity::facts::{callee, judged};
use crate::owners::Owner;

/// The source and the owner of a request outside a dialog. They never change.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) owner: Owner,
    /// The configuration that accepted the request.
    pub(crate) config: Arc<Config>,
    pub(crate) arrival: Arc<Arrival>,
    pub(crate) ingress: Arc<TrunkEntry>,
    /// The listener on which the request arrived. It sends the responses.
    pub(crate) listener: Arc<Listener>,
    /// The transaction with the sender.
    pub(crate) server: ServerId,
    /// Our tag in responses that create no dialog, and in the first dialog that a response creates.
    pub(crate) tag: Tag,
}

impl Origin {
    /// True for a call, false for a MESSAGE.
    pub(crate) const fn is_call(&self) -> bool {
        matches!(self.owner, Owner::Call(_))
    }

    /// A response to the request.
    pub(crate) fn reply(&self, request: &Request, status: Status) -> Response {
        reply_tagged(request, status, &self.tag)
    }
}

/// The facts about a request that the policy and the routes use.
pub(crate) fn arrival(
    call: CallNumber,
    request: &Request,
    flow: &Flow,
    ingress: &TrunkEntry,
    emergency: bool,
) -> Arc<Arrival> {
    let headers = request.headers();
    Arc::new(Arrival {
        call,
        trunk: ingress.trunk.name().clone(),
        source: flow.remote,
        call_id: Bytes::copy_from_slice(headers.get(attesta_sip::Name::CallId).unwrap_or_default()),
        caller: judged(headers, &ingress.trunk),
        callee: callee(headers, &ingress.trunk),
        destination: Identity::callee(request.uri(), &ingress.trunk.dial_plan).ok(),
        emergency,
    })
}
