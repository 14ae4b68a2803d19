//! Log lines: on standard error, as text or JSON.

use std::io;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};

use crate::config::service::{LogFormat, LogSettings, filter};
use crate::console::Console;

/// Starts logging for the whole process, as the program may and the library may not.
///
/// A thread of its own writes the lines. One that finds no room is dropped: whoever reads them too slowly loses lines, and
/// holds up no call. What the guard was given to write is written when it is dropped.
///
/// `ATTESTA_LOG` overrides the level of the file, for one run with more to see.
pub(crate) fn start(settings: &LogSettings, console: &Console) -> WorkerGuard {
    let from_environment = std::env::var("ATTESTA_LOG").ok();
    let overriding = from_environment.as_deref().and_then(filter);
    let misread = from_environment.is_some() && overriding.is_none();
    let filter = overriding.or_else(|| filter(&settings.level)).unwrap_or_default();
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES).thread_name("log");
    let (writer, guard) = builder.finish(io::stderr());
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match settings.format {
        LogFormat::Text => logging.with_ansi(console.colours_errors()).init(),
        LogFormat::Json => logging.json().flatten_event(true).init(),
    }
    if misread {
        tracing::warn!(
            "ATTESTA_LOG is not understood, and [log] level holds: write \"debug\" or \"info,attesta_net=debug\""
        );
    }
    guard
}

/// Lines that wait to be written: some 10 MB at the most.
const LINES: usize = 65_536;
