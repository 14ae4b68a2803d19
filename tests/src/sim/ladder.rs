//! The ladder: one column for each node, and one line for each datagram, at the time at which it was sent.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::message::label;

/// One line of the ladder.
#[derive(Clone, Debug)]
pub(super) enum Rung {
    /// A datagram between two columns, or a message on a stream.
    Arrow { at: Duration, from: usize, to: usize, data: Bytes, stream: Option<usize>, fate: Drawn },
    /// A datagram to an address without a node.
    Void { at: Duration, from: usize, data: Bytes },
    /// A text about a node.
    Note { at: Duration, by: usize, text: String },
}

/// What happened to a datagram, as the arrow shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Drawn {
    /// The datagram arrives once.
    Whole,
    /// The datagram arrives twice.
    Twice,
    /// The datagram is lost.
    Lost,
    /// The network reports the datagram as unreachable.
    Refused,
}

/// Draws the rungs under the names of the nodes. The end of an arrow shows what happened: `>` arrives, `>>` arrives twice, `x`
/// is lost, `!` is unreachable. A number in brackets is the number of a stream.
pub(super) fn draw(names: &[String], rungs: &VecDeque<Rung>) -> String {
    let mut picture = line("", &names.iter().map(|name| format!("{name:<WIDTH$}")).collect::<Vec<_>>(), "");
    for rung in rungs {
        picture.push_str(&match rung {
            Rung::Arrow { at, from, to, data, stream, fate } => {
                let label = match stream {
                    Some(stream) => format!("{} ({stream})", label(data)),
                    None => label(data),
                };
                line(&clock(*at), &arrow(names.len(), *from, *to, &label, *fate), "")
            }
            Rung::Void { at, from, data } => {
                let label = label(data);
                let mut columns = posts(names.len());
                if let Some(column) = columns.get_mut(*from) {
                    *column = format!("|{:<rest$}", format!("- {label} -x"), rest = WIDTH - 1);
                }
                line(&clock(*at), &columns, "")
            }
            Rung::Note { at, by, text } => {
                let name = names.get(*by).map(String::as_str).unwrap_or_default();
                line(&clock(*at), &posts(names.len()), &format!("{name}: {text}"))
            }
        });
    }
    picture
}

/// Returns the columns of an arrow. The arrow starts at its sender and ends at its receiver. If the datagram is not delivered,
/// the arrow ends before its receiver.
fn arrow(count: usize, from: usize, to: usize, label: &str, fate: Drawn) -> Vec<String> {
    let (left, right) = (from.min(to), from.max(to));
    let length = WIDTH * (right - left) - 1;
    let rightwards = from < to;
    let (head, missing) = match (fate, rightwards) {
        (Drawn::Whole, true) => (">", 0),
        (Drawn::Whole, false) => ("<", 0),
        (Drawn::Twice, true) => (">>", 0),
        (Drawn::Twice, false) => ("<<", 0),
        (Drawn::Lost, _) => ("x", WIDTH / 4),
        (Drawn::Refused, _) => ("!", 0),
    };
    let shaft = format!("{:-^inner$}", format!(" {label} "), inner = length - head.len() - missing);
    let gap = " ".repeat(missing);
    let drawn = if rightwards { format!("|{shaft}{head}{gap}") } else { format!("|{gap}{head}{shaft}") };
    let mut columns = posts(count);
    columns.splice(left..right, [drawn]);
    columns
}

fn posts(count: usize) -> Vec<String> {
    vec![format!("{:<WIDTH$}", "|"); count]
}

fn line(clock: &str, columns: &[String], note: &str) -> String {
    let columns = columns.concat();
    format!("{}\n", format!("{clock:>8}  {}  {note}", columns.trim_end()).trim_end())
}

/// Formats seconds with milliseconds.
fn clock(at: Duration) -> String {
    format!("{}.{:03}", at.as_secs(), at.subsec_millis())
}

const WIDTH: usize = 26;
