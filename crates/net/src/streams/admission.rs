//! The limits on connections that peers have opened: in total, for each address, and for unknown sources, which no trunk
//! claims.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, Ipv6Addr};

use crate::streams::ended::Unaccepted;
use crate::streams::limits::StreamLimits;

/// Counts the connections that peers have opened.
#[derive(Debug, Default)]
pub(super) struct Admission {
    accepted: usize,
    unknown: usize,
    handshakes: usize,
    unknown_handshakes: usize,
    /// The number of connections of each peer, by [`peer_prefix`].
    peers: BTreeMap<IpAddr, usize>,
}

/// A connection that a peer has opened. It is counted until [`Admission::release`].
#[derive(Debug)]
pub(super) struct Admitted {
    peer_prefix: IpAddr,
    is_unknown: bool,
    /// Set while the TLS handshake is in progress.
    handshake: Option<Handshake>,
}

#[derive(Debug)]
struct Handshake {
    /// True if the handshake began while the peer was an unknown source.
    by_unknown: bool,
}

impl Admission {
    /// Returns the number of connections that peers have opened.
    pub(super) fn accepted(&self) -> usize {
        self.accepted
    }

    /// Admits a connection from `remote`, unless it exceeds a limit. `is_unknown` is true if no trunk claims the source
    /// address. `has_handshake` is true if the connection begins with a TLS handshake.
    pub(super) fn admit(
        &mut self,
        limits: &StreamLimits,
        remote: IpAddr,
        is_unknown: bool,
        has_handshake: bool,
    ) -> Result<Admitted, Unaccepted> {
        let peer_prefix = peer_prefix(remote);
        let held = self.peers.get(&peer_prefix).copied().unwrap_or_default();
        let may = StreamLimits::for_unknown_sources;
        if self.accepted >= limits.accepted {
            return Err(Unaccepted::Cap);
        }
        if held >= limits.per_peer {
            return Err(Unaccepted::PeerCap);
        }
        if is_unknown && self.unknown >= may(limits.accepted) {
            return Err(Unaccepted::UnknownSourceCap);
        }
        if has_handshake && self.handshakes >= limits.handshakes {
            return Err(Unaccepted::HandshakeCap);
        }
        if has_handshake && is_unknown && self.unknown_handshakes >= may(limits.handshakes) {
            return Err(Unaccepted::UnknownSourceHandshakeCap);
        }
        self.accepted += 1;
        self.unknown += usize::from(is_unknown);
        self.handshakes += usize::from(has_handshake);
        self.unknown_handshakes += usize::from(has_handshake && is_unknown);
        *self.peers.entry(peer_prefix).or_default() += 1;
        let handshake = has_handshake.then_some(Handshake { by_unknown: is_unknown });
        Ok(Admitted { peer_prefix, is_unknown, handshake })
    }

    /// Ends the handshake of a connection. If the peer has proved a name that a trunk claims, the peer no longer counts as an
    /// unknown source.
    pub(super) fn end_handshake(&mut self, admitted: &mut Admitted, is_known: bool) {
        if let Some(Handshake { by_unknown }) = admitted.handshake.take() {
            self.handshakes -= 1;
            self.unknown_handshakes -= usize::from(by_unknown);
        }
        if admitted.is_unknown && is_known {
            admitted.is_unknown = false;
            self.unknown -= 1;
        }
    }

    /// Removes a connection from the counts.
    pub(super) fn release(&mut self, mut admitted: Admitted) {
        self.end_handshake(&mut admitted, true);
        self.accepted -= 1;
        if let Entry::Occupied(mut count) = self.peers.entry(admitted.peer_prefix) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Returns the address that identifies a peer in the counts. For IPv6, these are the first 64 bits, because a host in such a
/// network can use all of its addresses (RFC 4291 section 2.5.4).
fn peer_prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: bool = false;
    const UNKNOWN: bool = true;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let peer = |address: &str| peer_prefix(address.parse().unwrap());
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    }

    #[test]
    fn unknown_sources_get_half_until_they_prove_a_name() {
        let (limits, mut admission) = (StreamLimits::default().accepted(4), Admission::default());
        let mut first = admission.admit(&limits, address(1), UNKNOWN, true).unwrap();
        let second = admission.admit(&limits, address(2), UNKNOWN, false).unwrap();
        let refused = |admission: &mut Admission| admission.admit(&limits, address(3), UNKNOWN, false).err();
        assert_eq!(refused(&mut admission), Some(Unaccepted::UnknownSourceCap));
        admission.end_handshake(&mut first, true);
        let third = admission.admit(&limits, address(3), UNKNOWN, false).unwrap();
        assert_eq!(refused(&mut admission), Some(Unaccepted::UnknownSourceCap));
        let trunk = admission.admit(&limits, address(4), KNOWN, true).unwrap();
        assert_eq!(admission.admit(&limits, address(5), KNOWN, true).err(), Some(Unaccepted::Cap));
        for admitted in [first, second, third, trunk] {
            admission.release(admitted);
        }
        let Admission { accepted, unknown, handshakes, unknown_handshakes, peers } = admission;
        assert_eq!((accepted, unknown, handshakes, unknown_handshakes, peers.len()), (0, 0, 0, 0, 0));
    }

    #[test]
    fn unknown_sources_get_half_of_the_handshakes() {
        let (limits, mut admission) = (StreamLimits::default().handshakes(4), Admission::default());
        let mut begin = |last, is_unknown| admission.admit(&limits, address(last), is_unknown, true);
        let mut admitted = [1, 2].map(|last| begin(last, UNKNOWN).unwrap());
        assert_eq!(begin(3, UNKNOWN).err(), Some(Unaccepted::UnknownSourceHandshakeCap));
        let trunks = [4, 5].map(|last| begin(last, KNOWN).unwrap());
        assert_eq!(begin(6, KNOWN).err(), Some(Unaccepted::HandshakeCap));
        // The end of a handshake makes room, even if the handshake is aborted.
        admission.end_handshake(&mut admitted[0], false);
        trunks.into_iter().for_each(|admitted| admission.release(admitted));
        assert!(admission.admit(&limits, address(3), UNKNOWN, true).is_ok());
        assert!(admission.admit(&limits, address(4), UNKNOWN, false).is_ok(), "without a handshake");
    }
}
