//! A phone on real sockets: a thread that owns it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use attesta_sip::{Frame, Framer, Limits};
use attesta_transaction::{ConnectionId, Flow, Transmit, Transport};
use bytes::Bytes;
use socket2::{Domain, Socket, Type};

use crate::phone::Phone;
use crate::sim::{Effect, Node};

/// A running phone. Its thread ends when its work is done.
pub struct PhoneThread(JoinHandle<Phone>);

impl PhoneThread {
    /// Runs `phone` on sockets at its address, UDP or TCP. Of a thousand datagrams that leave, and of a thousand that arrive,
    /// it loses `loss` each. `work` is called again and again, and the thread ends when it returns `false`.
    #[must_use]
    pub fn start(
        phone: Phone,
        transport: Transport,
        loss: u64,
        work: impl FnMut(&mut Phone, Instant) -> bool + Send + 'static,
    ) -> Self {
        let sockets = Sockets::open(phone.address(), transport, loss);
        Self(std::thread::spawn(move || sockets.run(phone, work)))
    }

    /// Waits until the thread ends.
    #[must_use]
    pub fn finish(self) -> Phone {
        self.0.join().expect("the thread of a phone does not panic")
    }
}

enum Arrival {
    Message(Flow, Bytes),
    Closed(ConnectionId),
}

struct Sockets {
    local: SocketAddr,
    datagrams: Option<UdpSocket>,
    listener: Option<TcpListener>,
    connections: BTreeMap<ConnectionId, (SocketAddr, TcpStream)>,
    next: u64,
    arrivals: Receiver<Arrival>,
    sender: Sender<Arrival>,
    over: Arc<AtomicBool>,
    loss: u64,
    chance: u64,
    /// Each message with its time, for who looks for the reason of a failure.
    trace: Option<File>,
}

impl Sockets {
    fn open(local: SocketAddr, transport: Transport, loss: u64) -> Self {
        let (sender, arrivals) = channel();
        let mut sockets = Self {
            local,
            datagrams: None,
            listener: None,
            connections: BTreeMap::new(),
            next: 0,
            arrivals,
            sender,
            over: Arc::new(AtomicBool::new(false)),
            loss,
            chance: u64::from(local.port()) << 16 | 1,
            trace: std::env::var_os(TRACE).map(|directory| {
                let file = std::path::Path::new(&directory).join(format!("{}.trace", local.ip()));
                File::create(file).expect("ATTESTA_TRACE names a directory")
            }),
        };
        if transport.reliable() {
            let listener = TcpListener::bind(local).expect("the test's address is free");
            listener.set_nonblocking(true).expect("a socket can be made non-blocking");
            sockets.listener = Some(listener);
        } else {
            let socket = UdpSocket::bind(local).expect("the test's address is free");
            socket.set_read_timeout(Some(TICK)).expect("a socket takes a timeout");
            let reader = socket.try_clone().expect("a socket has two handles");
            let (sender, over) = (sockets.sender.clone(), Arc::clone(&sockets.over));
            std::thread::spawn(move || reads_datagrams(&reader, local, &sender, &over));
            sockets.datagrams = Some(socket);
        }
        sockets
    }

    #[expect(clippy::disallowed_methods, reason = "the processes under test live in real time")]
    fn run(mut self, mut phone: Phone, mut work: impl FnMut(&mut Phone, Instant) -> bool) -> Phone {
        while work(&mut phone, Instant::now()) {
            self.accepts();
            let now = Instant::now();
            let deadline = self.carries_out(&mut phone, now);
            if deadline.is_some_and(|deadline| deadline <= now) {
                phone.wake(now);
                continue;
            }
            let wait = deadline.map_or(STEP, |deadline| (deadline - now).min(STEP));
            let mut arrival = self.arrivals.recv_timeout(wait).ok();
            let now = Instant::now();
            while let Some(each) = arrival.take() {
                match each {
                    Arrival::Message(flow, data) => {
                        let lost = !flow.transport.reliable() && self.loses();
                        self.traces("<-", lost, &data);
                        if !lost {
                            phone.receive(now, flow, data);
                        }
                    }
                    Arrival::Closed(id) => {
                        self.connections.remove(&id);
                    }
                }
                arrival = self.arrivals.try_recv().ok();
            }
        }
        self.over.store(true, Ordering::Relaxed);
        phone
    }

    /// Sends what the phone wants to send; gives the time of its next timer.
    fn carries_out(&mut self, phone: &mut Phone, now: Instant) -> Option<Instant> {
        loop {
            match phone.poll(now) {
                Effect::Send(transmit) => {
                    if !self.sends(&transmit) {
                        phone.undelivered(now, transmit);
                    }
                }
                Effect::Note(_) => {}
                Effect::Sleep(at) => return at,
            }
        }
    }

    fn sends(&mut self, transmit: &Transmit) -> bool {
        if let Some(socket) = &self.datagrams {
            let socket = socket.try_clone();
            let lost = self.loses();
            self.traces("->", lost, &transmit.payload);
            return lost
                || socket
                    .is_ok_and(|socket| socket.send_to(&transmit.payload, transmit.flow.remote).is_ok());
        }
        self.traces("->", false, &transmit.payload);
        let open = transmit.flow.connection.filter(|id| self.connections.contains_key(id));
        let to_peer = || {
            let mut all = self.connections.iter();
            all.find(|(_, (remote, _))| *remote == transmit.flow.remote).map(|(id, _)| *id)
        };
        let id = open.or_else(to_peer).or_else(|| self.connects(transmit.flow.remote));
        let stream = id.and_then(|id| self.connections.get_mut(&id));
        stream.is_some_and(|(_, stream)| stream.write_all(&transmit.payload).is_ok())
    }

    fn accepts(&mut self) {
        while let Some(Ok((stream, remote))) = self.listener.as_ref().map(TcpListener::accept) {
            self.keeps(stream, remote);
        }
    }

    /// Connects from its own address, by which the edge knows the trunk.
    fn connects(&mut self, remote: SocketAddr) -> Option<ConnectionId> {
        let socket = Socket::new(Domain::for_address(remote), Type::STREAM, None).ok()?;
        socket.bind(&SocketAddr::new(self.local.ip(), 0).into()).ok()?;
        socket.connect(&remote.into()).ok()?;
        self.keeps(socket.into(), remote)
    }

    fn keeps(&mut self, stream: TcpStream, remote: SocketAddr) -> Option<ConnectionId> {
        stream.set_nonblocking(false).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(TICK)).ok()?;
        let reader = stream.try_clone().ok()?;
        let id = ConnectionId(self.next);
        self.next += 1;
        let flow = Flow { transport: Transport::Tcp, connection: Some(id), ..Flow::udp(self.local, remote) };
        let (sender, over) = (self.sender.clone(), Arc::clone(&self.over));
        std::thread::spawn(move || {
            reads_stream(reader, &flow, &sender, &over);
            let _ = sender.send(Arrival::Closed(id));
        });
        self.connections.insert(id, (remote, stream));
        Some(id)
    }

    fn traces(&mut self, way: &str, lost: bool, data: &Bytes) {
        let Some(file) = &mut self.trace else { return };
        let at = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis());
        let text = String::from_utf8_lossy(data);
        let lost = if lost { "LOST" } else { "" };
        let _ = writeln!(file, "\n==== {at} {way} {lost}\n{text}");
    }

    /// Whether chance loses a datagram.
    fn loses(&mut self) -> bool {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 20) % 1_000 < self.loss
    }
}

fn reads_datagrams(socket: &UdpSocket, local: SocketAddr, sender: &Sender<Arrival>, over: &AtomicBool) {
    let mut slot = vec![0; 65_536];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, source)) = socket.recv_from(&mut slot) else { continue };
        let data = Bytes::copy_from_slice(slot.get(..length).unwrap_or_default());
        let _ = sender.send(Arrival::Message(Flow::udp(local, source), data));
    }
}

fn reads_stream(mut stream: TcpStream, flow: &Flow, sender: &Sender<Arrival>, over: &AtomicBool) {
    let (mut framer, mut slot) = (Framer::new(Limits::default()), vec![0; 65_536]);
    while !over.load(Ordering::Relaxed) {
        match stream.read(&mut slot) {
            Ok(0) => return,
            Ok(length) => framer.push(slot.get(..length).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return,
        }
        while let Some(frame) = framer.poll() {
            match frame {
                Ok(Frame::Message(message)) => {
                    let _ = sender.send(Arrival::Message(flow.clone(), message.to_bytes()));
                }
                Ok(Frame::Pong | Frame::Ping) => {}
                Err(_) => return,
            }
        }
    }
}

/// The variable that names the directory of the traces.
const TRACE: &str = "ATTESTA_TRACE";
/// How often a reader looks whether the phone is over.
const TICK: Duration = Duration::from_millis(50);
/// The longest time between two calls of the work.
const STEP: Duration = Duration::from_millis(2);
