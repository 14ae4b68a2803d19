//! Tests of `attesta inspect` with captures that are built here packet by packet.

use std::fs;

use etherparse::{IpFragOffset, Ipv4Header, PacketBuilder, ip_number};
use serde_json::Value;

use crate::support::{attesta_reading, shared};

const ETHERNET: u16 = 1;
const RAW: u16 = 101;
const A: [u8; 4] = [192, 0, 2, 1];
const B: [u8; 4] = [192, 0, 2, 2];

fn options(number: u32) -> Vec<u8> {
    format!(
        "OPTIONS sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@192.0.2.1>;tag=1\r\nTo: <sip:b@192.0.2.2>\r\nCall-ID: {number}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Returns an Ethernet frame with a UDP datagram.
fn udp(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4(A, B, 64).udp(5060, 5062);
    builder.write(&mut frame, payload).unwrap();
    frame
}

fn udp_v6(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv6([1; 16], [2; 16], 64).udp(5060, 5062);
    builder.write(&mut frame, payload).unwrap();
    frame
}

/// Returns an Ethernet frame with a TCP segment.
fn tcp(number: u32, syn: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4(A, B, 64).tcp(5060, 5062, number, 1024);
    let builder = if syn { builder.syn() } else { builder };
    builder.write(&mut frame, payload).unwrap();
    frame
}

/// Returns a pcap file in the given byte order.
fn pcap(link: u16, big: bool, packets: &[Vec<u8>]) -> Vec<u8> {
    let number = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut file = Vec::new();
    for value in [0xa1b2_c3d4, if big { 0x0002_0004 } else { 0x0004_0002 }, 0, 0, 65_535, u32::from(link)] {
        file.extend(number(value));
    }
    for packet in packets {
        let length = u32::try_from(packet.len()).unwrap();
        for value in [1_443_208_345, 500_000, length, length] {
            file.extend(number(value));
        }
        file.extend(packet);
    }
    file
}

/// Returns a pcapng file with times in nanoseconds.
fn pcapng(link: u16, packets: &[Vec<u8>]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let length = (body.len().next_multiple_of(4) + 12) as u32;
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        [&kind.to_le_bytes()[..], &length.to_le_bytes(), body, &padding, &length.to_le_bytes()].concat()
    };
    let mut file =
        block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    let resolution = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
    file.extend(block(1, &[&link.to_le_bytes()[..], &[0, 0], &[0; 4], &resolution].concat()));
    file.extend(block(5, &[0; 12]));
    for packet in packets {
        let time: u64 = 1_443_208_345_500_000_000;
        let length = u32::try_from(packet.len()).unwrap();
        let mut body = vec![0; 4];
        for value in [(time >> 32) as u32, time as u32, length, length] {
            body.extend(value.to_le_bytes());
        }
        body.extend(packet);
        file.extend(block(6, &body));
    }
    file
}

/// Returns the messages and the summary of the capture.
fn inspect(file: &[u8]) -> (Vec<Value>, Value) {
    let finished = attesta_reading(["inspect", "-"], file);
    let mut lines = finished.json_lines();
    let capture = lines.pop().unwrap();
    assert_eq!(capture["type"], "capture", "{finished:?}");
    assert_eq!(
        (&capture["messages"], finished.code),
        (&lines.len().into(), if lines.is_empty() { 3 } else { 0 })
    );
    (lines, capture)
}

#[test]
fn each_format_and_each_link() {
    let frames = [udp(&options(1)), udp_v6(&options(2))];
    let ip = |frame: &Vec<u8>| frame[14..].to_vec();
    let with = |head: &[u8]| frames.iter().map(|frame| [head, &ip(frame)].concat()).collect::<Vec<_>>();
    let cooked = |head: [u8; 16]| {
        frames.iter().map(|frame| [&head[..14], &frame[12..14], &ip(frame)].concat()).collect::<Vec<_>>()
    };
    let tagged: Vec<_> =
        frames.iter().map(|frame| [&frame[..12], &[0x81, 0, 0, 7], &frame[12..]].concat()).collect();
    let newer: Vec<_> = frames.iter().map(|frame| [&frame[12..14], &[0; 18], &ip(frame)].concat()).collect();
    for (file, format) in [
        (pcap(ETHERNET, false, &frames), "pcap"),
        (pcap(ETHERNET, true, &frames), "pcap"),
        (pcapng(ETHERNET, &frames), "pcapng"),
        (pcap(ETHERNET, false, &tagged), "pcap"),
        (pcap(RAW, false, &with(&[])), "pcap"),
        (pcapng(RAW, &with(&[])), "pcapng"),
        (pcap(0, false, &with(&[2, 0, 0, 0])), "pcap"),
        (pcap(108, false, &with(&[0, 0, 0, 2])), "pcap"),
        (pcap(113, false, &cooked([0; 16])), "pcap"),
        (pcap(276, false, &newer), "pcap"),
    ] {
        let (messages, capture) = inspect(&file);
        assert_eq!((messages.len(), &capture["format"]), (2, &format.into()), "{capture}");
        assert_eq!((&messages[0]["packet"], &messages[0]["transport"]), (&1.into(), &"udp".into()));
        assert_eq!(messages[0]["time"], "2015-09-25T19:12:25.5Z");
        assert_eq!(
            (&messages[0]["source"], &messages[0]["destination"]),
            (&"192.0.2.1:5060".into(), &"192.0.2.2:5062".into())
        );
        assert_eq!(messages[1]["source"], "[101:101:101:101:101:101:101:101]:5060");
        assert_eq!((&messages[1]["type"], &messages[1]["method"]), (&"message".into(), &"OPTIONS".into()));
    }
}

#[test]
fn messages_from_the_field_are_decoded() {
    let Some(folder) = shared("testdata/pcap_sip") else { return };
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "sip"));
    files.sort();
    assert!(files.len() >= 100, "{} files", files.len());
    let octets: Vec<_> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    let packets: Vec<_> = octets.iter().map(|octets| udp(octets)).collect();
    let (messages, capture) = inspect(&pcap(ETHERNET, false, &packets));
    let passed_over = capture["passed_over"]["not_sip"].as_u64().unwrap_or_default();
    assert_eq!(messages.len() + usize::try_from(passed_over).unwrap(), files.len());
    assert!(messages.len() >= files.len() * 8 / 10, "{capture}");
    for message in &messages {
        let readable = message["headers"].as_array().is_some_and(|headers| !headers.is_empty());
        assert!(readable || message["findings"].is_array(), "{message}");
    }
}

#[test]
fn tcp_segments_are_put_in_order() {
    let stream = [options(1), options(2), options(3)].concat();
    let piece = |from: usize, to: usize| tcp(1001 + from as u32, false, &stream[from..to]);
    let end = stream.len();
    let syn = tcp(1000, true, b"");
    for packets in [
        vec![syn.clone(), piece(0, 100), piece(100, end)],
        vec![syn.clone(), piece(0, 100), piece(300, end), piece(100, 300)],
        vec![syn.clone(), piece(0, 100), piece(0, 100), piece(50, 200), piece(200, end), piece(100, 300)],
        vec![piece(0, end - 1), piece(end - 1, end)],
    ] {
        let (messages, _) = inspect(&pcap(ETHERNET, false, &packets));
        let calls: Vec<_> =
            messages.iter().map(|message| message["headers"][4]["value"].as_str().unwrap()).collect();
        assert_eq!(calls, ["1", "2", "3"]);
        assert!(messages.iter().all(|message| message["transport"] == "tcp"));
    }
    let (messages, capture) =
        inspect(&pcap(ETHERNET, false, &[syn, tcp(1001, false, b"\x16\x03\x01 no SIP")]));
    assert!(messages.is_empty() && capture["passed_over"]["not_sip"] == 1, "{capture}");
}

#[test]
fn a_datagram_in_fragments_is_put_together() {
    let frame = udp(&options(1));
    let whole = &frame[34..];
    let fragment = |from: usize, to: usize| {
        let mut header = Ipv4Header::new((to - from) as u16, 64, ip_number::UDP, A, B).unwrap();
        header.identification = 7;
        header.fragment_offset = IpFragOffset::try_new((from / 8) as u16).unwrap();
        header.more_fragments = to < whole.len();
        let mut packet = Vec::new();
        header.write(&mut packet).unwrap();
        packet.extend(&whole[from..to]);
        packet
    };
    let parts = [fragment(0, 80), fragment(80, 160), fragment(160, whole.len())];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let (messages, _) = inspect(&pcap(RAW, false, &order.map(|at: usize| parts[at].clone())));
        assert_eq!((messages.len(), &messages[0]["packet"]), (1, &3.into()));
    }
    let (messages, capture) = inspect(&pcap(RAW, false, &parts[1..]));
    assert!(messages.is_empty() && capture["passed_over"]["fragments"] == 2, "{capture}");
}

#[test]
fn a_call_without_a_date_is_checked_at_its_capture_time() {
    let folder = crate::support::throw_away_pki(&[]);
    let key = folder.path().join("leaf.key.pem");
    let args = ["sign", "--key", crate::support::path(&key), "--x5u", "https://cr.example.net/leaf.pem"];
    let args = args.iter().chain(&["--orig", "+12155551212", "--dest", "+12155551213", "--at", "1443200000"]);
    let identity = crate::support::attesta(args).expect(0).stdout;
    let invite = format!(
        "INVITE sip:+12155551213@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:+12155551212@192.0.2.1>;tag=1\r\nTo: <sip:+12155551213@192.0.2.2>\r\nCall-ID: 1\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:192.0.2.1>\r\nIdentity: {}\r\nContent-Length: 0\r\n\r\n",
        identity.trim_end()
    );
    let (messages, _) = inspect(&pcap(ETHERNET, false, &[udp(invite.as_bytes())]));
    assert_eq!(messages[0]["identities"][0]["findings"][0]["finding"], "iat-stale", "{}", messages[0]);
}

#[test]
fn a_truncated_or_lying_capture_is_reported() {
    let good = pcap(ETHERNET, false, &[udp(&options(1)), udp(&options(2))]);
    let next = pcapng(ETHERNET, &[udp(&options(1)), udp(&options(2))]);
    for file in [&good, &next] {
        for length in (4..file.len()).step_by(29) {
            let (messages, capture) = inspect(&file[..length]);
            assert!(messages.len() <= 1, "{length}: {capture}");
        }
        for at in (4..file.len()).step_by(17) {
            let mut wrong = file.clone();
            wrong[at] = 0xff;
            inspect(&wrong);
        }
    }
    let (_, capture) = inspect(&good[..good.len() - 1]);
    assert_eq!(capture["findings"][0]["finding"], "capture-broken");
    let lying = [&good[..32], &[0xff; 4], &good[36..]].concat();
    assert_eq!(inspect(&lying).1["findings"][0]["text"], "The file is broken after octet 24.");
}
