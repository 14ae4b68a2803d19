//! Log lines: on standard error, as text or JSON.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::cli::Screen;
use crate::config::{LogFormat, LogSettings};

/// Starts logging for the whole process, as the program may and the library may not.
///
/// `ATTESTA_LOG` overrides the level of the file, for one run with more to see.
pub(crate) fn start(settings: &LogSettings, screen: &Screen) {
    let from_environment = std::env::var("ATTESTA_LOG").ok();
    let directives = from_environment.as_deref().unwrap_or(&settings.level);
    let filter = EnvFilter::builder().parse_lossy(directives);
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match settings.format {
        LogFormat::Text => logging.with_ansi(screen.colours_errors()).init(),
        LogFormat::Json => logging.json().flatten_event(true).init(),
    }
}
