//! What a command prints: text for people, JSON for programs, print_faultsts on standard error.

use std::env;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use attesta_net::Clock;
use clap::ValueEnum;
use serde_json::json;

use crate::fault::Fault;

/// When output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// Where and how a command prints.
#[derive(Debug)]
pub(crate) struct Console {
    /// `--json` was given.
    json: bool,
    out: Palette,
    err: Palette,
    terminal: bool,
}

impl Console {
    pub(crate) fn new(color: Color, json: bool) -> Self {
        let palette = |is_terminal: bool| match color {
            Color::Always => Palette::COLOURED,
            Color::Never => Palette::PLAIN,
            Color::Auto if is_terminal && colour_is_welcome() => Palette::COLOURED,
            Color::Auto => Palette::PLAIN,
        };
        let terminal = io::stdout().is_terminal();
        Self { json, out: palette(terminal), err: palette(io::stderr().is_terminal()), terminal }
    }

    /// Whether a command that prints text by default prints JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether a command that prints JSON when piped prints JSON.
    pub(crate) fn json_or_piped(&self) -> bool {
        self.json || !self.terminal
    }

    /// Whether standard error may be coloured.
    pub(crate) fn colours_errors(&self) -> bool {
        self.err.bold != Style::new()
    }

    /// The styles for standard output.
    pub(crate) fn palette(&self) -> Palette {
        self.out
    }

    /// Standard output, buffered: flush it when the command is done.
    pub(crate) fn out(&self) -> BufWriter<StdoutLock<'static>> {
        BufWriter::with_capacity(OUTPUT_BUFFER, io::stdout().lock())
    }

    /// Prints what the operator must mend. With `--json` that is an object on standard output, too.
    pub(crate) fn print_faults(&self, faults: &[Fault]) {
        if self.json {
            let errors: Vec<_> = faults.iter().map(fault_json).collect();
            let _ = writeln!(io::stdout(), "{}", json!({ "result": "refused", "errors": errors }));
        }
        for fault in faults {
            self.print_on_stderr("error", self.err.bad, fault);
        }
    }

    /// Prints what the operator should know, and goes on.
    pub(crate) fn warn(&self, fault: &Fault) {
        self.print_on_stderr("warning", self.err.warn, fault);
    }

    pub(crate) fn print_output_error(&self, error: &io::Error) {
        let fault = Fault::new(format!("standard output cannot be written: {error}"));
        self.print_on_stderr("error", self.err.bad, &fault);
    }

    /// A closed standard error has no reader to tell, so failures to write to it are let go.
    fn print_on_stderr(&self, kind: &str, style: Style, fault: &Fault) {
        let mut err = io::stderr().lock();
        let _ = writeln!(err, "{style}{kind}{style:#}: {fault}");
        if let Some(help) = &fault.help {
            let hint = self.err.dim;
            let _ = writeln!(err, "  {hint}help:{hint:#} {help}");
        }
    }
}

/// The styles of everything printed. `{style}text{style:#}` is plain text in [`Palette::PLAIN`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    pub(crate) good: Style,
    pub(crate) bad: Style,
    pub(crate) warn: Style,
    pub(crate) name: Style,
    pub(crate) value: Style,
    pub(crate) bold: Style,
    pub(crate) dim: Style,
}

impl Palette {
    pub(crate) const PLAIN: Self = Self {
        good: Style::new(),
        bad: Style::new(),
        warn: Style::new(),
        name: Style::new(),
        value: Style::new(),
        bold: Style::new(),
        dim: Style::new(),
    };
    const COLOURED: Self = Self {
        good: AnsiColor::Green.on_default().bold(),
        bad: AnsiColor::Red.on_default().bold(),
        warn: AnsiColor::Yellow.on_default().bold(),
        name: AnsiColor::Blue.on_default(),
        value: AnsiColor::Cyan.on_default(),
        bold: Style::new().bold(),
        dim: Style::new().dimmed(),
    };
}

/// <https://no-color.org>; and a terminal that cannot move its cursor has no colour either.
fn colour_is_welcome() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn fault_json(fault: &Fault) -> serde_json::Value {
    let mut object = serde_json::Map::new();
    if let Some(file) = &fault.file {
        object.insert("file".into(), json!(file));
    }
    if let Some(position) = fault.position {
        object.insert("line".into(), json!(position.line));
        object.insert("column".into(), json!(position.column));
    }
    object.insert("text".into(), json!(fault.text));
    if let Some(help) = &fault.help {
        object.insert("help".into(), json!(help));
    }
    object.into()
}

/// How far long work has come, on a terminal's standard error and nowhere else.
#[derive(Debug)]
pub(crate) struct Progress {
    total: usize,
    done: usize,
    /// When the line is to be drawn next; `None` where nobody would see it.
    next: Option<Instant>,
    drawn: bool,
}

impl Progress {
    pub(crate) fn new(total: usize) -> Self {
        let next = io::stderr().is_terminal().then(|| Clock::mono() + PROGRESS_AFTER);
        Self { total, done: 0, next, drawn: false }
    }

    /// One more is done. The clock is read now and then only: this stands in hot loops.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        let Some(next) = self.next else { return };
        if !self.done.is_multiple_of(PROGRESS_STEP) || Clock::mono() < next {
            return;
        }
        self.next = Some(Clock::mono() + PROGRESS_EVERY);
        self.drawn = true;
        let _ = write!(io::stderr(), "\r{} of {}", self.done, self.total);
    }

    /// Takes the line away.
    pub(crate) fn finish(self) {
        if self.drawn {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// Work that is done sooner needs no progress.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
const PROGRESS_STEP: usize = 64;
const OUTPUT_BUFFER: usize = 64 * 1024;
