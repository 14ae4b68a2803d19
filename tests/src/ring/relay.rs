//! A UDP relay between two edges, which changes datagrams in passing.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Which way a datagram goes through a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the caller to the destination of the relay.
    Onward,
    /// From the destination to the caller.
    Back,
}

/// The datagrams that went through, as they were sent on.
type Log = Vec<(Way, Vec<u8>)>;

/// A running relay; it ends when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    log: Arc<Mutex<Log>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Relays what arrives on `socket` to `destination`, from the same socket, and what the destination answers back;
    /// each datagram goes through `edit` first.
    #[must_use]
    pub fn start(
        socket: UdpSocket,
        destination: SocketAddr,
        mut edit: impl FnMut(Way, &mut [u8]) + Send + 'static,
    ) -> Self {
        let address = socket.local_addr().expect("a bound socket has an address");
        socket.set_read_timeout(Some(TICK)).expect("a socket takes a timeout");
        let over = Arc::new(AtomicBool::new(false));
        let log = Arc::new(Mutex::new(Log::new()));
        let (stop, written) = (Arc::clone(&over), Arc::clone(&log));
        let thread = std::thread::spawn(move || {
            let mut slot = vec![0; 65_536];
            let mut near = None;
            while !stop.load(Ordering::Relaxed) {
                let Ok((length, source)) = socket.recv_from(&mut slot) else { continue };
                let mut datagram = slot.get(..length).unwrap_or_default().to_vec();
                let way = if source == destination { Way::Back } else { Way::Onward };
                edit(way, &mut datagram);
                let to = match way {
                    Way::Onward => {
                        near = Some(source);
                        Some(destination)
                    }
                    Way::Back => near,
                };
                if let Some(to) = to {
                    let _ = socket.send_to(&datagram, to);
                }
                written.lock().expect("no thread panics with the log in hand").push((way, datagram));
            }
        });
        Self { address, over, log, thread: Some(thread) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What went through so far, as it was sent on; octets that are not UTF-8 are replaced.
    #[must_use]
    pub fn log(&self) -> Vec<(Way, String)> {
        let log = self.log.lock().expect("no thread panics with the log in hand");
        log.iter().map(|(way, datagram)| (*way, String::from_utf8_lossy(datagram).into_owned())).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How often the thread looks whether it is over.
const TICK: Duration = Duration::from_millis(50);
