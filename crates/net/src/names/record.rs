//! The questions to DNS, and the records in its answers.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// A server of a service (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Servers with the lowest number are tried first.
    pub priority: u16,
    /// The share of calls for this server among servers of the same priority.
    pub weight: u16,
    /// The port of the server. 0 only if the target is `.`.
    pub port: u16,
    /// The name of the server. `.` means that the service is not available at this domain.
    pub target: Box<str>,
}

/// A rule from a domain to one of its services (RFC 3403 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Only the matching rules with the lowest number are used.
    pub order: u16,
    /// Of the rules with this order, rules with the lowest number are tried first.
    pub preference: u16,
    /// The kind of the replacement. `s` means a name with SRV records. SIP uses no other flag.
    pub flags: Box<str>,
    /// The protocol and the service, such as `SIP+D2U` (RFC 3263 section 4.1).
    pub services: Box<str>,
    /// True if the rule has a regular expression. Rules for SIP have none.
    pub rewrites: bool,
    /// The name to which the rule leads.
    pub replacement: Box<str>,
}

/// The reason for which a lookup found no records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// The name does not exist, or has no record of this kind.
    NotFound,
    /// The name servers could not answer, or no name server could be asked.
    Failed,
    /// No answer arrived in time.
    Timeout,
    /// Too many lookups are running or waiting.
    Busy,
}

impl LookupError {
    /// The label of this result in `attesta_dns_lookups_total{result}`.
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
            LookupError::Busy => "too many name lookups are waiting",
        })
    }
}

impl std::error::Error for LookupError {}

/// A question to a name server, with the name in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DnsQuestion {
    pub(crate) kind: Kind,
    pub(crate) name: Box<str>,
}

/// The kind of records in a question.
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

/// The records that answer a [`DnsQuestion`], at most [`RECORDS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Records {
    Addresses(Vec<IpAddr>),
    Services(Vec<Srv>),
    Pointers(Vec<Naptr>),
}

/// The answer of a name server, ready for the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) records: Result<Records, LookupError>,
    /// The TTL of the zone.
    pub(crate) ttl: Duration,
    /// The number of records above [`RECORDS`].
    pub(crate) surplus: usize,
    /// The number of SRV records with port 0.
    pub(crate) portless: usize,
}

impl Reply {
    /// Creates a failure that has no TTL from a zone.
    pub(super) fn failed(why: LookupError) -> Reply {
        Reply { records: Err(why), ttl: Duration::ZERO, surplus: 0, portless: 0 }
    }
}

/// The most records of one answer that are used.
pub(crate) const RECORDS: usize = 64;
