//! The next hop of a request.

use std::sync::Arc;

use attesta_transaction::Flow;

use crate::config::listener::Listener;

/// Where a request is sent from, and where it is sent to.
#[derive(Clone, Debug)]
pub(crate) struct NextHop {
    /// The listener that sends the request.
    pub(crate) listener: Arc<Listener>,
    /// The flow that the request takes.
    pub(crate) flow: Flow,
}
