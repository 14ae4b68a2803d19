//! One side of the calls: a user agent that keeps enough state to send valid messages.

use std::time::{Duration, Instant};

use attesta_sip::{Headers, Message, Name, Request, Response, Status};
use attesta_transaction::{Flow, Transport};
use bytes::Bytes;

use super::dialog::{Dialog, Stage};
use super::edge::{EDGE, address};
use super::message::{OFFER, branch, call, contact, cseq, tag, text};
use super::sent::Sent;

/// A peer: its dialogs, its received requests and its sent requests.
pub(super) struct Peer {
    pub(super) place: usize,
    pub(super) address: &'static str,
    pub(super) transport: Transport,
    pub(super) dialogs: Vec<Dialog>,
    pub(super) asked: Vec<Asked>,
    pub(super) sent: Vec<Sent>,
    pub(super) unacknowledged: Vec<Unacknowledged>,
    pub(super) out: Vec<(Flow, Bytes)>,
    /// Calls that the two sides may see differently from now on. Either the peer did something that RFC 3261 forbids, or a
    /// message was not sent.
    pub(super) uncertain: Vec<Option<usize>>,
    pub(super) serial: u32,
}

/// A request that the peer received.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) method: String,
    pub(super) branch: String,
    pub(super) flow: Flow,
    /// The time of its arrival, or of its final response.
    pub(super) at: Instant,
    pub(super) call: Option<usize>,
    /// `None` for a request outside any dialog.
    pub(super) dialog: Option<usize>,
    pub(super) last: Option<Bytes>,
    pub(super) rang: bool,
    /// True if a provisional response has arrived at the switchboard in time.
    pub(super) heard: bool,
    pub(super) done: Option<u16>,
    pub(super) cancelled: bool,
    /// True if the ACK of a final response other than 2xx has arrived.
    pub(super) acknowledged: bool,
}

/// A 2xx to an INVITE that waits for its ACK.
pub(super) struct Unacknowledged {
    dialog: usize,
    seq: u32,
    flow: Flow,
    response: Bytes,
    at: Instant,
}

impl Peer {
    pub(super) fn new(place: usize, (address, transport): (&'static str, Transport)) -> Self {
        Self {
            place,
            address,
            transport,
            dialogs: Vec::new(),
            asked: Vec::new(),
            sent: Vec::new(),
            unacknowledged: Vec::new(),
            out: Vec::new(),
            uncertain: Vec::new(),
            serial: 0,
        }
    }

    /// Returns the flow on which the edge receives the peer's messages.
    pub(super) fn flow(&self) -> Flow {
        Flow { transport: self.transport, ..Flow::udp(address(EDGE), address(self.address)) }
    }

    pub(super) fn sends(&mut self, message: Bytes) {
        let flow = self.flow();
        self.out.push((flow, message));
    }

    /// Returns the number of dialogs of this call that the peer considers established.
    pub(super) fn established(&self, call: usize) -> usize {
        let held = |dialog: &&Dialog| dialog.call == Some(call) && dialog.stage == Stage::Established;
        self.dialogs.iter().filter(held).count()
    }

    pub(super) fn receives(&mut self, now: Instant, flow: Flow, message: Message) {
        match message {
            Message::Request(request) => self.requested(now, flow, request),
            Message::Response(response) => self.responded(&response),
        }
    }

    fn requested(&mut self, now: Instant, flow: Flow, request: Request) {
        let headers = request.headers();
        let (branch, call) = (branch(headers), call(headers));
        let Some((seq, method)) = cseq(headers) else { return };
        let local = tag(headers, Name::To);
        let dialog = self.dialog_of(headers, Name::To, Name::From);
        if method == "ACK" {
            return self.acknowledged(&branch, dialog, seq);
        }
        if let Some(asked) = self.asked.iter().find(|each| each.branch == branch && each.method == method) {
            self.out.extend(asked.last.iter().map(|last| (asked.flow.clone(), last.clone())));
            return;
        }
        let stage = dialog.and_then(|place| Some(self.dialogs.get(place)?.stage));
        let call = dialog.and_then(|place| self.dialogs.get(place)?.call).or(call);
        self.asked.push(Asked {
            request,
            method: method.clone(),
            branch: branch.clone(),
            flow,
            at: now,
            call,
            dialog,
            last: None,
            rang: false,
            heard: false,
            done: None,
            cancelled: false,
            acknowledged: false,
        });
        let place = self.asked.len() - 1;
        if method == "CANCEL" {
            let invite = |each: &&mut Asked| each.branch == branch && each.method == "INVITE";
            self.asked.iter_mut().filter(invite).for_each(|invite| invite.cancelled = true);
            return self.answers(now, place, 200, 0, false);
        }
        // The request belongs to a dialog that the peer does not have, or no longer has.
        if !local.is_empty() && matches!(stage, None | Some(Stage::Ended)) {
            return self.answers(now, place, 481, 0, false);
        }
        if let Some(dialog) = dialog.and_then(|place| self.dialogs.get_mut(place))
            && method == "BYE"
        {
            dialog.stage = Stage::Ended;
        }
    }

    fn acknowledged(&mut self, branch: &str, dialog: Option<usize>, seq: u32) {
        let failed = |each: &&mut Asked| each.branch == branch && each.method == "INVITE";
        self.asked.iter_mut().filter(failed).for_each(|invite| invite.acknowledged = true);
        let Some(place) = dialog else { return };
        let before = self.unacknowledged.len();
        self.unacknowledged.retain(|each| each.dialog != place || each.seq != seq);
        if let Some(dialog) = self.dialogs.get_mut(place)
            && dialog.stage == Stage::Answered
            && self.unacknowledged.len() < before
        {
            dialog.stage = Stage::Established;
        }
    }

    /// Answers a request. If the request already has its final response, repeats the last response. Only an INVITE may be
    /// answered in several dialogs.
    pub(super) fn answers(&mut self, now: Instant, place: usize, status: u16, fork: usize, reliable: bool) {
        let serial = self.next_serial();
        let (address, transport) = (self.address, self.transport);
        let Some(asked) = self.asked.get(place) else { return };
        let begins = asked.dialog.is_none() && asked.method == "INVITE";
        let again = match asked.done {
            Some(done) => !(begins && done < 300 && (200..300).contains(&status)),
            None => false,
        };
        let Some(status_line) = Status::new(status) else { return };
        if again {
            self.out.extend(asked.last.iter().map(|last| (asked.flow.clone(), last.clone())));
            return;
        }
        let mut response = Response::to_request(&asked.request, status_line);
        if status > 100 && tag(response.headers(), Name::To).is_empty() {
            response.set_to_tag(&format!("fork{fork}"));
        }
        let session = asked.method == "INVITE" || asked.method == "UPDATE";
        if session && status > 100 && status < 300 {
            let line = contact(address, transport);
            let value = line.trim_end().trim_start_matches("Contact: ").to_owned();
            response.headers_mut().push(Name::Contact, value);
            if status >= 200 || reliable {
                response.headers_mut().push(Name::ContentType, "application/sdp");
                response.set_body(OFFER);
            }
            if status < 200 && reliable {
                response.headers_mut().push(Name::Require, "100rel");
                response.headers_mut().push(Name::RSeq, serial.to_string());
            }
        }
        self.answered(now, place, status, begins, &response);
    }

    fn answered(&mut self, now: Instant, place: usize, status: u16, begins: bool, response: &Response) {
        let octets = response.to_bytes();
        let dialog = match self.asked.get(place) {
            Some(asked) if begins && (101..300).contains(&status) => {
                let known = self.dialog_of(response.headers(), Name::To, Name::From);
                let made = Dialog::answering(response, asked.call, asked.branch.clone());
                Some(known.unwrap_or_else(|| {
                    self.dialogs.push(made);
                    self.dialogs.len() - 1
                }))
            }
            Some(asked) => asked.dialog,
            None => None,
        };
        let Some(asked) = self.asked.get_mut(place) else { return };
        let seq = cseq(asked.request.headers()).map_or(0, |(seq, _)| seq);
        asked.rang |= status < 200 && now.duration_since(asked.at) < IN_TIME;
        asked.last = Some(octets.clone());
        if status >= 200 {
            asked.done = Some(status);
        }
        let (flow, invite, call, age) =
            (asked.flow.clone(), asked.method == "INVITE", asked.call, now.duration_since(asked.at));
        if status >= 200 {
            asked.at = now;
        }
        self.out.push((flow.clone(), octets.clone()));
        if let Some(place) = dialog
            && let Some(dialog) = self.dialogs.get_mut(place)
        {
            let was = dialog.stage;
            if begins && (200..300).contains(&status) && was == Stage::Early {
                dialog.stage = Stage::Answered;
            }
            if invite && (200..300).contains(&status) && was != Stage::Ended {
                self.unacknowledged.push(Unacknowledged {
                    dialog: place,
                    seq,
                    flow,
                    response: octets,
                    at: now,
                });
            }
        }
        self.refuses(place, status, begins, call, age);
    }

    /// Applies a refusal to the dialogs of the peer (RFC 3261 section 12.2.1.2).
    fn refuses(&mut self, place: usize, status: u16, begins: bool, call: Option<usize>, age: Duration) {
        let Some(asked) = self.asked.get(place) else { return };
        if begins && status >= 300 {
            let branch = asked.branch.clone();
            let early = |each: &&mut Dialog| each.branch == branch && each.stage == Stage::Early;
            self.dialogs.iter_mut().filter(early).for_each(|dialog| dialog.stage = Stage::Ended);
        } else if status == 481 || status == 408 {
            let relayed = matches!(asked.method.as_str(), "INVITE" | "UPDATE" | "INFO");
            let dialog = asked.dialog.and_then(|dialog| self.dialogs.get_mut(dialog));
            match dialog {
                Some(dialog) if dialog.stage == Stage::Established && relayed && age < IN_TIME => {
                    if status == 481 {
                        dialog.stage = Stage::Ended;
                    }
                }
                Some(dialog) if dialog.stage != Stage::Ended => self.uncertain.push(call),
                Some(_) | None => {}
            }
        }
    }

    /// Returns the dialog of a message. `local` and `remote` name the header fields with the two tags.
    fn dialog_of(&self, headers: &Headers, local: Name, remote: Name) -> Option<usize> {
        let (call_id, local, remote) =
            (text(headers, Name::CallId), tag(headers, local), tag(headers, remote));
        self.dialogs
            .iter()
            .position(|each| each.call_id == call_id && each.local_tag == local && each.remote_tag == remote)
    }

    pub(super) fn next_serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    /// Repeats the last response to a request.
    pub(super) fn repeats(&mut self, place: usize) {
        let asked = self.asked.get(place);
        self.out.extend(asked.and_then(|asked| Some((asked.flow.clone(), asked.last.clone()?))));
    }

    /// Retransmits messages without an answer, like the timers of RFC 3261 sections 17 and 13.3.1.4.
    pub(super) fn retransmits(&mut self, now: Instant) {
        let unreliable = self.transport == Transport::Udp;
        if unreliable {
            let waiting = self.sent.iter().filter(|sent| sent.waits(now));
            let waiting: Vec<_> = waiting.map(|sent| sent.octets.clone()).collect();
            waiting.into_iter().for_each(|octets| self.sends(octets));
            for asked in &self.asked {
                let failed = asked.method == "INVITE" && asked.done.is_some_and(|done| done >= 300);
                if failed && !asked.acknowledged && now.duration_since(asked.at) < GIVES_UP {
                    self.out.extend(asked.last.iter().map(|last| (asked.flow.clone(), last.clone())));
                }
            }
        }
        let late = |each: &Unacknowledged| now.duration_since(each.at) >= GIVES_UP;
        let given_up: Vec<_> =
            self.unacknowledged.iter().filter(|each| late(each)).map(|each| each.dialog).collect();
        self.unacknowledged.retain(|each| !late(each));
        self.out.extend(self.unacknowledged.iter().map(|each| (each.flow.clone(), each.response.clone())));
        for place in given_up {
            self.requests(now, place, "BYE", false, None);
        }
    }

    /// Does what a peer must do to end all transactions: sends each ACK and answers each request. Answers an INVITE that begins
    /// a call only if `status` gives the response.
    pub(super) fn comes_to_rest(&mut self, now: Instant, status: Option<u16>) {
        for place in 0..self.dialogs.len() {
            self.acknowledges(place);
        }
        for place in 0..self.asked.len() {
            let Some(asked) = self.asked.get(place).filter(|asked| asked.done.is_none()) else { continue };
            let begins = asked.dialog.is_none() && asked.method == "INVITE";
            let status = if asked.cancelled {
                Some(487)
            } else if begins {
                status
            } else {
                Some(200)
            };
            match status {
                Some(status) => self.answers(now, place, status, 0, false),
                // Repeats the provisional response, because it may have been lost.
                None => self.repeats(place),
            }
        }
        self.retransmits(now);
    }
}

/// The edge may have given up a request whose response takes longer than this (RFC 3261 section 17.1).
pub(super) const IN_TIME: Duration = Duration::from_secs(20);
/// 64 T1.
pub(super) const GIVES_UP: Duration = Duration::from_secs(32);
