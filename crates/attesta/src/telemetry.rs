//! Log lines: on standard error, as text or JSON.

use std::io;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::cli::Screen;
use crate::config::{LogFormat, LogSettings};

/// Starts logging for the whole process, as the program may and the library may not.
///
/// A thread of its own writes the lines. One that finds no room is dropped: whoever reads them too slowly loses lines, and
/// holds up no call. What the guard was given to write is written when it is dropped.
///
/// `ATTESTA_LOG` overrides the level of the file, for one run with more to see.
pub(crate) fn start(settings: &LogSettings, screen: &Screen) -> WorkerGuard {
    let from_environment = std::env::var("ATTESTA_LOG").ok();
    let directives = from_environment.as_deref().unwrap_or(&settings.level);
    let filter = EnvFilter::builder().parse_lossy(directives);
    let room = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES).thread_name("log");
    let (writer, guard) = room.finish(io::stderr());
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match settings.format {
        LogFormat::Text => logging.with_ansi(screen.colours_errors()).init(),
        LogFormat::Json => logging.json().flatten_event(true).init(),
    }
    guard
}

/// Lines that wait to be written: some 10 MB at the most.
const LINES: usize = 65_536;
