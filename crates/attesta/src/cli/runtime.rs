//! The tokio runtime of the commands that have sockets.

use tokio::runtime::Runtime;

use crate::fault::Fault;

/// The runtime of the commands that have sockets.
pub(super) fn runtime() -> Result<Runtime, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Fault::new(format!("no threads to run on: {error}")))
}
