//! Who is let in: how many connections peers may hold, in all, from each address, and where no trunk claims them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, Ipv6Addr};

use crate::streams::ended::Unaccepted;
use crate::streams::limits::StreamLimits;

/// The connections that peers have opened, as they are counted.
#[derive(Debug, Default)]
pub(super) struct Admission {
    accepted: usize,
    strangers: usize,
    handshakes: usize,
    stranger_handshakes: usize,
    /// How many each peer address holds, as [`household`] has it.
    peers: BTreeMap<IpAddr, usize>,
}

/// A connection that a peer has opened, and what it is counted as until it [leaves](Admission::leave).
#[derive(Debug)]
pub(super) struct Guest {
    household: IpAddr,
    is_stranger: bool,
    /// Whether its TLS handshake is under way, and begun as a stranger's.
    handshake: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    by_stranger: bool,
}

impl Admission {
    /// Connections that peers hold.
    pub(super) fn accepted(&self) -> usize {
        self.accepted
    }

    /// Lets in a connection from `remote`, which begins with a TLS handshake or not, unless a limit stands against it. A
    /// stranger is who comes from an address that no trunk claims.
    pub(super) fn admit(
        &mut self,
        limits: &StreamLimits,
        remote: IpAddr,
        is_stranger: bool,
        shakes_hands: bool,
    ) -> Result<Guest, Unaccepted> {
        let household = household(remote);
        let held = self.peers.get(&household).copied().unwrap_or_default();
        let may = StreamLimits::for_strangers;
        if self.accepted >= limits.accepted {
            return Err(Unaccepted::Cap);
        }
        if held >= limits.per_peer {
            return Err(Unaccepted::PeerCap);
        }
        if is_stranger && self.strangers >= may(limits.accepted) {
            return Err(Unaccepted::StrangerCap);
        }
        if shakes_hands && self.handshakes >= limits.handshakes {
            return Err(Unaccepted::HandshakeCap);
        }
        if shakes_hands && is_stranger && self.stranger_handshakes >= may(limits.handshakes) {
            return Err(Unaccepted::StrangerHandshakeCap);
        }
        self.accepted += 1;
        self.strangers += usize::from(is_stranger);
        self.handshakes += usize::from(shakes_hands);
        self.stranger_handshakes += usize::from(shakes_hands && is_stranger);
        *self.peers.entry(household).or_default() += 1;
        let handshake = shakes_hands.then_some(Begun { by_stranger: is_stranger });
        Ok(Guest { household, is_stranger, handshake })
    }

    /// The handshake of a connection is over. It is a stranger's no more if it proved a name that a trunk claims.
    pub(super) fn shook_hands(&mut self, guest: &mut Guest, is_known: bool) {
        if let Some(Begun { by_stranger }) = guest.handshake.take() {
            self.handshakes -= 1;
            self.stranger_handshakes -= usize::from(by_stranger);
        }
        if guest.is_stranger && is_known {
            guest.is_stranger = false;
            self.strangers -= 1;
        }
    }

    /// A connection is over.
    pub(super) fn leave(&mut self, mut guest: Guest) {
        self.shook_hands(&mut guest, true);
        self.accepted -= 1;
        if let Entry::Occupied(mut count) = self.peers.entry(guest.household) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// The address by which the connections of a peer are counted: of IPv6 the first 64 bits, since whoever has one address of
/// such a network has them all (RFC 4291 section 2.5.4).
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: bool = false;
    const STRANGER: bool = true;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let peer = |address: &str| household(address.parse().unwrap());
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    }

    #[test]
    fn strangers_take_half_and_a_name_that_is_proved_makes_room() {
        let (limits, mut hall) = (StreamLimits::default().accepted(4), Admission::default());
        let mut first = hall.admit(&limits, address(1), STRANGER, true).unwrap();
        let second = hall.admit(&limits, address(2), STRANGER, false).unwrap();
        let refused = |hall: &mut Admission| hall.admit(&limits, address(3), STRANGER, false).err();
        assert_eq!(refused(&mut hall), Some(Unaccepted::StrangerCap));
        hall.shook_hands(&mut first, true);
        let third = hall.admit(&limits, address(3), STRANGER, false).unwrap();
        assert_eq!(refused(&mut hall), Some(Unaccepted::StrangerCap));
        let trunk = hall.admit(&limits, address(4), KNOWN, true).unwrap();
        assert_eq!(hall.admit(&limits, address(5), KNOWN, true).err(), Some(Unaccepted::Cap));
        for guest in [first, second, third, trunk] {
            hall.leave(guest);
        }
        let Admission { accepted, strangers, handshakes, stranger_handshakes, peers } = hall;
        assert_eq!((accepted, strangers, handshakes, stranger_handshakes, peers.len()), (0, 0, 0, 0, 0));
    }

    #[test]
    fn strangers_have_half_of_the_handshakes_under_way() {
        let (limits, mut hall) = (StreamLimits::default().handshakes(4), Admission::default());
        let mut begin = |last, is_stranger| hall.admit(&limits, address(last), is_stranger, true);
        let mut guests = [1, 2].map(|last| begin(last, STRANGER).unwrap());
        assert_eq!(begin(3, STRANGER).err(), Some(Unaccepted::StrangerHandshakeCap));
        let trunks = [4, 5].map(|last| begin(last, KNOWN).unwrap());
        assert_eq!(begin(6, KNOWN).err(), Some(Unaccepted::HandshakeCap));
        // One that ends makes room, whatever it proved, and so does one that is broken off.
        hall.shook_hands(&mut guests[0], false);
        trunks.into_iter().for_each(|guest| hall.leave(guest));
        assert!(hall.admit(&limits, address(3), STRANGER, true).is_ok());
        assert!(hall.admit(&limits, address(4), STRANGER, false).is_ok(), "without a handshake");
    }
}
