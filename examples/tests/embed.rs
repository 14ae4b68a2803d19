//! Runs each example that embeds an edge for one call from a telephone on loopback.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../examples/embed_sans_io.rs"]
#[expect(dead_code, reason = "only people run its main")]
mod embed_sans_io;
#[path = "../examples/embed_tokio.rs"]
#[expect(dead_code, reason = "only people run its main")]
mod embed_tokio;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use attesta::{CallEvent, Ephemeral};

#[test]
fn a_call_without_a_runtime() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let edge = socket.local_addr().unwrap();
    let phone = std::thread::spawn(move || call(edge));
    let mut started = false;
    let on_event = |event| {
        started |= matches!(event, CallEvent::Started { .. });
        !matches!(event, CallEvent::Ended { .. })
    };
    embed_sans_io::serve(&socket, on_event).unwrap();
    assert!(started);
    phone.join().unwrap();
}

#[tokio::test]
async fn a_call_on_the_runtime_of_the_program() {
    let ephemeral = Ephemeral::start().await.unwrap();
    let edge = embed_tokio::edge(&ephemeral, "127.0.0.1:0".parse().unwrap()).unwrap();
    let (handle, address) = (edge.handle(), edge.listeners().first().unwrap().1);
    let calling = async {
        tokio::task::spawn_blocking(move || call(address)).await.unwrap();
        handle.stop().await.unwrap();
    };
    let mut events = Vec::new();
    tokio::join!(embed_tokio::serve(edge, |event| events.push(event)), calling);
    assert!(matches!(events.first(), Some(CallEvent::Started { .. })));
    assert!(events.iter().any(|event| matches!(event, CallEvent::Ended { .. })));
}

/// Calls the built-in callee at `edge` and hangs up.
fn call(edge: SocketAddr) {
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.connect(edge).unwrap();
    phone.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tell(&phone, "INVITE", 1, "");
    let to_tag = answer(&phone);
    tell(&phone, "ACK", 1, &to_tag);
    tell(&phone, "BYE", 2, &to_tag);
    answer(&phone);
}

fn tell(phone: &UdpSocket, method: &str, seq: u32, to_tag: &str) {
    let (here, edge) = (phone.local_addr().unwrap(), phone.peer_addr().unwrap());
    let request = format!(
        "{method} sip:+12025550100@{edge} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{seq}{method};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+12155550111@{here}>;tag=phone\r\nTo: <sip:+12025550100@{edge}>{to_tag}\r\n\
         Call-ID: example@{here}\r\nCSeq: {seq} {method}\r\nContact: <sip:phone@{here}>\r\nContent-Length: 0\r\n\r\n"
    );
    phone.send(request.as_bytes()).unwrap();
}

/// Waits for a 200 response and returns its To tag as written in the header field.
fn answer(phone: &UdpSocket) -> String {
    let mut slot = vec![0; 65_536];
    loop {
        let length = phone.recv(&mut slot).unwrap();
        let message = String::from_utf8_lossy(slot.get(..length).unwrap()).into_owned();
        if message.starts_with("SIP/2.0 1") {
            continue;
        }
        assert!(message.starts_with("SIP/2.0 200"), "{message}");
        let to = message.lines().find(|line| line.starts_with("To:")).unwrap();
        return to.split_once('>').unwrap().1.to_owned();
    }
}
