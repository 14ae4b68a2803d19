//! The addresses that a fetch may connect to: public unicast addresses, and addresses that the operator lists.
//!
//! An unknown caller can choose the `x5u`. Without this check, a call could make the edge send requests into its own network.
//! The address is therefore checked after the name is resolved, and the connection uses exactly this address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The special use of an address that is not a public unicast address (RFC 6890 and its IANA registries).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialUse {
    /// "This host on this network", RFC 1122. For IPv6: the unspecified address.
    Unspecified,
    /// RFC 1122, RFC 4291.
    Loopback,
    /// RFC 1918. For IPv6: unique local addresses (RFC 4193).
    Private,
    /// Shared between a carrier and its subscribers, RFC 6598.
    CarrierShared,
    /// RFC 3927, RFC 4291. Cloud platforms serve their instance metadata here.
    LinkLocal,
    /// RFC 5771, RFC 4291.
    Multicast,
    /// RFC 5737, RFC 3849, RFC 9637.
    Documentation,
    /// RFC 2544, RFC 5180.
    Benchmarking,
    /// For the transition to IPv6: Teredo, 6to4 and its relays, local NAT64 prefixes.
    Transition,
    /// Not assigned to public unicast use.
    Reserved,
}

/// An address that a fetch may not connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedAddress {
    /// The address that the name resolved to.
    pub address: IpAddr,
    /// The reason for the refusal.
    pub special_use: SpecialUse,
}

/// Checks addresses. Public unicast addresses pass. Other addresses pass only if `allowed` lists them.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddressPolicy {
    allowed: Vec<IpNet>,
}

impl AddressPolicy {
    pub(crate) fn new(allowed: Vec<IpNet>) -> AddressPolicy {
        AddressPolicy { allowed }
    }

    /// Returns the address to connect to: `address`, or the IPv4 address that is mapped into it.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<IpAddr, RefusedAddress> {
        let address = address.to_canonical();
        match special_use(address) {
            Some(special_use) if !self.allowed.iter().any(|net| net.contains(&address)) => {
                Err(RefusedAddress { address, special_use })
            }
            Some(_) | None => Ok(address),
        }
    }
}

fn special_use(address: IpAddr) -> Option<SpecialUse> {
    match address {
        IpAddr::V4(address) => special_use_v4(address),
        IpAddr::V6(address) => special_use_v6(address),
    }
}

fn special_use_v4(address: Ipv4Addr) -> Option<SpecialUse> {
    IPV4.iter().find(|(net, _)| net.contains(&address)).map(|(_, special_use)| *special_use)
}

fn special_use_v6(address: Ipv6Addr) -> Option<SpecialUse> {
    if NAT64.contains(&address) {
        // RFC 6052: the translator connects to the IPv4 address in the last 32 bits.
        let [.., a, b, c, d] = address.octets();
        return special_use_v4(Ipv4Addr::new(a, b, c, d));
    }
    match IPV6.iter().find(|(net, _)| net.contains(&address)) {
        Some((_, special_use)) => Some(*special_use),
        None if PUBLIC_IPV6.contains(&address) => None,
        None => Some(SpecialUse::Reserved),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: u16, second: u16, third: u16, last: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, last), prefix)
}

/// All public unicast addresses that are assigned today (RFC 4291 section 2.4 and the IANA registry).
const PUBLIC_IPV6: Ipv6Net = v6(0x2000, 0, 0, 0, 3);

/// The well-known prefix of RFC 6052 section 2.1.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 0, 96);

/// IANA IPv4 special-purpose address registry, and the multicast addresses of RFC 5771.
const IPV4: [(Ipv4Net, SpecialUse); 15] = [
    (v4(0, 0, 0, 0, 8), SpecialUse::Unspecified),
    (v4(10, 0, 0, 0, 8), SpecialUse::Private),
    (v4(100, 64, 0, 0, 10), SpecialUse::CarrierShared),
    (v4(127, 0, 0, 0, 8), SpecialUse::Loopback),
    (v4(169, 254, 0, 0, 16), SpecialUse::LinkLocal),
    (v4(172, 16, 0, 0, 12), SpecialUse::Private),
    (v4(192, 0, 0, 0, 24), SpecialUse::Reserved),
    (v4(192, 0, 2, 0, 24), SpecialUse::Documentation),
    (v4(192, 88, 99, 0, 24), SpecialUse::Transition),
    (v4(192, 168, 0, 0, 16), SpecialUse::Private),
    (v4(198, 18, 0, 0, 15), SpecialUse::Benchmarking),
    (v4(198, 51, 100, 0, 24), SpecialUse::Documentation),
    (v4(203, 0, 113, 0, 24), SpecialUse::Documentation),
    (v4(224, 0, 0, 0, 4), SpecialUse::Multicast),
    (v4(240, 0, 0, 0, 4), SpecialUse::Reserved),
];

/// IANA IPv6 special-purpose address registry. An address outside this list and outside [`PUBLIC_IPV6`] is reserved.
const IPV6: [(Ipv6Net, SpecialUse); 12] = [
    (v6(0, 0, 0, 0, 128), SpecialUse::Unspecified),
    (v6(0, 0, 0, 1, 128), SpecialUse::Loopback),
    (v6(0x64, 0xff9b, 1, 0, 48), SpecialUse::Transition),
    (v6(0x2001, 0, 0, 0, 32), SpecialUse::Transition),
    (v6(0x2001, 2, 0, 0, 48), SpecialUse::Benchmarking),
    (v6(0x2001, 0, 0, 0, 23), SpecialUse::Reserved),
    (v6(0x2001, 0xdb8, 0, 0, 32), SpecialUse::Documentation),
    (v6(0x2002, 0, 0, 0, 16), SpecialUse::Transition),
    (v6(0x3fff, 0, 0, 0, 20), SpecialUse::Documentation),
    (v6(0xfc00, 0, 0, 0, 7), SpecialUse::Private),
    (v6(0xfe80, 0, 0, 0, 10), SpecialUse::LinkLocal),
    (v6(0xff00, 0, 0, 0, 8), SpecialUse::Multicast),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(address: &str) -> Option<SpecialUse> {
        AddressPolicy::default().admit(address.parse().unwrap()).err().map(|refused| refused.special_use)
    }

    #[test]
    fn public_addresses_pass() {
        for address in
            ["8.8.8.8", "172.15.255.255", "172.32.0.0", "100.128.0.1", "2606:4700::1111", "2a00::1"]
        {
            assert_eq!(judged(address), None, "{address}");
        }
    }

    #[test]
    fn each_special_use_is_refused() {
        for (address, special_use) in [
            ("0.0.0.0", SpecialUse::Unspecified),
            ("0.1.2.3", SpecialUse::Unspecified),
            ("10.255.0.1", SpecialUse::Private),
            ("172.16.0.1", SpecialUse::Private),
            ("172.31.255.255", SpecialUse::Private),
            ("192.168.1.1", SpecialUse::Private),
            ("100.64.0.1", SpecialUse::CarrierShared),
            ("127.0.0.1", SpecialUse::Loopback),
            ("127.255.255.254", SpecialUse::Loopback),
            ("169.254.169.254", SpecialUse::LinkLocal),
            ("192.0.0.8", SpecialUse::Reserved),
            ("198.19.0.1", SpecialUse::Benchmarking),
            ("203.0.113.9", SpecialUse::Documentation),
            ("224.0.0.1", SpecialUse::Multicast),
            ("239.255.255.250", SpecialUse::Multicast),
            ("255.255.255.255", SpecialUse::Reserved),
            ("::", SpecialUse::Unspecified),
            ("::1", SpecialUse::Loopback),
            ("::7f00:1", SpecialUse::Reserved),
            ("fd12::1", SpecialUse::Private),
            ("fe80::1", SpecialUse::LinkLocal),
            ("fec0::1", SpecialUse::Reserved),
            ("ff02::1", SpecialUse::Multicast),
            ("2001:db8::1", SpecialUse::Documentation),
            ("2001::1", SpecialUse::Transition),
            ("2002:7f00:1::", SpecialUse::Transition),
            ("64:ff9b:1::1", SpecialUse::Transition),
            ("4000::1", SpecialUse::Reserved),
        ] {
            assert_eq!(judged(address), Some(special_use), "{address}");
        }
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_address_is_checked() {
        assert_eq!(judged("::ffff:127.0.0.1"), Some(SpecialUse::Loopback));
        assert_eq!(judged("::ffff:10.0.0.1"), Some(SpecialUse::Private));
        assert_eq!(judged("::ffff:8.8.8.8"), None);
        assert_eq!(judged("64:ff9b::a00:1"), Some(SpecialUse::Private));
        assert_eq!(judged("64:ff9b::808:808"), None);
    }

    #[test]
    fn a_listed_network_passes_and_only_that() {
        let policy = AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        assert!(policy.admit("127.0.0.1".parse().unwrap()).is_ok());
        assert!(policy.admit("fd00::5".parse().unwrap()).is_ok());
        assert!(policy.admit("10.0.0.1".parse().unwrap()).is_err());
        assert!(policy.admit("::1".parse().unwrap()).is_err());
        let mapped = policy.admit("::ffff:127.0.0.1".parse().unwrap());
        assert_eq!(
            mapped,
            Ok("127.0.0.1".parse().unwrap()),
            "the connection goes to the address that was checked"
        );
    }
}
