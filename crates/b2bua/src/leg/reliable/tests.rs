//! Tests of reliable provisional responses.

use attesta_sip::{Request, Status};

use super::*;

const T1: Duration = Duration::from_millis(500);

#[expect(clippy::disallowed_methods, reason = "there is no other instant to start from")]
fn start() -> Instant {
    Instant::now()
}

/// A provisional response to an INVITE.
fn response(status: Status, has_session: bool) -> ProvisionalResponse {
    let invite = Request::new(Method::Invite, "sip:bob@192.0.2.3");
    ProvisionalResponse { response: Response::to_request(&invite, status), has_session }
}

fn ringing() -> ProvisionalResponse {
    response(Status::RINGING, false)
}

fn early_media() -> ProvisionalResponse {
    response(Status::SESSION_PROGRESS, true)
}

fn sender() -> ReliableSender {
    ReliableSender::new(7, 41, T1)
}

fn rack(rseq: u32) -> RAck {
    RAck::new(rseq, 7, Method::Invite)
}

/// The RSeq of a response.
fn rseq(response: Option<&Response>) -> Option<String> {
    let value = response?.headers().get(Name::RSeq)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The RSeq of the response that follows the PRACK of the response with this RSeq.
fn after_prack(sender: &mut ReliableSender, now: Instant, number: u32) -> Option<String> {
    match sender.on_prack(now, &rack(number)) {
        OnPrack::Acknowledges(next) => rseq(next),
        OnPrack::Unknown => panic!("{number} waits for its PRACK"),
    }
}

#[test]
fn a_prack_is_known_once() {
    let mut relayed = RelayedReliable::default();
    relayed.on_relayed(7, 314, 1);
    relayed.on_relayed(7, 314, 1);
    relayed.on_relayed(8, 315, 2);
    assert!(!relayed.awaits(&RAck::new(8, 314, Method::Invite)));
    assert_eq!(relayed.on_prack(&RAck::new(8, 315, Method::Invite)), Some(2));
    assert_eq!(relayed.on_prack(&RAck::new(7, 314, Method::Invite)), Some(1));
    assert_eq!(relayed.on_prack(&RAck::new(7, 314, Method::Invite)), None);
}

#[test]
fn a_flood_of_responses_is_bounded() {
    let mut relayed = RelayedReliable::default();
    for rseq in 0..1_000 {
        relayed.on_relayed(rseq, 1, 1);
    }
    assert_eq!(relayed.waiting.len(), MAX_UNACKNOWLEDGED);
    assert!(relayed.awaits(&RAck::new(999, 1, Method::Invite)));
}

/// RFC 3262 section 3: from 1 to 2^31 - 1.
#[test]
fn the_first_number_leaves_room_for_all_that_follow() {
    assert_eq!(ReliableSender::first_rseq(0), 1);
    assert_eq!(ReliableSender::first_rseq((1 << 31) - 2), (1 << 31) - 1);
    assert_eq!(ReliableSender::first_rseq((1 << 31) - 1), 1);
    assert!((1..1 << 31).contains(&ReliableSender::first_rseq(u64::MAX)));
}

/// RFC 3262 section 3: each RSeq is greater by one, and no response is sent before the PRACK of the response before it.
#[test]
fn responses_are_sent_one_after_the_other() {
    let (start, mut sender) = (start(), sender());
    assert_eq!(rseq(sender.send(start, early_media(), false)).as_deref(), Some("41"));
    assert_eq!(rseq(sender.send(start, ringing(), false)), None);
    assert_eq!(rseq(sender.send(start, ringing(), false)), None);
    assert_eq!(after_prack(&mut sender, start, 41).as_deref(), Some("42"));
    assert_eq!(after_prack(&mut sender, start, 42).as_deref(), Some("43"));
    assert_eq!(after_prack(&mut sender, start, 43), None);
    assert_eq!(sender.deadline(), None);
    assert_eq!(rseq(sender.send(start, ringing(), false)).as_deref(), Some("44"));
}

/// RFC 3262 section 3: method, CSeq number and RSeq must match.
#[test]
fn a_prack_of_no_response_is_unknown() {
    let (start, mut sender) = (start(), sender());
    assert!(!sender.awaits(&rack(41)), "no response was sent");
    sender.send(start, ringing(), false);
    for wrong in [rack(42), RAck::new(41, 8, Method::Invite), RAck::new(41, 7, Method::Update)] {
        assert!(matches!(sender.on_prack(start, &wrong), OnPrack::Unknown), "{wrong}");
    }
    assert_eq!(after_prack(&mut sender, start, 41), None);
    assert!(matches!(sender.on_prack(start, &rack(41)), OnPrack::Unknown), "the PRACK came before");
}

/// RFC 3262 section 3: T1, doubled each time, without the limit T2, and a 5xx after 64*T1.
#[test]
fn a_response_is_repeated_until_64_t1() {
    let (start, mut sender) = (start(), sender());
    sender.send(start, ringing(), false);
    let mut sent = Vec::new();
    let given_up = loop {
        let now = sender.deadline().expect("the response waits for its PRACK");
        match sender.on_deadline(now) {
            DueReliable::Repeat(response) => {
                assert_eq!(rseq(Some(response)).as_deref(), Some("41"));
                sent.push((now - start).as_millis());
            }
            DueReliable::GiveUp => break now,
            DueReliable::Nothing => panic!("the deadline has passed"),
        }
    };
    assert_eq!(sent, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(given_up, start + 64 * T1);
    assert_eq!(sender.deadline(), None);
    assert!(matches!(sender.on_deadline(given_up), DueReliable::Nothing));
    assert_eq!(rseq(sender.send(given_up, ringing(), false)), None);
    assert!(!sender.awaits(&rack(41)));
}

#[test]
fn nothing_is_due_before_t1() {
    let (start, mut sender) = (start(), sender());
    assert!(matches!(sender.on_deadline(start), DueReliable::Nothing));
    sender.send(start, ringing(), false);
    assert!(matches!(sender.on_deadline(start + T1 / 2), DueReliable::Nothing));
}

/// RFC 3262 section 3: only a session description holds the 2xx back.
#[test]
fn a_2xx_waits_for_the_prack_of_a_session_description() {
    let (start, mut sender) = (start(), sender());
    assert!(!sender.holds_2xx());
    sender.send(start, ringing(), false);
    assert!(!sender.holds_2xx());
    after_prack(&mut sender, start, 41);
    sender.send(start, early_media(), false);
    sender.send(start, ringing(), false);
    assert!(sender.holds_2xx());
    assert_eq!(after_prack(&mut sender, start, 42), None, "no response is sent before a 2xx that waits");
    assert!(!sender.holds_2xx());
}

/// RFC 3262 section 3: after the 2xx, a response is not repeated, and its PRACK is still answered.
#[test]
fn a_prack_may_come_after_the_2xx() {
    let (start, mut sender) = (start(), sender());
    sender.send(start, ringing(), false);
    sender.send(start, ringing(), false);
    sender.on_2xx_sent();
    assert_eq!(sender.deadline(), None);
    assert_eq!(rseq(sender.send(start, ringing(), false)), None);
    assert_eq!(after_prack(&mut sender, start, 41), None);
    assert!(matches!(sender.on_prack(start, &rack(41)), OnPrack::Unknown));
}

#[test]
fn a_blocked_response_is_sent_later() {
    let (start, mut sender) = (start(), sender());
    assert_eq!(rseq(sender.send(start, ringing(), true)), None);
    assert_eq!(sender.deadline(), None);
    assert_eq!(rseq(sender.resume(start)).as_deref(), Some("41"));
    assert_eq!(rseq(sender.resume(start)), None);
}

#[test]
fn a_flood_of_our_own_responses_is_bounded() {
    let (start, mut sender) = (start(), sender());
    for _ in 0..1_000 {
        sender.send(start, ringing(), false);
    }
    assert!(sender.is_full());
    assert_eq!(sender.queue.len(), MAX_QUEUED);
}

/// RFC 3262 section 4: responses are taken in order.
#[test]
fn repetitions_and_gaps_are_discarded() {
    let mut receiver = ReliableReceiver::default();
    assert_eq!(receiver.rack(1), None);
    assert!(!receiver.on_response(0), "RSeq begins at 1");
    assert!(receiver.on_response(988_789));
    assert_eq!(receiver.rack(1), Some(RAck::new(988_789, 1, Method::Invite)));
    for discarded in [988_789, 988_788, 988_791, 1] {
        assert!(!receiver.on_response(discarded), "{discarded}");
    }
    assert!(receiver.on_response(988_790));
    assert_eq!(receiver.rack(1).map(|rack| rack.to_string()).as_deref(), Some("988790 1 INVITE"));
}

#[test]
fn the_numbers_of_the_peer_end_at_their_limit() {
    let mut receiver = ReliableReceiver::default();
    assert!(receiver.on_response(u32::MAX));
    assert!(!receiver.on_response(0));
    assert!(!receiver.on_response(1));
}

#[test]
fn a_response_whose_prack_was_not_sent_is_taken_again() {
    let mut receiver = ReliableReceiver::default();
    assert!(receiver.on_response(7));
    receiver.on_prack_not_sent();
    assert!(receiver.on_response(7));
    assert!(receiver.on_response(8));
    receiver.on_prack_not_sent();
    assert!(!receiver.on_response(7));
    assert!(receiver.on_response(8));
}

#[test]
fn the_first_answer_is_kept_until_the_2xx() {
    let mut receiver = ReliableReceiver::default();
    for body in ["first", "second"] {
        let (content_type, body) = (Bytes::from("application/sdp"), Bytes::from(body));
        receiver.keep_answer(Answer { content_type, body });
    }
    assert_eq!(receiver.take_answer().map(|answer| answer.body), Some(Bytes::from("first")));
    assert!(receiver.take_answer().is_none());
}
