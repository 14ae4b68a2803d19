//! Draws the captured datagrams as a ladder diagram, one message per line.

use std::io::{self, Write};
use std::time::Instant;

use anstyle::Style;
use attesta_sip::{CSeq, Limits, Message, Method, Name};
use bytes::Bytes;

use crate::console::Palette;

/// The parties of the ladder, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    Caller,
    SigningEdge,
    VerifyingEdge,
    Callee,
}

impl Party {
    const ALL: [Self; 4] = [Self::Caller, Self::SigningEdge, Self::VerifyingEdge, Self::Callee];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::SigningEdge => "signing edge",
            Self::VerifyingEdge => "verifying edge",
            Self::Callee => "callee",
        }
    }

    /// Returns the terminal column of the party's vertical line.
    fn column(self) -> usize {
        FIRST_COLUMN
            + SPACING
                * match self {
                    Self::Caller => 0,
                    Self::SigningEdge => 1,
                    Self::VerifyingEdge => 2,
                    Self::Callee => 3,
                }
    }
}

/// One datagram that was sent or received.
#[derive(Clone, Debug)]
pub(super) struct CapturedDatagram {
    pub(super) at: Instant,
    pub(super) from: Party,
    pub(super) to: Party,
    pub(super) data: Bytes,
}

impl CapturedDatagram {
    /// Returns true if this datagram is the final response to a BYE. After this response, the call sends nothing on this
    /// hop.
    pub(super) fn ends_a_hop(&self) -> bool {
        let Ok(Message::Response(response)) = Message::parse(self.data.clone(), &Limits::default()) else {
            return false;
        };
        let cseq = response.headers().read::<CSeq>().and_then(Result::ok);
        response.status().is_final() && cseq.is_some_and(|cseq| *cseq.method() == Method::Bye)
    }

    /// Returns the label of the arrow: the method, or the status with its method.
    pub(super) fn label(&self) -> Label {
        let Ok(message) = Message::parse(self.data.clone(), &Limits::default()) else {
            return Label { text: format!("{} octets", self.data.len()), kind: Kind::Failure };
        };
        match message {
            Message::Request(request) => {
                let signed = if request.headers().contains(Name::Identity) { " +Identity" } else { "" };
                Label { text: format!("{}{signed}", request.method().as_str()), kind: Kind::Request }
            }
            Message::Response(response) => {
                let status = response.status();
                let cseq = response.headers().read::<CSeq>().and_then(Result::ok);
                let method = cseq.map_or(String::new(), |cseq| format!(" ({})", cseq.method().as_str()));
                let kind = match status.class() {
                    1 => Kind::Provisional,
                    2 => Kind::Success,
                    _ => Kind::Failure,
                };
                Label { text: format!("{}{method}", status.code()), kind }
            }
        }
    }
}

/// The label of an arrow and the kind of its message.
pub(super) struct Label {
    pub(super) text: String,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Request,
    Provisional,
    Success,
    Failure,
}

impl Kind {
    fn style(self, palette: Palette) -> Style {
        match self {
            Self::Request => palette.value,
            Self::Provisional => palette.dim,
            Self::Success => palette.good,
            Self::Failure => palette.bad,
        }
    }
}

/// Draws `datagrams`, which must be in order of time. The left column shows milliseconds since the first datagram.
pub(super) fn draw(out: &mut impl Write, palette: Palette, datagrams: &[CapturedDatagram]) -> io::Result<()> {
    write_names(out, palette)?;
    let Some(start) = datagrams.first().map(|datagram| datagram.at) else { return Ok(()) };
    for datagram in datagrams {
        let elapsed = datagram.at.saturating_duration_since(start).as_secs_f64() * 1000.0;
        let dim = palette.dim;
        write!(out, "{dim}{elapsed:>w$.1} ms{dim:#}", w = FIRST_COLUMN - 5)?;
        write!(out, "{:w$}", "", w = 2)?;
        write_arrow(out, palette, datagram)?;
    }
    Ok(())
}

fn write_names(out: &mut impl Write, palette: Palette) -> io::Result<()> {
    let mut written = 0;
    let bold = palette.bold;
    for party in Party::ALL {
        let name = party.as_str();
        let start = party.column().saturating_sub(name.len() / 2);
        write!(out, "{:w$}{bold}{name}{bold:#}", "", w = start.saturating_sub(written))?;
        written = start + name.len();
    }
    writeln!(out)
}

/// Writes one line: the vertical lines of the parties, with the arrow between two of them.
fn write_arrow(out: &mut impl Write, palette: Palette, datagram: &CapturedDatagram) -> io::Result<()> {
    let Label { text, kind } = datagram.label();
    let (left, right) = (datagram.from.min(datagram.to), datagram.from.max(datagram.to));
    let (dim, style) = (palette.dim, kind.style(palette));
    for party in Party::ALL {
        if party > left && party <= right {
            continue;
        }
        if party != Party::Caller && party != left {
            write!(out, "{:w$}", "", w = SPACING - 1)?;
        }
        if party != left {
            write!(out, "{dim}│{dim:#}")?;
            continue;
        }
        if party != Party::Caller {
            write!(out, "{:w$}", "", w = SPACING - 1)?;
        }
        let room = right.column() - left.column() - 1;
        let arrow = arrow(&text, room, datagram.to == right);
        write!(out, "{dim}│{dim:#}{style}{arrow}{style:#}{dim}│{dim:#}")?;
    }
    writeln!(out)
}

/// Returns an arrow such as `─── INVITE ──▶` that fills `room` columns. The end of a label that is too long is cut off.
fn arrow(label: &str, room: usize, rightwards: bool) -> String {
    let label: String = label.chars().take(room.saturating_sub(5)).collect();
    let shaft = room.saturating_sub(label.chars().count() + 3);
    let (before, after) = ("─".repeat(shaft / 2), "─".repeat(shaft - shaft / 2));
    if rightwards { format!("{before} {label} {after}▶") } else { format!("◀{before} {label} {after}") }
}

const FIRST_COLUMN: usize = 12;
const SPACING: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_fills_its_room() {
        assert_eq!(arrow("INVITE", 19, true), "───── INVITE ─────▶");
        assert_eq!(arrow("180 (INVITE)", 19, false), "◀── 180 (INVITE) ──");
        for room in 8..40 {
            assert_eq!(arrow("INVITE +Identity", room, true).chars().count(), room);
        }
    }

    #[test]
    fn the_lines_of_the_ladder_are_aligned() {
        let at = attesta_net::Clock::mono();
        let datagram = |from, to| CapturedDatagram { at, from, to, data: Bytes::from_static(b"not SIP") };
        let datagrams = [
            datagram(Party::Caller, Party::SigningEdge),
            datagram(Party::SigningEdge, Party::VerifyingEdge),
            datagram(Party::Callee, Party::VerifyingEdge),
        ];
        let mut drawn = Vec::new();
        draw(&mut drawn, Palette::PLAIN, &datagrams).unwrap();
        let drawn = String::from_utf8(drawn).unwrap();
        let lines: Vec<&str> = drawn.lines().skip(1).collect();
        assert_eq!(lines.len(), 3);
        for line in lines {
            let bars: Vec<usize> =
                line.chars().enumerate().filter(|(_, c)| *c == '│').map(|(column, _)| column).collect();
            assert_eq!(bars, Party::ALL.map(Party::column), "{line}");
        }
    }
}
