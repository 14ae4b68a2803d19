//! Reads capture files: pcap (draft-ietf-opsawg-pcap) in both byte orders and time resolutions, and pcapng
//! (draft-ietf-opsawg-pcapng).

use std::time::Duration;

/// One captured packet.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    /// The time of the capture, since the epoch. `None` if the file does not contain the time.
    pub(super) at: Option<Duration>,
    /// The link layer: a LINKTYPE_ value.
    pub(super) link: u16,
    pub(super) data: &'a [u8],
}

/// Returns true if `octets` begin like a capture file.
pub(crate) fn is_capture(octets: &[u8]) -> bool {
    CLASSIC.iter().any(|(magic, ..)| octets.starts_with(magic)) || octets.starts_with(&SECTION.to_be_bytes())
}

/// Iterates over the packets of a file.
pub(super) struct Packets<'a> {
    all: &'a [u8],
    at: usize,
    format: Format,
}

enum Format {
    Classic {
        big: bool,
        nanoseconds: bool,
        link: u16,
    },
    Next {
        big: bool,
        interfaces: Vec<Interface>,
    },
    /// The format is unknown, or an error has ended the reading.
    Ended,
}

/// The interface of packets in a pcapng section.
#[derive(Clone, Copy)]
struct Interface {
    link: u16,
    snapped: u32,
    /// Time units per second.
    resolution: u64,
}

impl<'a> Packets<'a> {
    pub(super) fn new(all: &'a [u8]) -> Self {
        let classic = CLASSIC.iter().find(|(magic, ..)| all.starts_with(magic));
        let (format, at) = match classic {
            Some((_, big, nanoseconds)) => {
                let link = number(all, 20, *big).map_or(u16::MAX, |link| (link & 0xffff) as u16);
                (Format::Classic { big: *big, nanoseconds: *nanoseconds, link }, CLASSIC_HEADER)
            }
            None if is_capture(all) => (Format::Next { big: false, interfaces: Vec::new() }, 0),
            None => (Format::Ended, 0),
        };
        Self { all, at, format }
    }

    pub(super) fn format(&self) -> &'static str {
        if CLASSIC.iter().any(|(magic, ..)| self.all.starts_with(magic)) { "pcap" } else { "pcapng" }
    }

    /// Returns the next packet. An error contains the place where the file is broken. No packet follows an error.
    pub(super) fn next(&mut self) -> Option<Result<Packet<'a>, String>> {
        if self.at >= self.all.len() {
            // A file that ends within its header is broken.
            let cut = self.at > self.all.len();
            self.at = self.all.len();
            return cut
                .then(|| Err(format!("The file ends within its header, at octet {}.", self.all.len())));
        }
        let from = self.at;
        let found = match &mut self.format {
            Format::Ended => return None,
            Format::Classic { big, nanoseconds, link } => {
                classic(self.all, &mut self.at, *big, *nanoseconds, *link)
            }
            Format::Next { big, interfaces } => loop {
                match block(self.all, &mut self.at, big, interfaces) {
                    Some(Some(packet)) => break Some(packet),
                    Some(None) if self.at >= self.all.len() => return None,
                    Some(None) => {}
                    None => break None,
                }
            },
        };
        if found.is_none() {
            self.format = Format::Ended;
        }
        Some(found.ok_or_else(|| format!("The file is broken after octet {from}.")))
    }
}

fn classic<'a>(all: &'a [u8], at: &mut usize, big: bool, nanoseconds: bool, link: u16) -> Option<Packet<'a>> {
    let seconds = number(all, *at, big)?;
    let fraction = number(all, at.checked_add(4)?, big)?;
    let length = usize::try_from(number(all, at.checked_add(8)?, big)?).ok()?;
    let data = all.get(*at + RECORD_HEADER..)?.get(..length)?;
    *at += RECORD_HEADER + length;
    let nanoseconds = if nanoseconds { fraction } else { fraction.checked_mul(1000).unwrap_or(0) };
    Some(Packet { at: Some(Duration::new(u64::from(seconds), nanoseconds % 1_000_000_000)), link, data })
}

/// Reads one block. Returns `Some(None)` for a block without a packet, and `None` for a broken block.
fn block<'a>(
    all: &'a [u8],
    at: &mut usize,
    big: &mut bool,
    interfaces: &mut Vec<Interface>,
) -> Option<Option<Packet<'a>>> {
    let rest = all.get(*at..)?;
    if rest.starts_with(&SECTION.to_be_bytes()) {
        *big = rest.get(8..12)? == ORDER.to_be_bytes();
        interfaces.clear();
    }
    let kind = number(rest, 0, *big)?;
    let length = usize::try_from(number(rest, 4, *big)?).ok()?;
    let body = rest.get(..length)?.get(8..length.checked_sub(4)?)?;
    *at = at.checked_add(length)?;
    match kind {
        INTERFACE if interfaces.len() < MAX_INTERFACES => interfaces.push(interface(body, *big)?),
        INTERFACE => return None,
        ENHANCED => return Some(Some(enhanced(body, *big, interfaces, number(body, 0, *big)?)?)),
        OBSOLETE => return Some(Some(enhanced(body, *big, interfaces, u32::from(short(body, 0, *big)?))?)),
        SIMPLE => {
            let interface = interfaces.first()?;
            let length =
                number(body, 0, *big)?.min(if interface.snapped == 0 { u32::MAX } else { interface.snapped });
            let data = body.get(4..)?.get(..usize::try_from(length).ok()?)?;
            return Some(Some(Packet { at: None, link: interface.link, data }));
        }
        _ => {}
    }
    Some(None)
}

fn interface(body: &[u8], big: bool) -> Option<Interface> {
    let mut interface =
        Interface { link: short(body, 0, big)?, snapped: number(body, 4, big)?, resolution: 1_000_000 };
    let mut at = 8;
    while let (Some(code), Some(length)) = (short(body, at, big), short(body, at + 2, big)) {
        let value = body.get(at + 4..)?.get(..usize::from(length))?;
        match (code, value) {
            (END_OF_OPTIONS, _) => break,
            (RESOLUTION, [exponent, ..]) => interface.resolution = resolution(*exponent),
            _ => {}
        }
        at += 4 + usize::from(length).next_multiple_of(4);
    }
    Some(interface)
}

/// Returns the time units per second: a power of ten, or a power of two if the highest bit is set.
fn resolution(exponent: u8) -> u64 {
    let power = u32::from(exponent & 0x7f);
    let units = if exponent & 0x80 == 0 { 10_u64.checked_pow(power) } else { 2_u64.checked_pow(power) };
    units.unwrap_or(u64::MAX)
}

/// Reads an enhanced or obsolete packet block. Both have the same fields after the interface.
fn enhanced<'a>(body: &'a [u8], big: bool, interfaces: &[Interface], from: u32) -> Option<Packet<'a>> {
    let interface = interfaces.get(usize::try_from(from).ok()?)?;
    let units = (u64::from(number(body, 4, big)?) << 32) | u64::from(number(body, 8, big)?);
    let length = usize::try_from(number(body, 12, big)?).ok()?;
    let data = body.get(20..)?.get(..length)?;
    let seconds = units / interface.resolution;
    let fraction =
        u128::from(units % interface.resolution) * 1_000_000_000 / u128::from(interface.resolution);
    let at = Duration::new(seconds, u32::try_from(fraction).unwrap_or(0));
    Some(Packet { at: Some(at), link: interface.link, data })
}

fn number(octets: &[u8], at: usize, big: bool) -> Option<u32> {
    let four = octets.get(at..)?.first_chunk()?;
    Some(if big { u32::from_be_bytes(*four) } else { u32::from_le_bytes(*four) })
}

fn short(octets: &[u8], at: usize, big: bool) -> Option<u16> {
    let two = octets.get(at..)?.first_chunk()?;
    Some(if big { u16::from_be_bytes(*two) } else { u16::from_le_bytes(*two) })
}

/// The magic octets of each variant of pcap, whether the file is big endian, and whether its times are in nanoseconds.
const CLASSIC: [([u8; 4], bool, bool); 4] = [
    ([0xa1, 0xb2, 0xc3, 0xd4], true, false),
    ([0xd4, 0xc3, 0xb2, 0xa1], false, false),
    ([0xa1, 0xb2, 0x3c, 0x4d], true, true),
    ([0x4d, 0x3c, 0xb2, 0xa1], false, true),
];
const CLASSIC_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const SECTION: u32 = 0x0a0d_0d0a;
const ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const OBSOLETE: u32 = 2;
const SIMPLE: u32 = 3;
const ENHANCED: u32 = 6;
const END_OF_OPTIONS: u16 = 0;
const RESOLUTION: u16 = 9;
const MAX_INTERFACES: usize = 1024;
