//! `[emergency]`, `[callee]`, `[dns]`, `[admin]`, `[log]` and `[workers]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZero, NonZeroU8};

use attesta_b2bua::Prefix;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::section::Section;
use super::source::Span;

/// Returns the default emergency numbers.
pub(super) fn emergency_numbers() -> Vec<Prefix> {
    ["911", "112", "933"].into_iter().filter_map(|number| number.parse().ok()).collect()
}

pub(super) fn read_emergency(section: Section<'_>) -> Vec<Prefix> {
    section.later(&["to"]);
    let numbers =
        section.parsed_list("numbers", "numbers as dialled, such as [\"911\"]", |text| text.parse().ok());
    section.close();
    numbers.unwrap_or_else(emergency_numbers)
}

pub(super) fn read_callee(section: Section<'_>) -> Vec<Prefix> {
    let numbers =
        section.parsed_list("numbers", "number prefixes, such as [\"+120255501\"]", |text| text.parse().ok());
    section.close();
    numbers.unwrap_or_default()
}

/// Reads the name servers of `[dns]`. `None`: the name servers of the system.
pub(super) fn read_dns(section: Section<'_>) -> Option<Vec<SocketAddr>> {
    let read = |text: &str| {
        let alone = || text.parse().ok().map(|address: IpAddr| SocketAddr::new(address, DNS));
        text.parse().ok().or_else(alone).filter(|server: &SocketAddr| server.port() != 0)
    };
    let what = "addresses of name servers, such as [\"10.1.0.53\", \"127.0.0.1:5353\"]";
    let texts = section.texts("servers");
    if let Some(texts) = &texts
        && !(1..=MAX_SERVERS).contains(&texts.len())
    {
        let text = format!("`servers` names {} name servers", texts.len());
        let fault = section.source().fault(section.span(), text);
        section.report(fault.help(format!("name 1 to {MAX_SERVERS} servers, or remove the key")));
    }
    let servers =
        texts.map(|texts| texts.iter().filter_map(|text| section.parse_text(text, what, read)).collect());
    section.close();
    servers
}

/// `[admin]`: the address for health and counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdminSettings {
    pub(crate) listen: SocketAddr,
    pub(crate) span: Span,
}

impl Default for AdminSettings {
    /// Returns 127.0.0.1:8060.
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8060), span: 0..0 }
    }
}

impl AdminSettings {
    /// Returns `None` if the file says `off`.
    pub(super) fn read(section: Section<'_>) -> Option<Self> {
        section.later(&["tokens"]);
        let span = section.span().clone();
        let read = |text: &str| if text == "off" { Some(None) } else { text.parse().ok().map(Some) };
        let listen =
            section.parsed("listen", "an address and a port, such as \"127.0.0.1:8060\", or \"off\"", read);
        section.close();
        let listen = listen.unwrap_or(Some(Self::default().listen))?;
        Some(Self { listen, span })
    }
}

/// `[log]`: the level and the format of log lines.
#[derive(Debug)]
pub(crate) struct LogSettings {
    /// A level, or directives such as `info,attesta_net=debug`.
    pub(crate) level: String,
    pub(crate) format: LogFormat,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::default() }
    }
}

impl LogSettings {
    pub(super) fn read(section: Section<'_>) -> Self {
        let default = Self::default();
        let level = |text: &str| filter(text).is_some().then(|| text.to_owned());
        let settings = Self {
            level: section
                .parsed("level", "error, warn, info, debug or trace, or \"info,attesta_net=debug\"", level)
                .unwrap_or(default.level),
            format: section
                .choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)], &[])
                .unwrap_or(default.format),
        };
        section.close();
        settings
    }
}

/// Returns the filter that `directives` describe: a level, and levels of modules. Returns `None` if `directives` is
/// malformed. A word without `=` must be a level. `EnvFilter` would read any other word as the name of a module, and would
/// silence all other modules.
pub(crate) fn filter(directives: &str) -> Option<EnvFilter> {
    // `EnvFilter` reads an empty word as "error".
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let is_known = |directive: &str| directive.contains('=') || is_level(directive);
    directives.split(',').all(is_known).then(|| EnvFilter::builder().parse(directives).ok())?
}

/// The port of DNS (RFC 1035 section 4.2).
const DNS: u16 = 53;
const MAX_SERVERS: usize = 8;

/// Returns one worker for each core that the process may use.
pub(super) fn all_cores() -> NonZeroU8 {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    u8::try_from(cores.min(MOST_WORKERS)).ok().and_then(NonZeroU8::new).unwrap_or(NonZeroU8::MIN)
}

/// Reads `[workers] count`: a number, or `"auto"` for one worker for each core.
pub(super) fn read_workers(section: Section<'_>) -> Option<NonZeroU8> {
    let count = if section.plain_text("count").is_some() {
        section.choice("count", &[("auto", all_cores())], &[])
    } else {
        let count = section.integer("count", 1..=MOST_WORKERS as u64);
        count.and_then(|count| u8::try_from(count).ok()).and_then(NonZeroU8::new)
    };
    section.close();
    count
}

/// The greatest number of workers. The limit exists because each worker has a queue to every other worker.
const MOST_WORKERS: usize = 64;
