//! `attesta inspect`: decodes the input and lists its faults, without verifying a signature.

mod capture;
mod certificate;
mod crl;
mod finding;
mod identity;
mod message;
mod printer;
mod trust_list;

use std::io::Write;
use std::path::PathBuf;

use attesta_sip::{Frame, Framer, Limits};
use attesta_stir::UnixTime;
use clap::Args;
use serde_json::Value;

use self::capture::file;
use self::printer::Printer;
use super::input::Input;
use super::outcome::Outcome;
use crate::console::Console;
use crate::fault::{Failure, Fault};
use crate::time;

#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// The file to decode, or - for standard input
    #[arg(value_name = "FILE|-")]
    path: PathBuf,
}

pub(super) fn inspect(args: &Inspect, console: &Console) -> Result<Outcome, Failure> {
    let input = Input::new(&args.path);
    let now = time::now();
    let octets = input.read(MAX_CAPTURE)?;
    let mut printer = Printer { console, out: console.out(), shown: 0 };
    if file::is_capture(&octets) {
        let found = capture::show(&octets, &mut printer)?;
        printer.out.flush()?;
        return Ok(if found { Outcome::Done } else { Outcome::Nothing });
    }
    if octets.len() > MAX_FILE {
        let fault = Fault::in_file(input.name(), format!("larger than {MAX_FILE} octets"));
        return Err(fault.help("only packet captures may be larger").into());
    }
    if input.is_stream() {
        stream(&octets, &mut printer)?;
    } else {
        let decoded = decode(&octets, now).map_err(|text| Fault::in_file(input.name(), text))?;
        if let Some(decoded) = decoded {
            printer.show(&decoded)?;
        }
    }
    printer.out.flush()?;
    if printer.shown > 0 {
        return Ok(Outcome::Done);
    }
    let fault = Fault::in_file(input.name(), "cannot decode this input");
    console.warn(&fault.help(
        "give an Identity header field, a PASSporT, STI certificates, a CRL, a trust list, a SIP message or a packet capture",
    ));
    Ok(Outcome::Nothing)
}

/// Decodes `octets` in the first format that fits. Returns an error for a private key, which must not be shown.
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

/// Prints each message of one direction of a TCP connection.
fn stream<W: Write>(octets: &[u8], printer: &mut Printer<'_, W>) -> Result<(), Failure> {
    let mut framer = Framer::new(Limits::default());
    for piece in octets.chunks(STREAM_PIECE) {
        framer.push(piece);
        while let Some(frame) = framer.poll() {
            match frame {
                Ok(Frame::Ping | Frame::Pong) => {}
                Ok(Frame::Message(found)) => printer.show(&message::value(&found, None))?,
                Err(error) => printer.show(&message::unreadable(error.octets(), error.error()))?,
            }
        }
    }
    Ok(())
}

/// The size limit in octets for input other than packet captures. The largest input is a revocation list of all authorities.
const MAX_FILE: usize = 16 * 1024 * 1024;
/// The size limit of a packet capture in octets. The whole capture is read into memory.
const MAX_CAPTURE: u64 = 256 * 1024 * 1024;
const STREAM_PIECE: usize = 64 * 1024;
