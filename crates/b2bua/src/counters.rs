//! The counters of a switchboard.

use std::collections::BTreeMap;

use attesta_sip::{Method, Status};
use attesta_transaction::Counters as TransactionCounters;

use crate::event::Cause;

/// The counters of one switchboard. The reader adds the counters of all workers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Calls at present.
    pub calls_live: u64,
    /// Calls that are over and whose REFER has a live subscription, at present.
    pub subscriptions_live: u64,
    /// Dialogs at present, including early dialogs and dialogs that are being ended.
    pub dialogs_live: u64,
    /// Transactions at present.
    pub transactions_live: u64,
    /// Targets that are out of service: they failed and have not responded since.
    pub targets_out_of_service: u64,
    /// Switchboards that were told to stop and begin no new calls.
    pub draining: u64,
    /// Calls begun since the start.
    pub calls: u64,
    /// Calls answered since the start.
    pub answered: u64,
    /// Legs that an INVITE with Replaces has replaced since the start.
    pub legs_replaced: u64,
    /// MESSAGEs outside any dialog that were sent to a target since the start.
    pub messages: u64,
    /// Identity header fields that this edge added.
    pub identity_signed: u64,
    /// Connections that targets did not accept, for INVITEs too large for a datagram.
    pub connections_refused: u64,
    /// INVITEs that should have been signed and could not be signed.
    pub identity_sign_failures: u64,
    /// Responses that report an Identity header field of ours as invalid (RFC 9410 section 7).
    pub identity_disputed: u64,
    /// Messages of peers that violated the offer/answer model (RFC 3264, RFC 6337). They were relayed anyway.
    pub offer_answer_disagreements: u64,
    /// Times that a target was taken out of service since the start: it was silent, unreachable, or sent a 503 with
    /// Retry-After.
    pub targets_taken_out_of_service: u64,
    /// The counters of the transaction layer.
    pub transactions: TransactionCounters,
    ended: BTreeMap<&'static str, u64>,
    refused: BTreeMap<&'static str, u64>,
    verdicts: BTreeMap<(&'static str, &'static str), u64>,
}

impl Counters {
    /// Calls ended since the start, by the label of their [`Cause`].
    pub fn ended(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.ended.iter().map(|(cause, count)| (*cause, *count))
    }

    /// Messages refused since the start, by reason. Includes the refusals of the transaction layer.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let below = self.transactions.refused.iter().map(|(reason, count)| (reason.as_str(), count));
        let here = Refusal::ALL.into_iter().map(|refusal| {
            let word = refusal.as_str();
            (word, self.refused.get(word).copied().unwrap_or_default())
        });
        below.chain(here)
    }

    /// Verdicts since the start, by verdict and reason. The reason of a pass is empty.
    pub fn verdicts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.verdicts.iter().map(|((verdict, reason), count)| (*verdict, *reason, *count))
    }

    /// Adds the counters of another switchboard.
    pub fn add(&mut self, other: &Self) {
        // The pattern has no `..`, so that each new counter must be added here.
        let Self {
            calls_live,
            subscriptions_live,
            dialogs_live,
            transactions_live,
            targets_out_of_service,
            draining,
            calls,
            legs_replaced,
            messages,
            answered,
            connections_refused,
            identity_signed,
            identity_sign_failures,
            identity_disputed,
            offer_answer_disagreements,
            targets_taken_out_of_service,
            transactions,
            ended,
            refused,
            verdicts,
        } = other;
        self.calls_live += calls_live;
        self.subscriptions_live += subscriptions_live;
        self.dialogs_live += dialogs_live;
        self.transactions_live += transactions_live;
        self.targets_out_of_service += targets_out_of_service;
        self.draining += draining;
        self.calls += calls;
        self.legs_replaced += legs_replaced;
        self.messages += messages;
        self.answered += answered;
        self.connections_refused += connections_refused;
        self.identity_signed += identity_signed;
        self.identity_sign_failures += identity_sign_failures;
        self.identity_disputed += identity_disputed;
        self.offer_answer_disagreements += offer_answer_disagreements;
        self.targets_taken_out_of_service += targets_taken_out_of_service;
        self.transactions.add(transactions);
        add(&mut self.ended, ended);
        add(&mut self.refused, refused);
        add(&mut self.verdicts, verdicts);
    }

    /// A copy with the present values of the gauges.
    pub(crate) fn read(&self, calls: usize, dialogs: usize, transactions: TransactionCounters) -> Self {
        Self {
            calls_live: calls as u64,
            dialogs_live: dialogs as u64,
            transactions_live: transactions.live_clients + transactions.live_servers,
            transactions,
            ..self.clone()
        }
    }

    pub(crate) fn end(&mut self, cause: Cause) {
        *self.ended.entry(cause.as_str()).or_default() += 1;
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        *self.refused.entry(refusal.as_str()).or_default() += 1;
    }

    pub(crate) fn judge(&mut self, verdict: &'static str, reason: &'static str) {
        *self.verdicts.entry((verdict, reason)).or_default() += 1;
    }
}

fn add<K: Copy + Ord>(counts: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (key, count) in more {
        *counts.entry(*key).or_default() += count;
    }
}

/// Why the switchboard refused a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Refusal {
    /// The message came from an address that no trunk claims: 403.
    UnknownSource,
    /// The method is known, and not allowed here: 405. An example is REGISTER.
    Method,
    /// The method is not known: 501.
    UnknownMethod,
    /// The scheme of the Request-URI is not usable for calls: 416.
    Scheme,
    /// The message requires an extension that does not work across a B2BUA: 420.
    Extension,
    /// Max-Forwards has reached 0: 483.
    MaxForwards,
    /// The Contact is not usable as a remote target of a dialog: 400.
    NoContact,
    /// The message belongs to a dialog that does not exist: 481.
    NoDialog,
    /// Replaces, Join, Target-Dialog or the Refer-To cannot be read, comes twice, or contradicts another header field: 400.
    DialogName,
    /// The Refer-To is longer than 4096 octets: 400.
    ReferToTooLong,
    /// Replaces, Join, Target-Dialog or the Refer-To names a dialog of ours that does not exist or cannot be replaced: 481,
    /// 486 or 603.
    NamedDialog,
    /// Replaces or Join names a dialog of another trunk, without a matching Referred-By: 403.
    ForeignDialog,
    /// The CSeq number is lower than an earlier CSeq number in the dialog: 500.
    OutOfOrder,
    /// The request conflicts with another request in the dialog: 491, or 500 with Retry-After.
    Glare,
    /// The limit of requests in progress is reached, in the dialog or in total: 500 with Retry-After.
    RequestCap,
    /// The limit of calls, or of MESSAGEs in progress, is reached: 503.
    CallCap,
    /// The edge is about to stop, and begins no new calls: 503.
    Draining,
    /// The limit of dialogs for the 2xx responses to one INVITE is reached: the 2xx is dropped.
    AnswerCap,
    /// The limit of early dialogs of one call is reached: the provisional response is dropped.
    ForkCap,
    /// The limit of provisional responses to one INVITE is reached: the provisional response is dropped.
    ProvisionalCap,
    /// The limit of ACKs for one 2xx that comes again is reached: the 2xx gets no further ACK.
    AckCap,
    /// A request of ours came back to us with the same Request-URI: 482.
    Loop,
    /// A PRACK that acknowledges a response of our own contains an offer, which the other side cannot answer: 488 (RFC 3262).
    PrackOffer,
    /// The session interval of the request is shorter than the trunk accepts: 422 with Min-SE (RFC 4028).
    SessionTooShort,
    /// The policy refuses a MESSAGE or answers too late, or there is no target: 404, 503, 405 for a number of the
    /// built-in callee, or the status that policy sets.
    NotRouted,
    /// A MESSAGE is refused because its Identity is invalid or missing: the code of RFC 8224 section 6.2.2, or the
    /// status of the [`Consequence`](crate::Consequence).
    NotVerified,
}

impl Refusal {
    /// Every reason, in the order of reports.
    pub const ALL: [Self; 26] = [
        Self::UnknownSource,
        Self::Method,
        Self::UnknownMethod,
        Self::Scheme,
        Self::Extension,
        Self::MaxForwards,
        Self::NoContact,
        Self::NoDialog,
        Self::DialogName,
        Self::ReferToTooLong,
        Self::NamedDialog,
        Self::ForeignDialog,
        Self::OutOfOrder,
        Self::Glare,
        Self::RequestCap,
        Self::CallCap,
        Self::Draining,
        Self::AnswerCap,
        Self::ForkCap,
        Self::ProvisionalCap,
        Self::AckCap,
        Self::Loop,
        Self::PrackOffer,
        Self::SessionTooShort,
        Self::NotRouted,
        Self::NotVerified,
    ];

    /// The label under which the reason is counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownSource => "unknown-source",
            Self::Method => "method",
            Self::UnknownMethod => "unknown-method",
            Self::Scheme => "scheme",
            Self::Extension => "extension",
            Self::MaxForwards => "max-forwards",
            Self::NoContact => "no-contact",
            Self::NoDialog => "no-dialog",
            Self::DialogName => "dialog-name",
            Self::ReferToTooLong => "refer-to-too-long",
            Self::NamedDialog => "named-dialog",
            Self::ForeignDialog => "foreign-dialog",
            Self::OutOfOrder => "out-of-order",
            Self::Glare => "glare",
            Self::RequestCap => "request-cap",
            Self::CallCap => "call-cap",
            Self::Draining => "draining",
            Self::AnswerCap => "answer-cap",
            Self::ForkCap => "fork-cap",
            Self::ProvisionalCap => "provisional-cap",
            Self::AckCap => "ack-cap",
            Self::Loop => "loop",
            Self::PrackOffer => "prack-offer",
            Self::SessionTooShort => "session-too-short",
            Self::NotRouted => "not-routed",
            Self::NotVerified => "not-verified",
        }
    }
}

/// The refusal of a method that we do not accept: 501 if the method is unknown, else 405 (RFC 3261 section 8.2.1).
pub(crate) fn not_taken(method: &Method) -> (Status, Refusal) {
    if matches!(method, Method::Extension(_)) {
        (Status::NOT_IMPLEMENTED, Refusal::UnknownMethod)
    } else {
        (Status::METHOD_NOT_ALLOWED, Refusal::Method)
    }
}
