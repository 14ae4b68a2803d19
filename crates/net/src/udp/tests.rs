//! Tests with real sockets on loopback.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

fn bind(address: &str) -> Udp {
    Udp::bind(address.parse().unwrap(), &UdpOptions::default()).unwrap()
}

fn loopback() -> Udp {
    bind("127.0.0.1:0")
}

async fn send(udp: &mut Udp, remote: SocketAddr, payload: impl Into<Bytes>) -> io::Result<()> {
    let local = udp.local();
    let mut outcome = udp.send(local, remote, payload.into());
    while udp.is_waiting() {
        udp.flush(|_, error| outcome = Err(error));
        tokio::task::yield_now().await;
    }
    outcome
}

async fn next(udp: &mut Udp) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    while arrivals.is_empty() {
        udp.arrivals().await;
        udp.receive(|arrival| arrivals.push(arrival), |_| {});
    }
    arrivals
}

async fn octets(udp: &mut Udp) -> Vec<Bytes> {
    next(udp).await.into_iter().map(|arrival| arrival.data).collect()
}

#[tokio::test]
async fn port_zero_is_reported_as_the_bound_port() {
    assert_ne!(loopback().local().port(), 0);
}

#[tokio::test]
async fn a_bound_port_is_refused_to_a_second_socket() {
    let first = loopback();
    let second = Udp::bind(first.local(), &UdpOptions::default());
    assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn the_largest_datagram_arrives_whole() {
    let (mut alice, mut bob) = (loopback(), loopback());
    let data = Bytes::from(vec![b'x'; 65_507]);
    send(&mut alice, bob.local(), data.clone()).await.unwrap();
    assert_eq!(next(&mut bob).await, [Arrival { local: bob.local(), remote: alice.local(), data }]);
}

#[tokio::test]
async fn ipv6_carries_datagrams_too() {
    let (mut alice, mut bob) = (bind("[::1]:0"), bind("[::1]:0"));
    send(&mut alice, bob.local(), b"hello".as_slice()).await.unwrap();
    let arrival = Arrival { local: bob.local(), remote: alice.local(), data: Bytes::from_static(b"hello") };
    assert_eq!(next(&mut bob).await, [arrival]);
}

#[tokio::test]
async fn one_octet_too_many_fails_and_the_socket_still_works() {
    let (mut alice, mut bob) = (loopback(), loopback());
    assert!(send(&mut alice, bob.local(), vec![b'x'; 65_508]).await.is_err());
    send(&mut alice, bob.local(), b"small".as_slice()).await.unwrap();
    assert_eq!(next(&mut bob).await.len(), 1);
}

#[tokio::test]
async fn a_failure_in_a_batch_affects_no_other_datagram() {
    let (mut alice, mut bob) = (loopback(), loopback());
    let (local, remote) = (alice.local(), bob.local());
    for size in [1, 65_508, 2, 65_508, 3] {
        alice.send(local, remote, vec![b'x'; size].into()).unwrap();
    }
    let mut failures = 0;
    alice.flush(|transmit, _| failures += transmit.payload.len());
    assert_eq!(failures, 2 * 65_508);
    assert_eq!(octets(&mut bob).await, [&b"x"[..], b"xx", b"xxx"]);
}

#[tokio::test]
async fn an_address_that_cannot_be_reached_fails_at_once() {
    let mut alice = loopback();
    for remote in ["[::1]:5060", "127.0.0.1:0"] {
        assert!(alice.send(alice.local(), remote.parse().unwrap(), Bytes::from_static(b"x")).is_err());
    }
}

#[tokio::test]
async fn keepalives_are_counted_and_not_delivered() {
    let (mut alice, mut bob) = (loopback(), loopback());
    for keepalive in [&b""[..], b"\r\n", b"\r\n\r\n", b"\0", b"\0\0\0\0"] {
        send(&mut alice, bob.local(), keepalive).await.unwrap();
    }
    send(&mut alice, bob.local(), b"SIP".as_slice()).await.unwrap();
    let (mut delivered, mut keepalives) = (Vec::new(), 0);
    while delivered.is_empty() {
        bob.arrivals().await;
        keepalives += bob.receive(|arrival| delivered.push(arrival.data), |_| {}).keepalives;
    }
    assert_eq!((delivered, keepalives), (vec![Bytes::from_static(b"SIP")], 5));
}

#[tokio::test]
async fn a_batch_is_limited_and_the_rest_stays_readable() {
    let (mut alice, mut bob) = (loopback(), loopback());
    for _ in 0..BATCH + 1 {
        send(&mut alice, bob.local(), b"SIP".as_slice()).await.unwrap();
    }
    assert_eq!(next(&mut bob).await.len(), BATCH);
    assert!(bob.is_readable());
    assert_eq!(next(&mut bob).await.len(), 1);
    assert!(!bob.is_readable(), "an empty socket is known to be empty");
}

#[tokio::test]
async fn waiting_datagrams_are_limited() {
    let (mut alice, bob) = (loopback(), loopback());
    let mut put = || alice.send(alice.local(), bob.local(), Bytes::from_static(b"waits"));
    assert!((0..BACKLOG).all(|_| put().is_ok()));
    assert!(put().is_err());
}

#[tokio::test]
async fn a_full_send_buffer_keeps_the_order_and_loses_nothing() {
    let options = UdpOptions::default().send_buffer(1);
    let mut alice = Udp::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap();
    let mut bob = loopback();
    let sent: Vec<_> = (0..100).map(|number| Bytes::from(format!("{number}"))).collect();
    for payload in &sent {
        alice.send(alice.local(), bob.local(), payload.clone()).unwrap();
    }
    let mut got = Vec::new();
    while got.len() < sent.len() {
        alice.flush(|_, error| unreachable!("{error}"));
        got.extend(octets(&mut bob).await);
    }
    assert_eq!(got, sent);
}

/// Checks what [`Udp::receive`] reports for a datagram to a closed port.
#[cfg(target_os = "linux")]
async fn unreached(mut alice: Udp, closed: SocketAddr) {
    let invite = Bytes::from(format!("INVITE sip:bob@{closed} SIP/2.0\r\n{}", "x".repeat(2000)));
    send(&mut alice, closed, invite.clone()).await.unwrap();
    let mut failed = Vec::new();
    while failed.is_empty() {
        alice.arrivals().await;
        alice.receive(|_| {}, |transmit| failed.push(transmit));
    }
    assert_eq!(failed[0].flow, Flow::udp(alice.local(), closed));
    assert!(failed[0].payload.len() >= 500 && invite.starts_with(&failed[0].payload));
    // The error is reported once, and does not affect later datagrams.
    assert!(timeout(Duration::from_millis(20), alice.arrivals()).await.is_err());
    let mut bob = bind(&format!("{}:0", if closed.is_ipv6() { "[::1]" } else { "127.0.0.1" }));
    send(&mut alice, bob.local(), b"SIP".as_slice()).await.unwrap();
    assert_eq!(next(&mut bob).await.len(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_closed_port_is_reported_with_the_datagram() {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        let closed = bind(host).local();
        unreached(bind(host), closed).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn waiting_errors_do_not_lose_sent_datagrams() {
    let (mut alice, mut bob) = (loopback(), loopback());
    let closed = loopback().local();
    for round in 0..50 {
        send(&mut alice, closed, b"to a closed port".as_slice()).await.unwrap();
        send(&mut alice, bob.local(), format!("{round}")).await.unwrap();
    }
    let mut got = Vec::new();
    while got.len() < 50 {
        got.extend(octets(&mut bob).await);
    }
    let mut errors = 0;
    while errors < 50 {
        alice.arrivals().await;
        errors += alice.receive(|_| {}, |_| {}).errors;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_socket_bound_to_all_addresses_answers_from_the_one_that_was_asked() {
    for (everywhere, hosts) in [("0.0.0.0:0", &["127.0.0.7", "127.0.0.8"][..]), ("[::]:0", &["::1"][..])] {
        let mut edge = bind(everywhere);
        for host in hosts {
            let asked = SocketAddr::new(host.parse().unwrap(), edge.local().port());
            let mut phone = bind(if asked.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" });
            send(&mut phone, asked, b"who".as_slice()).await.unwrap();
            let [Arrival { local, remote, .. }] = next(&mut edge).await.try_into().unwrap();
            assert_eq!(local, asked);
            assert!(edge.serves(local));
            for answer in [&b"I"[..], b"am"] {
                edge.send(local, remote, Bytes::from_static(answer)).unwrap();
            }
            edge.flush(|_, error| unreachable!("{error}"));
            for answer in next(&mut phone).await {
                assert_eq!(answer.remote, asked);
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn datagrams_that_the_system_drops_are_counted() {
    let mut alice = loopback();
    let options = UdpOptions::default().receive_buffer(0);
    let mut bob = Udp::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap();
    for _ in 0..20 {
        send(&mut alice, bob.local(), vec![b'x'; 1000]).await.unwrap();
    }
    let mut taken = next(&mut bob).await.len() as u64;
    // The system reports the count with the next received datagram.
    send(&mut alice, bob.local(), b"SIP".as_slice()).await.unwrap();
    let mut dropped = 0;
    while taken + dropped < 21 {
        bob.arrivals().await;
        dropped += bob.receive(|_| taken += 1, |_| {}).dropped;
    }
    assert!(dropped > 0 && taken + dropped == 21);
}

#[tokio::test]
async fn datagrams_are_marked_as_asked() {
    for (host, dscp) in [("127.0.0.1:0", 0), ("127.0.0.1:0", 46), ("[::1]:0", 40)] {
        let address: SocketAddr = host.parse().unwrap();
        let udp = Udp::bind(address, &UdpOptions::default().dscp(dscp)).unwrap();
        let socket = socket2::SockRef::from(&udp.socket);
        let class = if address.is_ipv6() { socket.tclass_v6() } else { socket.tos_v4() };
        assert_eq!(class.unwrap() >> 2, u32::from(dscp));
    }
}
