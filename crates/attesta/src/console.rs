//! The output of a command: text for people, JSON for programs, faults on standard error.

use std::env;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use attesta_net::Clock;
use clap::ValueEnum;
use serde_json::json;

use crate::fault::Fault;

/// When to colour the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// Says where and how a command prints.
#[derive(Debug)]
pub(crate) struct Console {
    /// True if `--json` was given.
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
            Color::Auto if is_terminal && may_colour() => Palette::COLOURED,
            Color::Auto => Palette::PLAIN,
        };
        let terminal = io::stdout().is_terminal();
        Self { json, out: palette(terminal), err: palette(io::stderr().is_terminal()), terminal }
    }

    /// Returns true if `--json` was given. Commands that print text by default use this function.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Returns true if `--json` was given, or if standard output is not a terminal. Commands that print JSON into a pipe use
    /// this function.
    pub(crate) fn json_or_piped(&self) -> bool {
        self.json || !self.terminal
    }

    /// Returns true if standard error may be coloured.
    pub(crate) fn coloured_errors(&self) -> bool {
        self.err.bold != Style::new()
    }

    /// Returns the styles for standard output.
    pub(crate) fn palette(&self) -> Palette {
        self.out
    }

    /// Returns standard output with a buffer. The command must flush the buffer at its end.
    pub(crate) fn out(&self) -> BufWriter<StdoutLock<'static>> {
        BufWriter::with_capacity(OUTPUT_BUFFER, io::stdout().lock())
    }

    /// Prints the faults that the operator must fix on standard error. With `--json`, also prints an object with these
    /// faults on standard output.
    pub(crate) fn print_faults(&self, faults: &[Fault]) {
        if self.json {
            let errors: Vec<_> = faults.iter().map(fault_json).collect();
            let _ = writeln!(io::stdout(), "{}", json!({ "result": "refused", "errors": errors }));
        }
        for fault in faults {
            self.print_on_stderr("error", self.err.bad, fault);
        }
    }

    /// Prints a warning.
    pub(crate) fn warn(&self, fault: &Fault) {
        self.print_on_stderr("warning", self.err.warn, fault);
    }

    pub(crate) fn print_output_error(&self, error: &io::Error) {
        let fault = Fault::new(format!("cannot write to standard output: {error}"));
        self.print_on_stderr("error", self.err.bad, &fault);
    }

    /// Ignores write errors, because the program has no other output for them.
    fn print_on_stderr(&self, kind: &str, style: Style, fault: &Fault) {
        let mut err = io::stderr().lock();
        let _ = writeln!(err, "{style}{kind}{style:#}: {fault}");
        if let Some(help) = &fault.help {
            let hint = self.err.dim;
            let _ = writeln!(err, "  {hint}help:{hint:#} {help}");
        }
    }
}

/// The styles of all output. `{style}text{style:#}` is plain text in [`Palette::PLAIN`].
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

/// Returns true if the environment allows colour: `NO_COLOR` is empty or not set (<https://no-color.org>), and `TERM` is not
/// `dumb`.
fn may_colour() -> bool {
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

/// Shows the progress of long work, only if standard error is a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    total: usize,
    done: usize,
    /// The time from which the line may be drawn again. `None` if standard error is not a terminal.
    next: Option<Instant>,
    drawn: bool,
}

impl Progress {
    pub(crate) fn new(total: usize) -> Self {
        let next = io::stderr().is_terminal().then(|| Clock::mono() + PROGRESS_AFTER);
        Self { total, done: 0, next, drawn: false }
    }

    /// Counts one finished item. This runs in hot loops, so it does not read the clock every time.
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

    /// Removes the progress line.
    pub(crate) fn finish(self) {
        if self.drawn {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// Work that ends within this time shows no progress.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
const PROGRESS_STEP: usize = 64;
const OUTPUT_BUFFER: usize = 64 * 1024;
