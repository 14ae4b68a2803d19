//! Finds the datagram in a packet: Ethernet, Linux cooked capture, loopback or plain IP, with IP-in-IP tunnels.

use std::net::IpAddr;

use etherparse::{EtherType, Ipv6ExtensionSlice, LaxNetSlice, LaxSlicedPacket};

/// The content of an IP packet.
#[derive(Debug)]
pub(super) struct Datagram<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// The IP protocol number.
    pub(super) protocol: u8,
    pub(super) payload: &'a [u8],
    /// Set if the payload is a fragment.
    pub(super) fragment: Option<Fragment>,
}

/// The position of a fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment {
    pub(super) identification: u32,
    /// In octets.
    pub(super) offset: usize,
    pub(super) more: bool,
}

/// Returns the datagram in a packet. `link` is the LINKTYPE_ of the capture. Returns `None` if the packet is malformed
/// or contains no IP datagram.
pub(super) fn read(link: u16, data: &[u8]) -> Option<Datagram<'_>> {
    let packet = match link {
        ETHERNET => LaxSlicedPacket::from_ethernet(data).ok()?,
        NULL | LOOP => LaxSlicedPacket::from_ip(data.get(4..)?).ok()?,
        RAW | IPV4 | IPV6 => LaxSlicedPacket::from_ip(data).ok()?,
        LINUX_SLL => cooked(data, 14, 16)?,
        LINUX_SLL2 => cooked(data, 0, 20)?,
        _ => return None,
    };
    datagram(packet.net?, MAX_TUNNELS)
}

/// Reads a cooked packet, with the offsets of the protocol field and of the payload.
fn cooked(data: &[u8], protocol: usize, begin: usize) -> Option<LaxSlicedPacket<'_>> {
    let protocol = u16::from_be_bytes(*data.get(protocol..)?.first_chunk()?);
    Some(LaxSlicedPacket::from_ether_type(EtherType(protocol), data.get(begin..)?))
}

fn datagram(net: LaxNetSlice<'_>, tunnels: usize) -> Option<Datagram<'_>> {
    let found = match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let fragment = Fragment {
                identification: header.identification().into(),
                offset: header.fragments_offset().byte_offset().into(),
                more: header.more_fragments(),
            };
            Datagram {
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                protocol: ip.payload().ip_number.0,
                payload: ip.payload().payload,
                fragment: ip.payload().fragmented.then_some(fragment),
            }
        }
        LaxNetSlice::Ipv6(ip) => {
            let mut fragment = None;
            for extension in ip.extensions().clone() {
                if let Ipv6ExtensionSlice::Fragment(header) = extension {
                    fragment = header.is_fragmenting_payload().then(|| Fragment {
                        identification: header.identification(),
                        offset: header.fragment_offset().byte_offset().into(),
                        more: header.more_fragments(),
                    });
                }
            }
            Datagram {
                source: ip.header().source_addr().into(),
                destination: ip.header().destination_addr().into(),
                protocol: ip.payload().ip_number.0,
                payload: ip.payload().payload,
                fragment,
            }
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let tunnel = matches!(found.protocol, IPV4_IN_IP | IPV6_IN_IP) && found.fragment.is_none();
    match tunnels.checked_sub(1).filter(|_| tunnel) {
        Some(left) => datagram(LaxSlicedPacket::from_ip(found.payload).ok()?.net?, left),
        None => Some(found),
    }
}

const NULL: u16 = 0;
const ETHERNET: u16 = 1;
const RAW: u16 = 101;
const LOOP: u16 = 108;
const LINUX_SLL: u16 = 113;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const LINUX_SLL2: u16 = 276;
const IPV4_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;
const MAX_TUNNELS: usize = 4;
