//! A UDP relay between two edges that can change datagrams on the way.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The direction of a datagram through a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the caller to the destination of the relay.
    Onward,
    /// From the destination to the caller.
    Back,
}

/// The relayed datagrams, as sent by the relay.
type Log = Vec<(Way, Vec<u8>)>;

/// A running relay. Drop ends its thread.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    log: Arc<Mutex<Log>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Relays datagrams that arrive on `socket` to `destination` from the same socket, and relays the answers back. `edit` can
    /// change each datagram before the relay sends it.
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
                written.lock().expect("no thread panics while it holds the log").push((way, datagram));
            }
        });
        Self { address, over, log, thread: Some(thread) }
    }

    /// Returns the address of the relay.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the datagrams so far, as sent by the relay. Octets that are not UTF-8 are replaced.
    #[must_use]
    pub fn log(&self) -> Vec<(Way, String)> {
        let log = self.log.lock().expect("no thread panics while it holds the log");
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

/// The interval at which the thread checks whether it must end.
const TICK: Duration = Duration::from_millis(50);
