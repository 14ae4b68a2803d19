//! Decodes every SIP message over UDP or TCP in a packet capture, pcap or pcapng.
//!
//! The file is not trusted. Lengths are checked against the available octets. Buffers for fragments and for TCP
//! segments out of order have fixed limits.

pub(super) mod file;
mod fragments;
mod packet;
mod stream;

use std::borrow::Cow;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use attesta_sip::{Limits, Message};
use bytes::Bytes;
use etherparse::{TcpSlice, UdpSlice};
use serde_json::{Map, Value, json};

use self::file::{Packet, Packets};
use self::fragments::Fragments;
use self::packet::Datagram;
use self::stream::{Found, Streams};
use super::finding::Findings;
use super::message;
use super::printer::{Printer, typed};
use crate::fault::Failure;
use crate::time;

/// Prints every message, then the counters of the capture. Returns true if there was a message.
pub(super) fn show<W: Write>(octets: &[u8], printer: &mut Printer<'_, W>) -> Result<bool, Failure> {
    let mut packets = Packets::new(octets);
    let mut reader = CaptureReader {
        printer: &mut *printer,
        fragments: Fragments::default(),
        streams: Streams::default(),
        counters: CaptureCounters::default(),
    };
    let mut broken = None;
    while let Some(packet) = packets.next() {
        match packet {
            Ok(packet) => reader.packet(&packet)?,
            Err(text) => {
                broken = Some(text);
                break;
            }
        }
    }
    let CaptureReader { counters, .. } = reader;
    printer.show(&counters.value(packets.format(), broken))?;
    Ok(counters.messages > 0)
}

struct CaptureReader<'a, 'p, W> {
    printer: &'a mut Printer<'p, W>,
    fragments: Fragments,
    streams: Streams,
    counters: CaptureCounters,
}

/// The counters of a capture.
#[derive(Debug, Default)]
struct CaptureCounters {
    packets: u64,
    messages: u64,
    /// Packets that are neither IPv4 nor IPv6, or have a broken IP header.
    not_ip: u64,
    /// Fragments that did not complete their datagram. A later fragment completes most of these datagrams.
    fragments: u64,
    /// Packets of protocols other than UDP and TCP.
    other: u64,
    not_sip: u64,
}

impl<W: Write> CaptureReader<'_, '_, W> {
    fn packet(&mut self, packet: &Packet<'_>) -> Result<(), Failure> {
        self.counters.packets += 1;
        let Some(datagram) = packet::read(packet.link, packet.data) else {
            self.counters.not_ip += 1;
            return Ok(());
        };
        let payload = match &datagram.fragment {
            None => Cow::Borrowed(datagram.payload),
            Some(fragment) => match self.fragments.add(&datagram, fragment) {
                Some(whole) => Cow::Owned(whole),
                None => {
                    self.counters.fragments += 1;
                    return Ok(());
                }
            },
        };
        match datagram.protocol {
            UDP => self.udp(packet, &datagram, &payload),
            TCP => self.tcp(packet, &datagram, &payload),
            _ => {
                self.counters.other += 1;
                Ok(())
            }
        }
    }

    fn udp(&mut self, packet: &Packet<'_>, datagram: &Datagram<'_>, payload: &[u8]) -> Result<(), Failure> {
        let Ok(udp) = UdpSlice::from_slice_lax(payload) else {
            self.counters.other += 1;
            return Ok(());
        };
        let route = Route {
            transport: "udp",
            source: SocketAddr::new(datagram.source, udp.source_port()),
            destination: SocketAddr::new(datagram.destination, udp.destination_port()),
        };
        let content = udp.payload();
        if !message::looks_like_sip(content) {
            self.counters.not_sip += 1;
            return Ok(());
        }
        match Message::parse(Bytes::copy_from_slice(content), &Limits::default()) {
            Ok(found) => self.message(packet, &route, &message::value(&found, packet.unix())),
            Err(error) => self.message(packet, &route, &message::unreadable(content, error)),
        }
    }

    fn tcp(&mut self, packet: &Packet<'_>, datagram: &Datagram<'_>, payload: &[u8]) -> Result<(), Failure> {
        let Ok(tcp) = TcpSlice::from_slice(payload) else {
            self.counters.other += 1;
            return Ok(());
        };
        let route = Route {
            transport: "tcp",
            source: SocketAddr::new(datagram.source, tcp.source_port()),
            destination: SocketAddr::new(datagram.destination, tcp.destination_port()),
        };
        let found = self.streams.segment((route.source, route.destination), &tcp);
        if found.is_empty()
            && !tcp.payload().is_empty()
            && !self.streams.is_sip((route.source, route.destination))
        {
            self.counters.not_sip += 1;
        }
        for found in found {
            let value = match found {
                Found::Message(found) => message::value(&found, packet.unix()),
                Found::Broken(error) => message::unreadable(error.octets(), error.error()),
            };
            self.message(packet, &route, &value)?;
        }
        Ok(())
    }

    /// Prints a message, beginning with its time and addresses.
    fn message(&mut self, packet: &Packet<'_>, route: &Route, value: &Value) -> Result<(), Failure> {
        self.counters.messages += 1;
        let mut object = Map::new();
        object.insert("packet".into(), json!(self.counters.packets));
        if let Some(at) = packet.at {
            object.insert("time".into(), json!(time::display_exact(at)));
        }
        object.insert("transport".into(), json!(route.transport));
        object.insert("source".into(), json!(route.source.to_string()));
        object.insert("destination".into(), json!(route.destination.to_string()));
        let members = value.as_object().into_iter().flatten().filter(|(key, _)| *key != "type");
        object.extend(members.map(|(key, value)| (key.clone(), value.clone())));
        self.printer.show(&typed("message", object))
    }
}

struct Route {
    transport: &'static str,
    source: SocketAddr,
    destination: SocketAddr,
}

impl Packet<'_> {
    fn unix(&self) -> Option<attesta_stir::UnixTime> {
        self.at.map(|at: Duration| time::unix(at.as_secs()))
    }
}

impl CaptureCounters {
    fn value(&self, format: &str, broken: Option<String>) -> Value {
        let mut object = Map::new();
        object.insert("format".into(), json!(format));
        object.insert("packets".into(), json!(self.packets));
        object.insert("messages".into(), json!(self.messages));
        let passed_over = [
            ("not_ip", self.not_ip),
            ("fragments", self.fragments),
            ("not_udp_or_tcp", self.other),
            ("not_sip", self.not_sip),
        ];
        let passed_over: Map<String, Value> = passed_over
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name.to_owned(), json!(count)))
            .collect();
        if !passed_over.is_empty() {
            object.insert("passed_over".into(), passed_over.into());
        }
        let mut findings = Findings::default();
        if let Some(text) = broken {
            findings.error("capture-broken", text);
        }
        findings.put(&mut object);
        typed("capture", object)
    }
}

const UDP: u8 = 17;
const TCP: u8 = 6;
