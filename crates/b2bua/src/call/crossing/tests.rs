//! Tests of the table. One test compares `docs/crossings.md` with the rows.

use std::fmt::Write as _;
use std::{env, fs};

use super::*;

impl Arrival {
    const ALL: [Self; 18] = [
        Self::Bye,
        Self::Invite,
        Self::UpdateWithOffer,
        Self::OwnPrack,
        Self::UnknownPrack,
        Self::OfRefer,
        Self::Request,
        Self::Replaces,
        Self::Cancel,
        Self::UsageGone,
        Self::ByeChallenged,
        Self::ByeAnswered,
        Self::Final,
        Self::NotSent,
        Self::ByeNotSent,
        Self::PeerLost,
        Self::NotAcknowledged,
        Self::LateSuccess,
    ];

    const fn text(self) -> &'static str {
        match self {
            Self::Bye => "BYE",
            Self::Invite => "INVITE",
            Self::UpdateWithOffer => "UPDATE with an offer",
            Self::OwnPrack => "PRACK of a response of our own",
            Self::UnknownPrack => "PRACK of no response that we sent",
            Self::OfRefer => "NOTIFY or SUBSCRIBE of the subscription of a REFER",
            Self::Request => "any other request",
            Self::Replaces => "INVITE with Replaces of the near leg",
            Self::Cancel => "CANCEL",
            Self::UsageGone => "481, 408 or no response to INVITE, UPDATE or INFO",
            Self::ByeChallenged => "401 or 407 to BYE",
            Self::ByeAnswered => "any other final response to BYE, or none",
            Self::Final => "any other final response, or none",
            Self::NotSent => "a relayed request could not be sent",
            Self::ByeNotSent => "a relayed BYE could not be sent",
            Self::PeerLost => "two requests in a row could not be sent over TLS",
            Self::NotAcknowledged => "no ACK of our 2xx within 64*T1",
            Self::LateSuccess => "2xx that comes too late for its INVITE",
        }
    }
}

impl Crossing {
    fn text(self) -> String {
        match self {
            Self::Relay => "relay".to_owned(),
            Self::RelayBye => "relay; the response crosses, or 200 after 3 s".to_owned(),
            Self::Answer(status, _) => status.code().to_string(),
            Self::Acknowledged => "200, or 488 to an offer".to_owned(),
            Self::RetryAfter(_) => "500 with Retry-After".to_owned(),
            Self::AnswerAndEnd => "200; ACK if it is due, CANCEL and BYE to the other side".to_owned(),
            Self::EndUnanswered => "487 to the caller, CANCEL to the callee; 200 to a BYE".to_owned(),
            Self::EndUsage => "relay; BYE to both sides".to_owned(),
            Self::RelayAndEnd => "relay; the call is over".to_owned(),
            Self::OkAndEnd => "200 to the BYE; our own BYE to the other side".to_owned(),
            Self::Unavailable => "503; the call continues".to_owned(),
            Self::UnavailableAndEnd => "503; BYE to both sides".to_owned(),
            Self::ByeToBoth => "BYE to both sides".to_owned(),
            Self::Swap => {
                "re-INVITE to the other side; its 2xx exchanges the legs, BYE to the replaced leg".to_owned()
            }
            Self::AckAndBye => "ACK and BYE".to_owned(),
            Self::Absorb => "nothing".to_owned(),
        }
    }
}

impl For {
    const fn text(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::EarlyCaller => "early, caller",
            Self::EarlyCallee => "early, callee",
            Self::Early => "early",
            Self::Over => "a BYE was sent or received",
            Self::AwaitsAck => "our 2xx is not acknowledged",
            Self::TheirInvite => "its own INVITE is unanswered",
            Self::OurInvite => "our INVITE to it is unanswered",
            Self::TheirOffer => "its own offer is open",
            Self::OurOffer => "our offer is open",
            Self::InInvite => "an INVITE is unanswered, or our 2xx is not acknowledged",
            Self::Negotiates => "an INVITE or an offer is unanswered, or our 2xx is not acknowledged",
            Self::Full => "too many requests in flight",
            Self::BuiltInCallee => "the built-in callee",
        }
    }
}

/// Returns every situation of a leg.
fn situations() -> Vec<Situation> {
    let mut all = Vec::new();
    let pending = [Pending::None, Pending::Theirs, Pending::Ours];
    for side in [Side::Caller, Side::Callee] {
        for usage in [Usage::Early, Usage::Confirmed, Usage::Over] {
            for invite in pending {
                for offer in pending {
                    for (awaits_ack, is_full) in [(false, false), (false, true), (true, false), (true, true)]
                    {
                        all.push(Situation { side, usage, awaits_ack, invite, offer, is_full });
                    }
                }
            }
        }
    }
    all
}

#[test]
fn every_arrival_has_a_verdict_in_every_situation_and_every_row_fires() {
    let legs = situations();
    let mut fired = vec![0_u64; ROWS.len()];
    for arrival in Arrival::ALL {
        for near in &legs {
            for far in legs.iter().map(Some).chain([None]) {
                let row = ROWS.iter().position(|row| fits(row, arrival, near, far));
                let row = row.unwrap_or_else(|| panic!("{arrival:?} on {near:?} with {far:?} has no row"));
                fired[row] += 1;
            }
        }
    }
    for (row, count) in ROWS.iter().zip(fired) {
        assert!(count > 0, "{row:?} never fires");
    }
}

#[test]
fn the_rows_of_one_arrival_stand_together_and_the_last_has_no_condition() {
    for arrival in Arrival::ALL {
        let places: Vec<_> = (0..ROWS.len()).filter(|place| ROWS[*place].arrival == arrival).collect();
        let (first, last) = (places[0], places[places.len() - 1]);
        assert_eq!(last - first + 1, places.len(), "{arrival:?}");
        assert_eq!((ROWS[last].near, ROWS[last].far), (For::Any, For::Any), "{arrival:?}");
    }
}

/// Returns the text of the page.
fn page() -> String {
    let mut page = HEAD.to_owned();
    for row in ROWS {
        let (arrival, near, far) = (row.arrival.text(), row.near.text(), row.far.text());
        let _ = writeln!(page, "| {arrival} | {near} | {far} | {} | {} |", row.crossing.text(), row.source);
    }
    page
}

#[test]
fn the_page_is_printed_from_the_rows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/crossings.md");
    if env::var_os("ATTESTA_PRINT_CROSSINGS").is_some() {
        fs::write(path, page()).expect("docs/ can be written");
    }
    let printed = fs::read_to_string(path).expect("docs/crossings.md is part of the tree");
    assert!(printed == page(), "docs/crossings.md is not up to date: run `just crossings`");
}

const HEAD: &str = "\
# Crossings

A call has two legs. This table decides what the edge does with a message of one leg: relay it to the other leg, answer it, or
end the call. The first row that fits wins. `just crossings` prints this page from the rows in
`crates/b2bua/src/call/crossing.rs`.

The near leg is the leg on which a request arrives. For a response, the near leg is the leg of the peer that sent the request.
A leg is early until its INVITE has a 2xx. An offer is open until it has an answer (RFC 3264 section 4).

| arrival | near leg | far leg | crossing | source |
|---|---|---|---|---|
";
