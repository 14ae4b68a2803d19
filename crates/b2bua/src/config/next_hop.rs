//! The next hop of a request.

use std::sync::Arc;

use attesta_transaction::Flow;

use crate::config::listener::Listener;

/// Where a request leaves from, and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct NextHop {
    /// Where the request leaves from.
    pub(crate) listener: Arc<Listener>,
    /// The path that it takes.
    pub(crate) flow: Flow,
}
