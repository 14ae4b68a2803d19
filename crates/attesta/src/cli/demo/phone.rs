//! A telephone with one socket. It has one call at a time.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use attesta_net::{Clock, random};
use attesta_sip::{Contact, Method, Name, Request, Response, Status, To};
use attesta_transaction::{
    ClientId, Config, Endpoint, Event, Flow, IdGenerator, Input, Output, Seed, SentBy, ServerId, Transmit,
    WorkerPlace,
};
use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};

use super::ladder::{CapturedDatagram, Party};

/// A minimal user agent on the transaction layer of the edges.
pub(super) struct Phone {
    socket: UdpSocket,
    local: SocketAddr,
    sent_by: SentBy,
    endpoint: Endpoint,
    ids: IdGenerator,
    /// The party of this telephone, and the party at the other end of the socket.
    party: Party,
    peer: Party,
    captures: mpsc::UnboundedSender<CapturedDatagram>,
    buffer: Vec<u8>,
}

impl Phone {
    pub(super) async fn bind(
        party: Party,
        peer: Party,
        captures: mpsc::UnboundedSender<CapturedDatagram>,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let local = socket.local_addr()?;
        let seed = || random().map(Seed::new).map_err(io::Error::other);
        let place = WorkerPlace { instance: 0, worker: 0 };
        Ok(Self {
            socket,
            local,
            sent_by: SentBy::from(local),
            endpoint: Endpoint::new(Config::default(), place, &seed()?),
            ids: IdGenerator::new(place, &seed()?),
            party,
            peer,
            captures,
            buffer: vec![0; MAX_DATAGRAM],
        })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Calls `callee` through `edge`, hangs up after the answer and returns the time until the answer.
    pub(super) async fn call(
        &mut self,
        edge: SocketAddr,
        caller: &str,
        callee: &str,
    ) -> Result<Duration, CallError> {
        let with_timeout = timeout(CALL_TIMEOUT, self.call_and_hang_up(edge, caller, callee));
        with_timeout.await.unwrap_or(Err(CallError::Timeout))
    }

    async fn call_and_hang_up(
        &mut self,
        edge: SocketAddr,
        caller: &str,
        callee: &str,
    ) -> Result<Duration, CallError> {
        let start = Clock::mono();
        let invite = self.invite(edge, caller, callee);
        let id = self.request(start, invite.clone(), edge)?;
        let answer = self.final_response(id).await?;
        let set_up = Clock::mono().saturating_duration_since(start);
        if !answer.status().is_success() {
            return Err(CallError::Refused(answer.status()));
        }
        let dialog = Dialog::of(&invite, &answer)?;
        self.endpoint.send(dialog.request(Method::Ack, 1), Flow::udp(self.local, edge), &self.sent_by);
        let id = self.request(Clock::mono(), dialog.request(Method::Bye, 2), edge)?;
        let bye_response = self.final_response(id).await?;
        if bye_response.status().is_success() {
            Ok(set_up)
        } else {
            Err(CallError::Refused(bye_response.status()))
        }
    }

    /// Answers every call until the future is dropped. Sends each INVITE, as received, to `invites`.
    pub(super) async fn answer(mut self, invites: mpsc::UnboundedSender<Request>) -> io::Result<()> {
        let tag = self.ids.tag().to_string();
        loop {
            let Event::Request { id, request, .. } = self.next_event().await? else { continue };
            if *request.method() == Method::Invite {
                self.respond(id, &request, Status::RINGING, &tag);
                self.respond(id, &request, Status::OK, &tag);
                // An error means that the demonstration is ending.
                let _ = invites.send(request);
            } else {
                self.respond(id, &request, Status::OK, &tag);
            }
        }
    }

    fn invite(&mut self, edge: SocketAddr, caller: &str, callee: &str) -> Request {
        let host = edge.ip();
        let mut invite = Request::new(Method::Invite, format!("sip:{callee}@{edge};user=phone"));
        let (tag, call_id) = (self.ids.tag(), self.ids.call_id());
        let headers = invite.headers_mut();
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, format!("<sip:{caller}@{host};user=phone>;tag={tag}"));
        headers.push(Name::To, format!("<sip:{callee}@{host};user=phone>"));
        headers.push(Name::CallId, call_id.to_string());
        headers.push(Name::CSeq, "1 INVITE");
        headers.push(Name::Contact, format!("<sip:{}>", self.local));
        headers.push(Name::ContentType, SDP);
        invite.set_body(self.session_description());
        invite
    }

    /// Sends a response. Sends a 2xx only once, because loopback loses no datagrams. If a 2xx is lost, the call fails.
    fn respond(&mut self, id: ServerId, request: &Request, status: Status, tag: &str) {
        let mut response = Response::to_request(request, status);
        let to = request.headers().get(Name::To).unwrap_or_default();
        if To::parse(to).is_ok_and(|to| to.tag().is_none()) {
            response.headers_mut().set(Name::To, [to, b";tag=", tag.as_bytes()].concat());
        }
        if *request.method() == Method::Invite {
            response.headers_mut().push(Name::Contact, format!("<sip:{}>", self.local));
            if status.is_success() {
                response.headers_mut().push(Name::ContentType, SDP);
                response.set_body(self.session_description());
            }
        }
        self.endpoint.respond(Clock::mono(), id, &response);
    }

    /// Returns a session description with one inactive audio stream.
    fn session_description(&self) -> Bytes {
        let host = self.local.ip();
        Bytes::from(format!(
            "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=inactive\r\n"
        ))
    }

    fn request(&mut self, now: Instant, request: Request, to: SocketAddr) -> Result<ClientId, CallError> {
        let flow = Flow::udp(self.local, to);
        self.endpoint.request(now, request, flow, &self.sent_by).map_err(|_| CallError::Busy)
    }

    async fn final_response(&mut self, wanted: ClientId) -> Result<Response, CallError> {
        loop {
            let event = self.next_event().await?;
            if let Event::Response { id, response, .. } = event {
                if id == wanted && response.status().is_final() {
                    return Ok(response);
                }
            } else if let Event::ClientFailed { id, .. } = event
                && id == wanted
            {
                return Err(CallError::Timeout);
            }
        }
    }

    /// Drives the endpoint until the endpoint has an event, and returns the event.
    async fn next_event(&mut self) -> io::Result<Event> {
        loop {
            let deadline = match self.endpoint.poll_output() {
                Output::Transmit(transmit) => {
                    self.transmit(&transmit).await?;
                    continue;
                }
                Output::Event(event) => return Ok(event),
                Output::Timeout(deadline) => deadline,
            };
            let alarm = sleep_until(deadline.unwrap_or_else(|| Clock::mono() + CALL_TIMEOUT).into());
            tokio::select! {
                received = self.socket.recv_from(&mut self.buffer) => {
                    let (octets, remote) = received?;
                    let data = Bytes::copy_from_slice(self.buffer.get(..octets).unwrap_or_default());
                    self.capture(self.peer, self.party, &data);
                    let flow = Flow::udp(self.local, remote);
                    self.endpoint.handle_input(Clock::mono(), Input::Datagram { flow, data });
                }
                () = alarm => self.endpoint.handle_input(Clock::mono(), Input::Timeout),
            }
        }
    }

    async fn transmit(&mut self, transmit: &Transmit) -> io::Result<()> {
        self.capture(self.party, self.peer, &transmit.payload);
        self.socket.send_to(&transmit.payload, transmit.flow.remote).await.map(drop)
    }

    fn capture(&self, from: Party, to: Party, data: &Bytes) {
        // An error means that the demonstration is ending.
        let _ = self.captures.send(CapturedDatagram { at: Clock::mono(), from, to, data: data.clone() });
    }
}

/// The dialog state of the caller (RFC 3261 section 12.1.2). The route set is empty, because there is one hop.
struct Dialog<'a> {
    invite: &'a Request,
    to: &'a [u8],
    target: Bytes,
}

impl<'a> Dialog<'a> {
    fn of(invite: &'a Request, answer: &'a Response) -> Result<Self, CallError> {
        let to = answer.headers().get(Name::To).ok_or(CallError::NoDialog)?;
        To::parse(to).ok().and_then(|to| to.tag()).ok_or(CallError::NoDialog)?;
        let contact =
            answer.headers().read::<Contact<'_>>().and_then(Result::ok).ok_or(CallError::NoDialog)?;
        let target = contact.address().ok_or(CallError::NoDialog)?.uri().as_bytes();
        Ok(Self { invite, to, target: Bytes::copy_from_slice(target) })
    }

    fn request(&self, method: Method, cseq: u32) -> Request {
        let sequence = format!("{cseq} {}", method.as_str());
        let mut request = Request::new(method, self.target.clone());
        let headers = request.headers_mut();
        headers.push(Name::MaxForwards, "70");
        for name in [Name::From, Name::CallId] {
            headers.push(name, self.invite.headers().get(name).unwrap_or_default());
        }
        headers.push(Name::To, self.to);
        headers.push(Name::CSeq, sequence);
        request
    }
}

/// Reports why a call failed.
#[derive(Debug)]
pub(super) enum CallError {
    /// A final response other than 2xx.
    Refused(Status),
    /// No final response arrived.
    Timeout,
    /// Too many transactions of earlier calls are still active.
    Busy,
    /// The response creates no dialog: its To tag or its Contact is missing.
    NoDialog,
    /// The socket failed.
    Socket(io::Error),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "refused with {}", status.code()),
            Self::Timeout => f.write_str("no final response arrived"),
            Self::Busy => f.write_str("too many transactions of earlier calls are still active"),
            Self::NoDialog => f.write_str("the response creates no dialog"),
            Self::Socket(error) => write!(f, "the socket failed: {error}"),
        }
    }
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

const SDP: &str = "application/sdp";
const MAX_DATAGRAM: usize = 65_535;
/// The longest time for one call. A call on loopback takes much less time.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
