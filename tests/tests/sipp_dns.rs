//! RFC 3263 with a real name server: order, weight, failover, recovery, and hostile zones.

use attesta_sip::{Limits, Message, Name, Request, Response, Status};
use attesta_tests::ring::{Edge, NameServer, Ring, Sipp, SippParty, skips, until};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// A caller on the test's address 2, an edge on 1 that asks `dns`, and trunks: a prefix of called numbers, a target and further
/// keys, each. One worker: each finds out for itself which targets are dead.
fn config(ring: &Ring, dns: &NameServer, trunks: &[(&str, &str, &str)]) -> String {
    let mut config = format!(
        "[[listen]]\naddress = \"{}:0\"\n[[listen]]\naddress = \"[::1]:0\"\n[dns]\nservers = [\"{}\"]\n[workers]\ncount = 1\n\
         [[trunk]]\nname = \"inside\"\nsources = [\"{}\"]\ninbound_identity = \"pass\"\noutbound_identity = \"pass\"\n",
        ring.host(1),
        dns.address(),
        ring.host(2)
    );
    for (prefix, target, keys) in trunks {
        let name = prefix.trim_start_matches('+');
        let _ = write!(
            config,
            "[[trunk]]\nname = \"{name}\"\ntargets = [\"{target}\"]\noutbound_identity = \"pass\"\n{keys}\n\
             [[route]]\nnumber = \"{prefix}\"\nto = \"{name}\"\n"
        );
    }
    config
}

/// The test's name server, with one zone, `dns.test`.
fn name_server(ring: &Ring, records: String) -> NameServer {
    NameServer::start(ring, 9, &[("dns.test", records)])
}

fn enter(test: &str, subnet: u8) -> Option<Ring> {
    let ring = Ring::enter(test, subnet)?;
    NameServer::is_there(test).then_some(ring)
}

fn calls(ring: &Ring, edge: &Edge, scenario: &'static str, called: &str, calls: u32, rate: u32) -> SippParty {
    let caller = Sipp::caller(scenario, ring.free(2), edge.udp());
    caller.numbers("+12155550111", called).calls(calls, rate).start(ring)
}

fn answering(ring: &Ring, at: SocketAddr) -> SippParty {
    Sipp::callee("callee_answers", at).calls(100_000, 100).start(ring)
}

/// How many INVITEs came to a callee.
fn invites(callee: &SippParty) -> usize {
    callee.requests("INVITE").len()
}

#[test]
fn targets_are_chosen_by_order_priority_and_weight_and_looked_up_once() {
    let Some(ring) = enter("dns-order", 60) else { return };
    let (a, b, spare) = (ring.free(3), ring.free(4), ring.free(5));
    let dns = name_server(
        &ring,
        format!(
            "@ NAPTR 10 10 \"s\" \"SIP+D2X\" \"\" _sip._x.dns.test.\n\
             @ NAPTR 20 20 \"s\" \"SIP+D2U\" \"\" _second._udp.dns.test.\n\
             @ NAPTR 20 10 \"s\" \"SIP+D2U\" \"\" _first._udp.dns.test.\n\
             _first._udp SRV 10 30 {} a\n_first._udp SRV 10 10 {} b\n_first._udp SRV 20 90 {} spare\n\
             _second._udp SRV 0 0 {} spare\n_sip._udp SRV 0 0 {} spare\n\
             a A {}\nb A {}\nspare A {}\n",
            a.port(),
            b.port(),
            spare.port(),
            spare.port(),
            spare.port(),
            a.ip(),
            b.ip(),
            spare.ip()
        ),
    );
    let edge = Edge::start(&ring, "edge", 1, &config(&ring, &dns, &[("+1", "sip:dns.test", "")]));
    let (at_a, at_b, at_spare) = (answering(&ring, a), answering(&ring, b), answering(&ring, spare));
    calls(&ring, &edge, "caller_hangs_up", "+12025550143", CALLS, 50).finish(LIMIT).assert_successful();
    let (at_a, at_b, at_spare) = (invites(&at_a), invites(&at_b), invites(&at_spare));
    assert_eq!((at_a + at_b, at_spare), (CALLS as usize, 0));
    // Three in four of 200: 150, with a standard deviation of 6.1; five of these either way.
    assert!((119..=181).contains(&at_a), "{at_a} of {CALLS} went to the server of weight 30 against 10");
    let metrics = edge.metrics();
    let asked = metrics.sum("attesta_dns_lookups_total", &[]);
    assert!(asked <= 6.0, "{asked} lookups: NAPTR, two of SRV, three of addresses, for {CALLS} calls");
    assert_eq!(metrics.sum("attesta_resolutions_total", &[]), f64::from(CALLS));
    assert_eq!(metrics.sum("attesta_targets_taken_out_of_service_total", &[]), 0.0);
}

#[test]
fn a_refusing_server_delays_no_call() {
    let Some(ring) = enter("dns-refused", 61) else { return };
    let (dead, alive) = (ring.free(3), ring.free(4));
    let dns = name_server(
        &ring,
        format!(
            "_sip._udp SRV 1 0 {} dead\n_sip._udp SRV 2 0 {} alive\ndead A {}\nalive A {}\n",
            dead.port(),
            alive.port(),
            dead.ip(),
            alive.ip()
        ),
    );
    let keys = "timers = { no_response = \"20s\" }";
    let edge = Edge::start(&ring, "edge", 1, &config(&ring, &dns, &[("+1", "sip:dns.test", keys)]));
    let callee = answering(&ring, alive);
    let mut caller = calls(&ring, &edge, "caller_hangs_up", "+12025550143", 20, 20);
    let report = caller.finish(Duration::from_secs(15));
    report.assert_successful();
    assert_eq!(invites(&callee), 20);
    assert!(edge.metrics().sum("attesta_targets_taken_out_of_service_total", &[]) >= 1.0);
}

#[test]
fn a_connection_that_is_reset_leads_to_the_next_server_at_once() {
    let Some(ring) = enter("dns-reset", 65) else { return };
    let (dead, listener) = (ring.free(3), ring.listener(4));
    let alive = listener.local_addr().expect("a bound socket has an address");
    let dns = name_server(
        &ring,
        format!(
            "@ NAPTR 1 1 \"s\" \"SIP+D2T\" \"\" _sip._tcp.dns.test.\n@ NAPTR 2 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.dns.test.\n\
             _sip._tcp SRV 1 0 {} dead\n_sip._tcp SRV 2 0 {} alive\ndead A {}\nalive A {}\n",
            dead.port(),
            alive.port(),
            dead.ip(),
            alive.ip()
        ),
    );
    let keys = "timers = { no_response = \"20s\" }";
    let tcp = format!("[[listen]]\naddress = \"{}:0\"\ntransport = \"tcp\"\n", ring.host(1));
    let config = format!("{tcp}{}", config(&ring, &dns, &[("+1", "sip:dns.test", keys)]));
    let edge = Edge::start(&ring, "edge", 1, &config);
    let callee = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the edge connects");
        stream.set_read_timeout(Some(LIMIT)).expect("a socket can be given a timeout");
        let mut octets = vec![0; 65_536];
        let mut length = 0;
        let invite = loop {
            length += stream.read(octets.get_mut(length..).expect("room")).expect("the edge sends");
            match Message::parse(octets[..length].to_vec().into(), &Limits::default()) {
                Ok(Message::Request(request)) => break request,
                Ok(Message::Response(_)) | Err(_) => {}
            }
        };
        let busy = Response::to_request(&invite, Status::BUSY_HERE);
        stream.write_all(&busy.to_bytes()).expect("the edge reads");
        // Open until the edge has acknowledged.
        let _ = stream.read(&mut octets);
        invite
    });
    let mut caller = calls(&ring, &edge, "caller_is_refused", "+12025550143", 1, 1);
    caller.finish(Duration::from_secs(15)).assert_successful();
    assert_eq!(caller.responses(486).len(), 1);
    let invite = callee.join().expect("the callee has its call");
    let via = invite.headers().get(Name::Via).unwrap_or_default();
    assert!(via.starts_with(b"SIP/2.0/TCP"), "NAPTR prefers TCP");
    assert!(edge.metrics().sum("attesta_targets_taken_out_of_service_total", &[]) >= 1.0);
}

#[test]
fn a_silent_server_is_skipped_until_it_responds_again() {
    let Some(ring) = enter("dns-silent", 62) else { return };
    let (silent, second) = (ring.socket(3), ring.free(4));
    let first = silent.local_addr().expect("a bound socket has an address");
    let dns = name_server(
        &ring,
        format!(
            "@ NAPTR 1 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.dns.test.\n\
             _sip._udp SRV 1 0 {} first\n_sip._udp SRV 2 0 {} second\nfirst A {}\nsecond A {}\n",
            first.port(),
            second.port(),
            first.ip(),
            second.ip()
        ),
    );
    let keys = "timers = { no_response = \"1s\" }\nhealth = { resume = \"3s\" }";
    let edge = Edge::start(&ring, "edge", 1, &config(&ring, &dns, &[("+1", "sip:dns.test", keys)]));
    let callee = answering(&ring, second);
    let begun = now();
    calls(&ring, &edge, "caller_hangs_up", "+12025550143", 1, 1).finish(LIMIT).assert_successful();
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1), "the first target had its time: {took:?}");
    let lost = receives(&silent).0;
    let via = |request: &Request| request.headers().get(Name::Via).map(<[u8]>::to_vec);
    let taken = callee.requests("INVITE");
    let taken = taken.first().expect("the second target took the call");
    let branch = String::from_utf8_lossy(&via(&lost).expect("an INVITE has a Via")).into_owned();
    assert!(!taken.text.contains(&branch), "a new transaction has a new branch: {branch}");
    // While it is out of service, nothing is sent to it and calls are not delayed.
    calls(&ring, &edge, "caller_hangs_up", "+12025550143", 5, 50).finish(LIMIT).assert_successful();
    assert_eq!(invites(&callee), 6);
    let others = drain(&silent).into_iter().filter(|invite| !invite.contains(&branch)).count();
    assert_eq!(others, 0, "out of service: it gets only retransmissions of the INVITE of the first call");
    // It is up again, and gets calls once its time out of service has passed.
    drop(silent);
    let back = answering(&ring, first);
    let one_call =
        || calls(&ring, &edge, "caller_hangs_up", "+12025550143", 1, 1).finish(LIMIT).assert_successful();
    until(LIMIT, "the first target is found again", || {
        one_call();
        (edge.metrics().sum("attesta_targets_out_of_service", &[]) == 0.0).then_some(())
    });
    let before = invites(&callee);
    one_call();
    assert_eq!(invites(&callee), before, "the first target has its calls again");
    assert!(invites(&back) >= 2);
}

#[test]
fn addresses_of_both_kinds_are_tried_one_after_the_other() {
    let Some(ring) = enter("dns-two-kinds", 63) else { return };
    let four = ring.free(3);
    let Ok(six) = UdpSocket::bind(("::1", four.port())) else {
        return skips("dns-two-kinds", "the port cannot be bound on the IPv6 loopback address");
    };
    let dns = name_server(&ring, format!("both AAAA ::1\nboth A {}\n", four.ip()));
    let target = format!("sip:both.dns.test:{}", four.port());
    let edge = Edge::start(&ring, "edge", 1, &config(&ring, &dns, &[("+1", &target, "")]));
    let callee = answering(&ring, four);
    // A 503 leads to the other address. Three Retry-After in a row keep later calls from this one.
    for _ in 0..3 {
        let mut caller = calls(&ring, &edge, "caller_hangs_up", "+12025550143", 1, 1);
        let (invite, from) = receives(&six);
        let mut response = Response::to_request(&invite, Status::SERVICE_UNAVAILABLE);
        response.headers_mut().push(Name::RetryAfter, "60");
        six.send_to(&response.to_bytes(), from).expect("a response can be sent");
        caller.finish(LIMIT).assert_successful();
        drain(&six);
    }
    calls(&ring, &edge, "caller_hangs_up", "+12025550143", 1, 1).finish(LIMIT).assert_successful();
    assert_eq!((invites(&callee), drain(&six).len()), (4, 0));
}

#[test]
fn servers_behind_an_alias_are_found() {
    let Some(ring) = enter("dns-alias", 66) else { return };
    let at = ring.free(3);
    let dns = name_server(
        &ring,
        format!("_sip._udp CNAME one\none CNAME two\ntwo SRV 1 0 {} there\nthere A {}\n", at.port(), at.ip()),
    );
    let edge = Edge::start(&ring, "edge", 1, &config(&ring, &dns, &[("+1", "sip:dns.test", "")]));
    let callee = answering(&ring, at);
    calls(&ring, &edge, "caller_hangs_up", "+12025550143", 1, 1).finish(LIMIT).assert_successful();
    assert_eq!(invites(&callee), 1);
}

#[test]
fn hostile_zones_cost_bounded_time_and_delay_no_other_call() {
    let Some(ring) = enter("dns-hostile", 64) else { return };
    let callee_at = ring.free(3);
    let mut records = format!(
        "alias CNAME saila\nsaila CNAME alias\n\
         _sip._udp.zero SRV 0 0 0 callee\n\
         _sip._udp.dot SRV 0 0 0 .\ndot A {ip}\n\
         round NAPTR 1 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.round.dns.test.\n_sip._udp.round SRV 0 0 5060 _sip._udp.round\n\
         pointer NAPTR 1 1 \"\" \"SIP+D2U\" \"\" pointer.dns.test.\n\
         callee A {ip}\n_sip._udp.good SRV 0 0 {port} callee\n",
        ip = callee_at.ip(),
        port = callee_at.port(),
    );
    for n in 0..1000 {
        let _ = writeln!(records, "_sip._udp.many SRV {n} 0 {} callee", callee_at.port());
        let _ = writeln!(records, "crowd A 127.99.{}.{}", n / 250, n % 250 + 1);
    }
    let dns = name_server(&ring, records);
    let hostile = ["alias", "zero", "dot", "round", "pointer", "nothing"];
    let mut trunks: Vec<(String, String)> = hostile
        .iter()
        .enumerate()
        .map(|(n, name)| (format!("+1202555020{n}"), format!("sip:{name}.dns.test")))
        .collect();
    trunks.push(("+12025550301".into(), "sip:many.dns.test".into()));
    trunks.push(("+12025550302".into(), "sip:good.dns.test".into()));
    trunks.push(("+12025550303".into(), "sip:crowd.dns.test:1".into()));
    let trunks: Vec<_> =
        trunks.iter().map(|(prefix, target)| (prefix.as_str(), target.as_str(), "")).collect();
    let mut edge = Edge::start(&ring, "edge", 1, &config(&ring, &dns, &trunks));
    let callee = answering(&ring, callee_at);
    let before = edge.usage();
    // At the same time, calls to a target that works.
    let mut good = calls(&ring, &edge, "caller_hangs_up", "+12025550302", 100, 50);
    for (n, name) in hostile.iter().enumerate() {
        let mut caller = calls(&ring, &edge, "caller_is_refused", &format!("+1202555020{n}"), 3, 50);
        caller.finish(LIMIT).assert_successful();
        let refusals = caller.responses(500).len() + caller.responses(504).len();
        assert_eq!(refusals, 3, "{name}");
    }
    calls(&ring, &edge, "caller_hangs_up", "+12025550301", 10, 50).finish(LIMIT).assert_successful();
    let mut crowd = calls(&ring, &edge, "caller_is_refused", "+12025550303", 3, 50);
    crowd.finish(LIMIT).assert_successful();
    good.finish(LIMIT).assert_successful();
    assert_eq!(invites(&callee), 110);
    edge.assert_alive();
    edge.wait_until_idle(LIMIT);
    let metrics = edge.metrics();
    let ignored = |reason: &str| metrics.sum("attesta_dns_records_ignored_total", &[reason]);
    assert!(ignored("reason=\"surplus\"") >= 2.0 * 936.0, "{}", ignored("reason=\"surplus\""));
    assert_eq!(ignored("reason=\"port-0\""), 1.0);
    assert!(metrics.sum("attesta_resolutions_cut_total", &[]) >= 3.0, "64 addresses are cut to 32");
    let grown = edge.usage().resident.saturating_sub(before.resident);
    assert!(grown < 32 * 1024, "{grown} KiB for a few hostile zones");
}

/// The next request at a socket of the test, and its source.
fn receives(socket: &UdpSocket) -> (Request, SocketAddr) {
    socket.set_nonblocking(true).expect("a socket can be told not to block");
    let mut octets = vec![0; 65_536];
    until(LIMIT, "a request arrives", || {
        let (length, from) = socket.recv_from(&mut octets).ok()?;
        let data = octets.get(..length)?.to_vec();
        match Message::parse(data.into(), &Limits::default()) {
            Ok(Message::Request(request)) => Some((request, from)),
            Ok(Message::Response(_)) | Err(_) => None,
        }
    })
}

/// Takes what has arrived, and gives the INVITEs in it.
fn drain(socket: &UdpSocket) -> Vec<String> {
    socket.set_nonblocking(true).expect("a socket can be told not to block");
    let mut octets = vec![0; 65_536];
    let mut invites = Vec::new();
    while let Ok((length, _)) = socket.recv_from(&mut octets) {
        let text = String::from_utf8_lossy(octets.get(..length).unwrap_or_default()).into_owned();
        if text.starts_with("INVITE ") {
            invites.push(text);
        }
    }
    invites
}

#[expect(clippy::disallowed_methods, reason = "the processes under test live in real time")]
fn now() -> Instant {
    Instant::now()
}

const CALLS: u32 = 200;

/// Longer than 64*T1, for what is left of an attempt.
const LIMIT: Duration = Duration::from_secs(60);
