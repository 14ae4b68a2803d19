//! What DNS is asked and what DNS answers.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// A server of a service (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Servers of the lowest number are tried first.
    pub priority: u16,
    /// The share of the calls that it is to get among those of its priority.
    pub weight: u16,
    /// Where it listens; never 0, but where the target is `.`.
    pub port: u16,
    /// Its name. `.`: the service is decidedly not offered.
    pub target: Box<str>,
}

/// A rule that leads from a domain to one of its services (RFC 3403 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Rules of the lowest number that fit are the only ones that count.
    pub order: u16,
    /// Which of those is tried first: the lowest number.
    pub preference: u16,
    /// What the replacement is: `s`, the name of SRV records. Other flags are of no use to SIP.
    pub flags: Box<str>,
    /// The protocol and the service, such as `SIP+D2U` (RFC 3263 section 4.1).
    pub services: Box<str>,
    /// Whether it rewrites by an expression, which rules of SIP do not.
    pub rewrites: bool,
    /// Where it leads.
    pub replacement: Box<str>,
}

/// Why a name led to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// There is no such name, or it has no record of this kind.
    NotFound,
    /// The name servers could not say, or none could be asked.
    Failed,
    /// No answer came in time.
    Timeout,
    /// Too many names are being looked up.
    Busy,
}

impl LookupError {
    /// The word for this result in `attesta_dns_lookups_total{result}`.
    pub fn as_str(self) -> &'static str {
        match self {
            LookupError::NotFound => "not-found",
            LookupError::Failed => "failed",
            LookupError::Timeout => "timeout",
            LookupError::Busy => "busy",
        }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LookupError::NotFound => "the name has no address",
            LookupError::Failed => "the name servers could not resolve the name",
            LookupError::Timeout => "the name was not resolved in time",
            LookupError::Busy => "too many names are being resolved",
        })
    }
}

impl std::error::Error for LookupError {}

/// What is asked of a name server, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DnsQuestion {
    pub(crate) kind: Kind,
    pub(crate) name: Box<str>,
}

/// The records that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A and AAAA.
    Addresses,
    /// SRV.
    Services,
    /// NAPTR.
    Pointers,
}

impl DnsQuestion {
    pub(crate) fn new(kind: Kind, name: &str) -> DnsQuestion {
        DnsQuestion { kind, name: name.to_ascii_lowercase().into_boxed_str() }
    }
}

/// The records that answer a [`DnsQuestion`], at most [`RECORDS`] of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Records {
    Addresses(Vec<IpAddr>),
    Services(Vec<Srv>),
    Pointers(Vec<Naptr>),
}

/// What a name server said, fit to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) records: Result<Records, LookupError>,
    /// How long it holds, as the zone has it.
    pub(crate) ttl: Duration,
    /// Records that were beyond [`RECORDS`].
    pub(crate) surplus: usize,
    /// SRV records that name port 0.
    pub(crate) portless: usize,
}

impl Reply {
    /// Nothing was found, and no zone says for how long that holds.
    pub(super) fn failed(why: LookupError) -> Reply {
        Reply { records: Err(why), ttl: Duration::ZERO, surplus: 0, portless: 0 }
    }
}

/// The records of one answer that are looked at; a zone that has more is cut short.
pub(crate) const RECORDS: usize = 64;
