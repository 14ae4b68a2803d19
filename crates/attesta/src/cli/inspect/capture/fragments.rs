//! Reassembles fragmented datagrams (RFC 791 section 3.2, RFC 8200 section 4.5). A signed INVITE is often longer than
//! an Ethernet frame.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::packet::{Datagram, Fragment};

/// The fragments received so far. If the buffer is full, the oldest incomplete datagram is dropped.
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
    /// Adds a fragment. Returns the payload if the datagram is now complete.
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

/// Joins the fragments. If fragments overlap, the octets of the fragment with the lower offset are kept.
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
/// Enough for 65,535 octets in fragments of the smallest IPv6 MTU, with a margin.
const MAX_PARTS: usize = 64;
const MAX_LENGTH: usize = 65_535;
