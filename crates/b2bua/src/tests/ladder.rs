//! What Alice and Bob do, as the steps of a ladder.

use attesta_sip::{Name, Request, Response};

use super::rig::{
    ACK, ALICE, ANSWER, BOB, CALLEE, CALLER, CANCEL, INVITE, OFFER, Rig, contact, dialog_forming, edge,
    header, in_dialog, outside_dialog, request, uri, value,
};
use crate::Policy;

/// A dialog between Alice and Bob.
pub(super) struct Talk {
    /// The INVITE that Bob got.
    pub(super) invite: Request,
    /// The response that established the dialog, as Alice got it.
    pub(super) ok: Response,
}

impl Talk {
    /// The header fields of a request of Alice within the dialog.
    pub(super) fn alice(&self, method: &str, seq: u32) -> String {
        let [from, to, call_id] = [Name::From, Name::To, Name::CallId].map(|name| header(&self.ok, name));
        in_dialog(&from, &to, &call_id, method, seq)
    }

    /// The header fields of a request of Bob within the dialog.
    fn bob(&self, method: &str, seq: u32) -> String {
        let [from, to, call_id] = [Name::From, Name::To, Name::CallId].map(|name| value(&self.invite, name));
        in_dialog(&format!("{to};tag=b"), &from, &call_id, method, seq)
    }
}

impl<P: Policy> Rig<P> {
    /// `from` sends the INVITE of a new call.
    pub(super) fn invites(&mut self, from: &str, uri: &str, call_id: &str) {
        self.request(from, INVITE, uri, &outside_dialog(INVITE, call_id, ""), OFFER);
    }

    /// Alice sends an INVITE for Bob. `headers` are added to the header fields that an INVITE needs.
    pub(super) fn invite(&mut self, headers: &str) {
        self.request(ALICE, INVITE, &uri(CALLEE), &dialog_forming(headers), OFFER);
    }

    /// Alice calls Bob. Returns the INVITE that Bob gets.
    pub(super) fn alice_calls(&mut self, headers: &str) -> Request {
        self.invite(headers);
        self.gets_request(BOB, INVITE)
    }

    /// Bob sends a 180. Returns the 180 that Alice gets.
    pub(super) fn bob_rings(&mut self, invite: &Request) -> Response {
        self.reply(BOB, invite, 180, "b", &contact(BOB));
        self.gets_response(ALICE, 180)
    }

    /// Bob sends a 200 with an answer. Returns the 200 that Alice gets.
    pub(super) fn bob_answers(&mut self, invite: &Request) -> Response {
        self.reply_with(BOB, invite, 200, "b", &contact(BOB), ANSWER);
        self.gets_response(ALICE, 200)
    }

    /// Alice cancels her first INVITE. She gets a 200 for the CANCEL and a 487 for the INVITE.
    pub(super) fn alice_cancels(&mut self) {
        self.receives(ALICE, alice_cancel());
        self.gets_response(ALICE, 200);
        self.gets_response(ALICE, 487);
    }

    /// Alice calls, Bob rings: an early dialog.
    pub(super) fn rings(&mut self) -> Talk {
        let invite = self.alice_calls("");
        let ok = self.bob_rings(&invite);
        Talk { invite, ok }
    }

    /// Alice calls, Bob answers. The ACK of Alice is missing.
    pub(super) fn answered(&mut self) -> Talk {
        self.answered_with("")
    }

    /// [`Self::answered`], with `headers` in the INVITE of Alice.
    pub(super) fn answered_with(&mut self, headers: &str) -> Talk {
        let invite = self.alice_calls(headers);
        let ok = self.bob_answers(&invite);
        Talk { invite, ok }
    }

    /// Alice calls, Bob answers, Alice acknowledges.
    pub(super) fn talk(&mut self) -> Talk {
        let talk = self.answered();
        self.alice_sends(&talk, ACK, 1);
        self.gets_request(BOB, ACK);
        self.is_silent();
        talk
    }

    /// Alice sends a request within the dialog. `seq` is its CSeq number.
    pub(super) fn alice_sends(&mut self, talk: &Talk, method: &str, seq: u32) {
        self.alice_sends_with(talk, method, seq, "", "");
    }

    pub(super) fn alice_sends_with(
        &mut self,
        talk: &Talk,
        method: &str,
        seq: u32,
        headers: &str,
        body: &str,
    ) {
        self.request(ALICE, method, &edge(), &(talk.alice(method, seq) + headers), body);
    }

    /// Alice sends a re-INVITE with an offer.
    pub(super) fn alice_re_invites(&mut self, talk: &Talk, seq: u32) {
        self.alice_sends_with(talk, INVITE, seq, &session_of(ALICE), OFFER);
    }

    /// Bob sends a request within the dialog. `seq` is its CSeq number.
    pub(super) fn bob_sends(&mut self, talk: &Talk, method: &str, seq: u32) {
        self.bob_sends_with(talk, method, seq, "", "");
    }

    pub(super) fn bob_sends_with(&mut self, talk: &Talk, method: &str, seq: u32, headers: &str, body: &str) {
        self.request(BOB, method, &edge(), &(talk.bob(method, seq) + headers), body);
    }
}

/// The header fields of a re-INVITE with an offer, beside those of its dialog.
pub(super) fn session_of(at: &str) -> String {
    format!("Contact: <sip:{at}>\r\nContent-Type: application/sdp\r\n")
}

/// The CANCEL of the first INVITE of Alice.
pub(super) fn alice_cancel() -> String {
    let headers = "Call-ID: call-1\r\nCSeq: 1 CANCEL\r\nReason: SIP;cause=200;text=\"elsewhere\"\r\n";
    let headers = format!("{headers}From: \"Alice\" <{}>;tag=a\r\nTo: <{}>\r\n", uri(CALLER), uri(CALLEE));
    request(ALICE, CANCEL, &uri(CALLEE), "z9hG4bK1", &headers, "")
}
