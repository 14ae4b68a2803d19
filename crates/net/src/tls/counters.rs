//! Counts of handshakes and of reloaded certificate files.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::{CertificateError, Error};

/// The reason for which a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The handshake did not end in time.
    Timeout,
    /// The connection broke, or the peer closed the connection without an alert.
    Closed,
    /// The input is not TLS, or violates the TLS protocol.
    NotTls,
    /// The sides have no protocol version, cipher suite or application protocol in common.
    Incompatible,
    /// The peer was asked for a certificate and showed none.
    NoCertificate,
    /// The peer's certificate does not lead to a trusted root, has expired, or is not valid for this use.
    Certificate,
    /// The peer's certificate is for another domain (RFC 5922 section 7.3).
    Name,
    /// The peer ended the handshake with an alert, for example because it refused our certificate.
    Alert,
    /// Our side could not continue.
    Internal,
}

impl TlsFailure {
    const ALL: [TlsFailure; 9] = [
        TlsFailure::Timeout,
        TlsFailure::Closed,
        TlsFailure::NotTls,
        TlsFailure::Incompatible,
        TlsFailure::NoCertificate,
        TlsFailure::Certificate,
        TlsFailure::Name,
        TlsFailure::Alert,
        TlsFailure::Internal,
    ];

    /// The label of this failure in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            TlsFailure::Timeout => "timeout",
            TlsFailure::Closed => "closed",
            TlsFailure::NotTls => "not-tls",
            TlsFailure::Incompatible => "incompatible",
            TlsFailure::NoCertificate => "no-certificate",
            TlsFailure::Certificate => "certificate",
            TlsFailure::Name => "name",
            TlsFailure::Alert => "alert",
            TlsFailure::Internal => "internal",
        }
    }

    /// Maps the error of a handshake to its reason.
    pub(crate) fn of(error: &io::Error) -> TlsFailure {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            None => TlsFailure::Closed,
            Some(Error::NoCertificatesPresented) => TlsFailure::NoCertificate,
            Some(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => TlsFailure::Name,
            Some(Error::InvalidCertificate(_)) => TlsFailure::Certificate,
            Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => TlsFailure::Incompatible,
            Some(Error::AlertReceived(_)) => TlsFailure::Alert,
            Some(
                Error::InvalidMessage(_)
                | Error::InappropriateMessage { .. }
                | Error::InappropriateHandshakeMessage { .. }
                | Error::PeerMisbehaved(_)
                | Error::PeerSentOversizedRecord
                | Error::DecryptError,
            ) => TlsFailure::NotTls,
            Some(_) => TlsFailure::Internal,
        }
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for TlsFailure {}

/// Our side of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Accept,
    Connect,
}

/// The kind of a successful handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Success {
    Full,
    Resumed,
}

/// A meter. Clones add to the same counts.
#[derive(Clone, Debug, Default)]
pub struct TlsMeter(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    accepted: [AtomicU64; RESULTS],
    connected: [AtomicU64; RESULTS],
    reloaded: AtomicU64,
    reloads_refused: AtomicU64,
}

/// A full handshake, a resumed handshake, and each failure.
const RESULTS: usize = 2 + TlsFailure::ALL.len();

impl TlsMeter {
    pub(crate) fn handshake(&self, side: Side, result: Result<Success, TlsFailure>) {
        let index = match result {
            Ok(Success::Full) => 0,
            Ok(Success::Resumed) => 1,
            Err(failure) => 2 + TlsFailure::ALL.iter().position(|each| *each == failure).unwrap_or_default(),
        };
        let cells = match side {
            Side::Accept => &self.0.accepted,
            Side::Connect => &self.0.connected,
        };
        if let Some(cell) = cells.get(index) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn reload(&self, taken: bool) {
        let cell = if taken { &self.0.reloaded } else { &self.0.reloads_refused };
        cell.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts so far.
    pub fn counters(&self) -> TlsCounters {
        let read = |cells: &[AtomicU64; RESULTS]| cells.each_ref().map(|cell| cell.load(Ordering::Relaxed));
        TlsCounters {
            accepted: read(&self.0.accepted),
            connected: read(&self.0.connected),
            reloaded: self.0.reloaded.load(Ordering::Relaxed),
            reloads_refused: self.0.reloads_refused.load(Ordering::Relaxed),
        }
    }
}

/// The counts of a [`TlsMeter`]. All counts only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsCounters {
    accepted: [u64; RESULTS],
    connected: [u64; RESULTS],
    /// The number of times that new certificate files were loaded.
    pub reloaded: u64,
    /// The number of times that new certificate files were unusable. The old certificates then stay in use.
    pub reloads_refused: u64,
}

impl TlsCounters {
    /// Handshakes by side (`accept`, `connect`) and result (`full`, `resumed`, or the label of a [`TlsFailure`]).
    pub fn handshakes(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let sides = [("accept", self.accepted), ("connect", self.connected)];
        sides.into_iter().flat_map(|(side, counts)| {
            let words = ["full", "resumed"].into_iter().chain(TlsFailure::ALL.map(TlsFailure::as_str));
            words.zip(counts).map(move |(word, count)| (side, word, count))
        })
    }
}
