//! What a switchboard counts.

use std::collections::BTreeMap;

use attesta_sip::{Method, Status};
use attesta_transaction::Counters as TransactionCounters;

use crate::event::Cause;

/// Plain numbers about one switchboard, summed over workers by whoever reads them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Calls that live now.
    pub calls_live: u64,
    /// Dialogs that live now, early ones and those being ended included.
    pub dialogs_live: u64,
    /// Transactions that live now.
    pub transactions_live: u64,
    /// Targets that were set aside and have not answered since.
    pub targets_aside: u64,
    /// Switchboards that begin no calls any more, since they were told to stop.
    pub draining: u64,
    /// Calls begun since the start.
    pub calls: u64,
    /// Calls answered since the start.
    pub answered: u64,
    /// MESSAGEs outside any dialog that were sent on since the start.
    pub messages: u64,
    /// Identity header fields that we made.
    pub identity_signed: u64,
    /// Connections for INVITEs too large for a datagram that targets did not take.
    pub connections_refused: u64,
    /// INVITEs that should have been signed and could not be.
    pub identity_sign_failures: u64,
    /// Responses that said of an Identity header field of ours that it does not verify (RFC 9410 section 7).
    pub identity_disputed: u64,
    /// Messages of peers that departed from the offer/answer model (RFC 3264, RFC 6337). They were relayed all the same.
    pub offer_answer_disagreements: u64,
    /// Targets set aside since the start: silent, not to be reached, or by their own wish (503 with Retry-After).
    pub targets_set_aside: u64,
    /// What the transaction layer counts.
    pub transactions: TransactionCounters,
    ended: BTreeMap<&'static str, u64>,
    refused: BTreeMap<&'static str, u64>,
    verdicts: BTreeMap<(&'static str, &'static str), u64>,
}

impl Counters {
    /// Calls ended since the start, by the word of their [`Cause`].
    pub fn ended(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.ended.iter().map(|(cause, count)| (*cause, *count))
    }

    /// Messages refused since the start, by reason: those that the transaction layer refused among them.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let below = self.transactions.refused.iter().map(|(reason, count)| (reason.as_str(), count));
        let here = Refusal::ALL.into_iter().map(|refusal| {
            let word = refusal.as_str();
            (word, self.refused.get(word).copied().unwrap_or_default())
        });
        below.chain(here)
    }

    /// Verdicts given since the start, by verdict and reason; the reason of a pass is empty.
    pub fn verdicts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.verdicts.iter().map(|((verdict, reason), count)| (*verdict, *reason, *count))
    }

    /// Adds what another switchboard counted.
    pub fn add(&mut self, other: &Self) {
        // Taken apart, so that no counter is forgotten.
        let Self {
            calls_live,
            dialogs_live,
            transactions_live,
            targets_aside,
            draining,
            calls,
            messages,
            answered,
            connections_refused,
            identity_signed,
            identity_sign_failures,
            identity_disputed,
            offer_answer_disagreements,
            targets_set_aside,
            transactions,
            ended,
            refused,
            verdicts,
        } = other;
        self.calls_live += calls_live;
        self.dialogs_live += dialogs_live;
        self.transactions_live += transactions_live;
        self.targets_aside += targets_aside;
        self.draining += draining;
        self.calls += calls;
        self.messages += messages;
        self.answered += answered;
        self.connections_refused += connections_refused;
        self.identity_signed += identity_signed;
        self.identity_sign_failures += identity_sign_failures;
        self.identity_disputed += identity_disputed;
        self.offer_answer_disagreements += offer_answer_disagreements;
        self.targets_set_aside += targets_set_aside;
        self.transactions.add(transactions);
        add(&mut self.ended, ended);
        add(&mut self.refused, refused);
        add(&mut self.verdicts, verdicts);
    }

    /// The same with the gauges as they are now.
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
    /// It came from an address that no trunk claims: 403.
    UnknownSource,
    /// Its method is known and not allowed here, REGISTER among them: 405.
    Method,
    /// Its method is not known: 501.
    UnknownMethod,
    /// Its Request-URI has a scheme that calls cannot be made to: 416.
    Scheme,
    /// It requires an extension that does not work across us: 420.
    Extension,
    /// Its Max-Forwards is used up: 483.
    MaxForwards,
    /// Its Contact names no place to which a dialog could go: 400.
    NoContact,
    /// It belongs to a dialog that does not exist: 481.
    NoDialog,
    /// Its CSeq number is lower than one before it in the dialog: 500.
    OutOfOrder,
    /// It met another request of the dialog: 491, or 500 with Retry-After.
    Glare,
    /// As many requests are in flight in its dialog, or in all, as the configuration allows: 500 with Retry-After.
    RequestCap,
    /// As many calls live as the configuration allows, or as many MESSAGEs are on their way: 503.
    CallCap,
    /// The edge is about to stop, and begins nothing new: 503.
    Draining,
    /// A 2xx to an INVITE that was answered in as many dialogs as the configuration allows: dropped.
    AnswerCap,
    /// A MESSAGE that policy or the routes send nowhere: 404, or what policy says.
    NotRouted,
    /// A MESSAGE whose Identity, or the lack of one, the policy of its trunk refuses: the code of RFC 8224 section 6.2.2.
    NotVerified,
}

impl Refusal {
    /// Every reason, in the order in which they are reported.
    pub const ALL: [Self; 16] = [
        Self::UnknownSource,
        Self::Method,
        Self::UnknownMethod,
        Self::Scheme,
        Self::Extension,
        Self::MaxForwards,
        Self::NoContact,
        Self::NoDialog,
        Self::OutOfOrder,
        Self::Glare,
        Self::RequestCap,
        Self::CallCap,
        Self::Draining,
        Self::AnswerCap,
        Self::NotRouted,
        Self::NotVerified,
    ];

    /// The word under which the reason is counted.
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
            Self::OutOfOrder => "out-of-order",
            Self::Glare => "glare",
            Self::RequestCap => "request-cap",
            Self::CallCap => "call-cap",
            Self::Draining => "draining",
            Self::AnswerCap => "answer-cap",
            Self::NotRouted => "not-routed",
            Self::NotVerified => "not-verified",
        }
    }
}

/// How a method that is not taken is refused: 501 where it is not known, 405 where it is (RFC 3261 section 8.2.1).
pub(crate) fn not_taken(method: &Method) -> (Status, Refusal) {
    if matches!(method, Method::Extension(_)) {
        (Status::NOT_IMPLEMENTED, Refusal::UnknownMethod)
    } else {
        (Status::METHOD_NOT_ALLOWED, Refusal::Method)
    }
}
