//! Who may cancel a call beside the address that it came from.

use std::sync::Arc;

use attesta_transaction as transaction;
use attesta_transaction::Flow;

use crate::config::Config;
use crate::config::trunk_entry::TrunkEntry;

/// The trunk that a call came from, by the configuration that let it in: each of its addresses may cancel the call, as those
/// of a cluster do for one another (ADR 8).
#[derive(Debug)]
pub(crate) struct CancelScope {
    pub(crate) config: Arc<Config>,
    pub(crate) ingress: Arc<TrunkEntry>,
}

impl transaction::CancelScope for CancelScope {
    fn may_cancel(&self, flow: &Flow) -> bool {
        self.config.screen(flow).is_some_and(|trunk| Arc::ptr_eq(trunk, &self.ingress))
    }
}
