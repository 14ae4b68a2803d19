//! `attesta inspect`: what is in it, without judging it, and what a judge would trip over.

mod capture;
mod certificate;
mod crl;
mod finding;
mod identity;
mod message;
mod trust_list;

use std::io::Write;

use attesta_sip::{Frame, Framer, Limits};
use attesta_stir::UnixTime;
use serde_json::{Map, Value, json};

use super::input::Input;
use super::screen::Screen;
use super::{Inspect, Outcome, time, tree};
use crate::fault::{Failure, Fault};

pub(super) fn inspect(args: &Inspect, screen: &Screen) -> Result<Outcome, Failure> {
    let input = Input::new(&args.path);
    let now = time::now();
    let octets = input.read(MAX_CAPTURE)?;
    let mut page = Page { screen, out: screen.out(), shown: 0 };
    if capture::is_capture(&octets) {
        let found = capture::show(&octets, &mut page)?;
        page.out.flush()?;
        return Ok(if found { Outcome::Done } else { Outcome::Nothing });
    }
    if octets.len() > MAX_FILE {
        let fault = Fault::in_file(input.name(), format!("larger than {MAX_FILE} octets"));
        return Err(fault.help("only captures may be larger").into());
    }
    if input.is_stream() {
        stream(&octets, &mut page)?;
    } else {
        let decoded = decode(&octets, now).map_err(|text| Fault::in_file(input.name(), text))?;
        if let Some(decoded) = decoded {
            page.show(&decoded)?;
        }
    }
    page.out.flush()?;
    if page.shown > 0 {
        return Ok(Outcome::Done);
    }
    let fault = Fault::in_file(input.name(), "nothing that can be decoded");
    screen.warn(&fault.help(
        "an Identity header field, a PASSporT, STI certificates, a CRL, a trust list, a SIP message or a capture",
    ));
    Ok(Outcome::Nothing)
}

/// Where what was decoded is shown, one object after the other.
struct Page<'a, W> {
    screen: &'a Screen,
    out: W,
    shown: usize,
}

impl<W: Write> Page<'_, W> {
    fn show(&mut self, decoded: &Value) -> Result<(), Failure> {
        if self.screen.json_or_piped() {
            writeln!(self.out, "{decoded}")?;
        } else {
            if self.shown > 0 {
                writeln!(self.out)?;
            }
            tree::write(&mut self.out, decoded, self.screen.palette())?;
        }
        self.shown += 1;
        Ok(())
    }
}

/// What `octets` are, by the first form that fits; the error says why a form that is known is not decoded.
fn decode(octets: &[u8], now: UnixTime) -> Result<Option<Value>, String> {
    let text = std::str::from_utf8(octets).unwrap_or_default().trim();
    if text.contains("PRIVATE KEY-----") {
        return Err("this is a private key, which is not shown".into());
    }
    Ok(crl::read(octets, text, now)
        .or_else(|| certificate::read(octets, text, now))
        .or_else(|| identity::read(text, now))
        .or_else(|| trust_list::read(text, now))
        .or_else(|| identity::read_passport(text, now))
        .or_else(|| message::read(octets)))
}

/// One direction of a TCP connection: a message after the other.
fn stream<W: Write>(octets: &[u8], page: &mut Page<'_, W>) -> Result<(), Failure> {
    let mut framer = Framer::new(Limits::default());
    for piece in octets.chunks(STREAM_PIECE) {
        framer.push(piece);
        while let Some(frame) = framer.poll() {
            match frame {
                Ok(Frame::Ping | Frame::Pong) => {}
                Ok(Frame::Message(found)) => page.show(&message::value(&found, None))?,
                Err(error) => page.show(&message::unreadable(error.octets(), error.error()))?,
            }
        }
    }
    Ok(())
}

/// An object that says first what it is.
fn typed(name: &str, members: Map<String, Value>) -> Value {
    let mut object = Map::new();
    object.insert("type".into(), json!(name));
    object.extend(members);
    object.into()
}

/// Room for a revocation list of all authorities.
const MAX_FILE: usize = 16 * 1024 * 1024;
/// A capture is held in memory.
const MAX_CAPTURE: u64 = 256 * 1024 * 1024;
const STREAM_PIECE: usize = 64 * 1024;
