//! Datagrams that came in parts (RFC 791 section 3.2, RFC 8200 section 4.5): a signed INVITE is often longer than a frame.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::packet::{Datagram, Fragment};

/// The parts that have come so far. The oldest datagram that is not whole makes room.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    pending: BTreeMap<Key, Vec<Part>>,
    order: VecDeque<Key>,
}

type Key = (IpAddr, IpAddr, u8, u32);

#[derive(Debug)]
struct Part {
    offset: usize,
    more: bool,
    octets: Vec<u8>,
}

impl Fragments {
    /// Takes a part in; the whole payload, once nothing is missing.
    pub(super) fn add(&mut self, datagram: &Datagram<'_>, fragment: &Fragment) -> Option<Vec<u8>> {
        let key = (datagram.source, datagram.destination, datagram.protocol, fragment.identification);
        if !self.pending.contains_key(&key) {
            if self.pending.len() >= MAX_DATAGRAMS
                && let Some(oldest) = self.order.pop_front()
            {
                self.pending.remove(&oldest);
            }
            self.order.push_back(key);
        }
        let parts = self.pending.entry(key).or_default();
        if parts.len() >= MAX_PARTS {
            return None;
        }
        let octets = datagram.payload.to_vec();
        parts.push(Part { offset: fragment.offset, more: fragment.more, octets });
        let whole = assembled(parts)?;
        self.pending.remove(&key);
        self.order.retain(|other| *other != key);
        Some(whole)
    }
}

/// Each octet as the first part that has it says.
fn assembled(parts: &mut [Part]) -> Option<Vec<u8>> {
    parts.sort_by_key(|part| part.offset);
    let mut whole = Vec::new();
    for part in parts {
        let known = whole.len().checked_sub(part.offset)?;
        whole.extend_from_slice(part.octets.get(known..).unwrap_or_default());
        if whole.len() > MAX_LENGTH {
            return None;
        }
        if !part.more {
            return Some(whole);
        }
    }
    None
}

const MAX_DATAGRAMS: usize = 256;
/// What 65,535 octets make in parts of the least length that IPv6 allows, and some more.
const MAX_PARTS: usize = 64;
const MAX_LENGTH: usize = 65_535;
