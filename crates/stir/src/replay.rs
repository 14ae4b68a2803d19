//! Detection of replayed tokens (RFC 8224 section 12.1).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rustls_pki_types::UnixTime;

use crate::digest::sha256;

/// The set of recent tokens, with the call of each token. The size of the set is limited: a full set forgets its oldest token.
///
/// The set stores the digest of the header and payload, but not of the signature. From one valid ECDSA signature, anyone can
/// compute another valid signature.
#[derive(Debug)]
pub struct ReplaySet {
    window: Duration,
    capacity: usize,
    calls: BTreeMap<[u8; 32], [u8; 32]>,
    order: VecDeque<(UnixTime, [u8; 32])>,
}

/// The result of looking up a token in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// The token is new.
    First,
    /// The token was seen on the same call: a retransmission, a fork, or another attempt.
    Again,
    /// The token was seen on another call.
    Replayed,
}

impl ReplaySet {
    /// Creates a set that remembers each token for `window`, and at most `capacity` tokens. Set `window` to the time for which
    /// a token is fresh.
    pub fn new(window: Duration, capacity: usize) -> Self {
        Self { window, capacity: capacity.max(1), calls: BTreeMap::new(), order: VecDeque::new() }
    }

    /// Records `token` for the call with the Call-ID `call`. Returns whether the token was seen before.
    pub fn observe(&mut self, token: &[u8], call: &[u8], now: UnixTime) -> Sighting {
        self.forget(now);
        let signed = token.iter().rposition(|octet| *octet == b'.').and_then(|end| token.get(..end));
        let signed = signed.filter(|signed| *signed != COMPACT).unwrap_or(token);
        let (token, call) = (sha256(signed), sha256(call));
        match self.calls.get(&token) {
            Some(known) if *known == call => Sighting::Again,
            Some(_) => Sighting::Replayed,
            None => {
                self.calls.insert(token, call);
                self.order.push_back((now, token));
                Sighting::First
            }
        }
    }

    /// The number of remembered tokens.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    fn forget(&mut self, now: UnixTime) {
        let window = self.window.as_secs();
        let past = |noted: UnixTime| noted.as_secs().saturating_add(window) < now.as_secs();
        while let Some((noted, token)) = self.order.front()
            && (past(*noted) || self.order.len() >= self.capacity)
        {
            self.calls.remove(token);
            self.order.pop_front();
        }
    }
}

/// The text before the signature in compact form, without the period directly before it (RFC 8225 section 7).
const COMPACT: &[u8] = b".";

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn a_token_belongs_to_one_call() {
        let mut set = ReplaySet::new(Duration::from_secs(60), 8);
        assert_eq!(set.observe(b"a.b.c", b"call-1", at(100)), Sighting::First);
        assert_eq!(set.observe(b"a.b.c", b"call-1", at(101)), Sighting::Again);
        assert_eq!(set.observe(b"a.b.c", b"call-2", at(102)), Sighting::Replayed);
        assert_eq!(set.observe(b"a.b.other", b"call-2", at(102)), Sighting::Replayed, "another signature");
        assert_eq!(set.observe(b"a.d.c", b"call-2", at(102)), Sighting::First);
        assert_eq!(set.observe(b"..x", b"call-3", at(102)), Sighting::First, "compact");
        assert_eq!(set.observe(b"..y", b"call-4", at(102)), Sighting::First, "compact, of another call");
        assert_eq!(set.observe(b"..y", b"call-5", at(102)), Sighting::Replayed);
        assert_eq!(set.observe(b"a.b.c", b"call-2", at(161)), Sighting::First, "forgotten after its time");
    }

    #[test]
    fn the_oldest_token_is_forgotten_first() {
        let mut set = ReplaySet::new(Duration::from_secs(60), 3);
        for token in [b"a.a.x", b"b.b.x", b"c.c.x", b"d.d.x"] {
            assert_eq!(set.observe(token, b"call", at(100)), Sighting::First);
        }
        assert_eq!(set.len(), 3);
        assert_eq!(set.observe(b"d.d.x", b"other", at(100)), Sighting::Replayed);
        assert_eq!(set.observe(b"a.a.x", b"other", at(100)), Sighting::First);
        assert!(!set.is_empty());
    }
}
