//! The addresses that may cancel a call, in addition to the source address of its INVITE.

use std::sync::Arc;

use attesta_transaction as transaction;
use attesta_transaction::Flow;

use crate::config::Config;
use crate::config::trunk_entry::TrunkEntry;

/// The trunk of origin of a call, in the configuration that accepted the call. Each address of the trunk may cancel the
/// call, since one node of a cluster may cancel a call that another node began (ADR 8).
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
