//! Log lines on standard error, as text or JSON.

use std::io;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};

use crate::config::service::{LogFormat, LogSettings, filter};
use crate::console::Console;

/// Starts logging for the whole process. Only the program does this, never the library.
///
/// A separate thread writes the lines. If the queue of this thread is full, a line is dropped. A slow reader of standard error
/// therefore loses lines, but delays no call. Dropping the guard writes the queued lines.
///
/// `ATTESTA_LOG` overrides the configured level for one run.
pub(crate) fn start(settings: &LogSettings, console: &Console) -> WorkerGuard {
    let from_environment = std::env::var("ATTESTA_LOG").ok();
    let overriding = from_environment.as_deref().and_then(filter);
    let misread = from_environment.is_some() && overriding.is_none();
    let filter = overriding.or_else(|| filter(&settings.level)).unwrap_or_default();
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES).thread_name("log");
    let (writer, guard) = builder.finish(io::stderr());
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match settings.format {
        LogFormat::Text => logging.with_ansi(console.coloured_errors()).init(),
        LogFormat::Json => logging.json().flatten_event(true).init(),
    }
    if misread {
        tracing::warn!(
            "cannot parse ATTESTA_LOG, so [log] level applies; write \"debug\" or \"info,attesta_net=debug\""
        );
    }
    guard
}

/// The capacity of the queue in lines. A full queue needs about 10 MB.
const LINES: usize = 65_536;
