//! Log lines: on standard error, as text or JSON.

use std::io;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

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
    let overriding = from_environment.as_deref().and_then(filter);
    let misread = from_environment.is_some() && overriding.is_none();
    let filter = overriding.or_else(|| filter(&settings.level)).unwrap_or_default();
    let room = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES).thread_name("log");
    let (writer, guard) = room.finish(io::stderr());
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match settings.format {
        LogFormat::Text => logging.with_ansi(screen.colours_errors()).init(),
        LogFormat::Json => logging.json().flatten_event(true).init(),
    }
    if misread {
        tracing::warn!(
            "ATTESTA_LOG is not understood, and [log] level holds: write \"debug\" or \"info,attesta_net=debug\""
        );
    }
    guard
}

/// The filter that `directives` describe, if they do: a level, and levels of modules. A word alone that is no level would
/// name a module, and silence all others.
pub(crate) fn filter(directives: &str) -> Option<EnvFilter> {
    // No word at all would be read as "error".
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let is_known = |directive: &str| directive.contains('=') || is_level(directive);
    directives.split(',').all(is_known).then(|| EnvFilter::builder().parse(directives).ok())?
}

/// Lines that wait to be written: some 10 MB at the most.
const LINES: usize = 65_536;
