//! The tokio runtime of the commands that have sockets.

use tokio::runtime::Runtime;

use crate::fault::Fault;

/// Starts the runtime.
pub(super) fn runtime() -> Result<Runtime, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Fault::new(format!("cannot start the runtime threads: {error}")))
}
