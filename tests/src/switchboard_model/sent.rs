//! The requests that a peer sends, and the responses that it receives.

use std::time::Instant;

use attesta_sip::{Name, Response};
use bytes::Bytes;

use super::dialog::{Dialog, Stage};
use super::message::{Draft, OFFER, branch, cseq, edge_uri, tag, text};
use super::peer::{GIVES_UP, Peer};

/// A request that the peer sent.
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) branch: String,
    pub(super) uri: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) call_id: String,
    pub(super) seq: u32,
    pub(super) call: Option<usize>,
    /// The dialog of the request. `None` outside any dialog, and for a request that names an unknown dialog.
    pub(super) dialog: Option<usize>,
    pub(super) at: Instant,
    pub(super) octets: Bytes,
    pub(super) rang: bool,
    pub(super) done: Option<u16>,
    pub(super) cancelled: bool,
}

/// The fault of a request within a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The CSeq number is lower than earlier numbers.
    Sequence,
    /// The To tag has the form of the edge's tags, but identifies no dialog.
    Tag,
}

/// A request outside any dialog.
pub(super) struct Outside<'a> {
    pub(super) method: &'a str,
    pub(super) number: &'a str,
    pub(super) call: Option<usize>,
    /// Further header lines, each with its line end.
    pub(super) rest: &'a str,
    pub(super) body: &'a str,
}

impl Sent {
    /// Returns true if the peer retransmits the request over an unreliable transport.
    pub(super) fn waits(&self, now: Instant) -> bool {
        let invite = self.method == "INVITE";
        self.done.is_none() && !(invite && self.rang) && now.duration_since(self.at) < GIVES_UP
    }

    /// Returns true if the request is an INVITE without a final response and without a CANCEL.
    pub(super) fn may_be_cancelled(&self, now: Instant) -> bool {
        let young = now.duration_since(self.at) < 4 * GIVES_UP;
        self.method == "INVITE" && self.rang && self.done.is_none() && !self.cancelled && young
    }
}

impl Peer {
    /// Sends a request outside any dialog.
    pub(super) fn asks(&mut self, now: Instant, outside: &Outside<'_>) {
        let (serial, place) = (self.next_serial(), self.place);
        let uri = format!("sip:{}@edge.example", outside.number);
        let sent = Sent {
            method: outside.method.to_owned(),
            branch: format!("z9hG4bKp{place}n{serial}"),
            from: format!("<sip:+12155551212@caller.example>;tag=p{place}n{serial}"),
            to: format!("<{uri}>"),
            call_id: format!("p{place}n{serial}@192.0.2.1"),
            uri,
            seq: 1,
            call: outside.call,
            dialog: None,
            at: now,
            octets: Bytes::new(),
            rang: false,
            done: None,
            cancelled: false,
        };
        self.leaves(sent, outside.rest, outside.body);
    }

    /// Sends a request within a dialog. Sends an INVITE only if the dialog allows one.
    pub(super) fn requests(
        &mut self,
        now: Instant,
        dialog: usize,
        method: &str,
        session: bool,
        fault: Option<Fault>,
    ) {
        let (serial, place) = (self.next_serial(), self.place);
        let Some(leg) = self.dialogs.get_mut(dialog) else { return };
        let unfit = match (method, leg.stage) {
            (_, Stage::Ended) => true,
            ("BYE", Stage::Early) => !leg.calling,
            ("PRACK", _) => leg.reliable.is_none(),
            _ => false,
        };
        if unfit || (method == "BYE" && fault == Some(Fault::Sequence)) {
            return;
        }
        let seq = if fault == Some(Fault::Sequence) { 0 } else { leg.seq + 1 };
        leg.seq = leg.seq.max(seq);
        let to = match fault {
            Some(Fault::Tag) => leg.remote.replace(&leg.remote_tag, &other(&leg.remote_tag)),
            Some(Fault::Sequence) | None => leg.remote.clone(),
        };
        let rest = match leg.reliable {
            Some((response, invite)) if method == "PRACK" => format!("RAck: {response} {invite} INVITE\r\n"),
            Some(_) | None => String::new(),
        };
        if method == "BYE" && fault.is_none() {
            // RFC 3261 section 15 forbids a BYE of the callee before the ACK.
            if leg.stage == Stage::Answered && !leg.calling {
                self.uncertain.push(leg.call);
            }
            leg.stage = Stage::Ended;
        }
        let sent = Sent {
            method: method.to_owned(),
            branch: format!("z9hG4bKp{place}n{serial}"),
            uri: edge_uri(),
            from: leg.local.clone(),
            to,
            call_id: leg.call_id.clone(),
            seq,
            call: leg.call,
            dialog: (fault != Some(Fault::Tag)).then_some(dialog),
            at: now,
            octets: Bytes::new(),
            rang: false,
            done: None,
            cancelled: false,
        };
        self.leaves(sent, &rest, if session { OFFER } else { "" });
    }

    /// Cancels an INVITE.
    pub(super) fn cancels(&mut self, now: Instant, place: usize) {
        let Some(invite) = self.sent.get_mut(place).filter(|sent| sent.may_be_cancelled(now)) else { return };
        invite.cancelled = true;
        let cancel = Sent {
            method: "CANCEL".to_owned(),
            branch: invite.branch.clone(),
            uri: invite.uri.clone(),
            from: invite.from.clone(),
            to: invite.to.clone(),
            call_id: invite.call_id.clone(),
            seq: invite.seq,
            call: invite.call,
            dialog: invite.dialog,
            at: now,
            octets: Bytes::new(),
            rang: false,
            done: None,
            cancelled: false,
        };
        self.leaves(cancel, "", "");
    }

    fn leaves(&mut self, mut sent: Sent, rest: &str, body: &str) {
        sent.octets = self.print(&sent, &sent.method, &sent.to, &sent.branch, rest, body);
        self.sends(sent.octets.clone());
        self.sent.push(sent);
    }

    fn print(&self, sent: &Sent, method: &str, to: &str, branch: &str, rest: &str, body: &str) -> Bytes {
        let Sent { uri, from, call_id, seq, .. } = sent;
        let (address, transport, seq) = (self.address, self.transport, *seq);
        Draft { method, uri, address, transport, branch, from, to, call_id, seq, rest, body }.print()
    }

    /// Sends the ACKs that are due in a dialog.
    pub(super) fn acknowledges(&mut self, place: usize) {
        let Some(dialog) = self.dialogs.get(place) else { return };
        let due: Vec<u32> =
            dialog.acks.iter().filter(|(_, ack)| ack.is_none()).map(|(seq, _)| *seq).collect();
        for seq in due {
            let serial = self.next_serial();
            let Some(dialog) = self.dialogs.get(place) else { return };
            let octets = Draft {
                method: "ACK",
                uri: &edge_uri(),
                address: self.address,
                transport: self.transport,
                branch: &format!("z9hG4bKp{}n{serial}", self.place),
                from: &dialog.local,
                to: &dialog.remote,
                call_id: &dialog.call_id,
                seq,
                rest: "",
                body: "",
            }
            .print();
            self.sends(octets.clone());
            if let Some(dialog) = self.dialogs.get_mut(place) {
                dialog
                    .acks
                    .iter_mut()
                    .filter(|(each, _)| *each == seq)
                    .for_each(|(_, ack)| *ack = Some(octets.clone()));
                if dialog.stage == Stage::Answered {
                    dialog.stage = Stage::Established;
                }
            }
        }
    }

    pub(super) fn responded(&mut self, response: &Response) {
        let (headers, status) = (response.headers(), response.status().code());
        let branch = branch(headers);
        let Some((seq, method)) = cseq(headers) else { return };
        let matches = |sent: &Sent| sent.branch == branch && sent.method == method;
        let Some(place) = self.sent.iter().position(matches) else { return };
        let Some(sent) = self.sent.get_mut(place) else { return };
        sent.rang |= status < 200;
        if status >= 200 && sent.done.is_none() {
            sent.done = Some(status);
        }
        let (call, within) = (sent.call, sent.dialog);
        let remote = tag(headers, Name::To);
        let dialog = within.or_else(|| {
            let known =
                self.dialogs.iter().position(|each| each.branch == branch && each.remote_tag == remote);
            known.or_else(|| {
                let makes = method == "INVITE" && (101..300).contains(&status) && !remote.is_empty();
                makes.then(|| {
                    self.dialogs.push(Dialog::calling(response, call, branch.clone(), seq));
                    self.dialogs.len() - 1
                })
            })
        });
        match status {
            100..=199 => self.rings(response, dialog, seq),
            200..=299 if method == "INVITE" => self.picked_up(dialog, seq),
            200..=299 => {}
            _ if method == "INVITE" => self.declined(place, response, within),
            _ => self.loses(within, &method, status),
        }
    }

    fn rings(&mut self, response: &Response, dialog: Option<usize>, seq: u32) {
        let number = response
            .headers()
            .get(Name::RSeq)
            .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        if let (Some(number), Some(dialog)) = (number, dialog.and_then(|place| self.dialogs.get_mut(place))) {
            dialog.reliable = Some((number, seq));
        }
    }

    /// Handles a 2xx. A repeated 2xx gets its ACK again.
    fn picked_up(&mut self, place: Option<usize>, seq: u32) {
        let Some(dialog) = place.and_then(|place| self.dialogs.get_mut(place)) else { return };
        match dialog.acks.iter().find(|(each, _)| *each == seq) {
            Some((_, Some(ack))) => {
                let ack = ack.clone();
                return self.sends(ack);
            }
            Some((_, None)) => {}
            None => dialog.acks.push((seq, None)),
        }
        match dialog.stage {
            Stage::Early => dialog.stage = Stage::Answered,
            Stage::Ended => self.acknowledges(place.unwrap_or_default()),
            Stage::Answered | Stage::Established => {}
        }
    }

    fn declined(&mut self, place: usize, response: &Response, within: Option<usize>) {
        let Some(sent) = self.sent.get(place) else { return };
        let ack = self.print(sent, "ACK", &text(response.headers(), Name::To), &sent.branch, "", "");
        let branch = sent.branch.clone();
        self.sends(ack);
        if within.is_none() {
            let early = |each: &&mut Dialog| each.branch == branch && each.stage == Stage::Early;
            self.dialogs.iter_mut().filter(early).for_each(|dialog| dialog.stage = Stage::Ended);
        }
        self.loses(within, "INVITE", response.status().code());
    }

    /// Ends the dialog of a peer that receives a 481 (RFC 3261 section 12.2.1.2).
    fn loses(&mut self, dialog: Option<usize>, method: &str, status: u16) {
        let Some(dialog) = dialog.and_then(|place| self.dialogs.get_mut(place)) else { return };
        if status != 481 || method == "CANCEL" || dialog.stage == Stage::Early {
            return;
        }
        // The request of the callee arrived at the edge before its 2xx.
        if dialog.stage == Stage::Answered && !dialog.calling {
            self.uncertain.push(dialog.call);
        }
        dialog.stage = Stage::Ended;
    }
}

/// Returns another tag of the same form.
fn other(tag: &str) -> String {
    let (rest, last) = tag.split_at(tag.len().saturating_sub(1));
    let last = if last == "0" { "1" } else { "0" };
    format!("{rest}{last}")
}
