//! Name lookups outside the loop, for the drivers and the fetcher.

mod cache;
pub(crate) mod directory;
mod dns;
pub(crate) mod lookup_queue;
pub(crate) mod record;

use std::future::{Future, ready};
use std::net::IpAddr;
use std::pin::Pin;

use crate::names::record::{LookupError, Naptr, Srv};

/// Looks up names in DNS.
///
/// The edge uses a [`Directory`](crate::Directory). An embedder or a test may use its own implementation.
pub trait Names: Send + Sync + 'static {
    /// Looks up the A and AAAA records of `host`, in the order in which they should be tried.
    fn lookup(&self, host: &str) -> Lookup;

    /// Looks up the SRV records of `service`, such as `_sip._udp.example.com`. Default: there are none.
    fn services(&self, service: &str) -> Lookup<Srv> {
        let _ = service;
        Box::pin(ready(Err(LookupError::NotFound)))
    }

    /// Looks up the NAPTR records of `domain`. Default: there are none.
    fn pointers(&self, domain: &str) -> Lookup<Naptr> {
        let _ = domain;
        Box::pin(ready(Err(LookupError::NotFound)))
    }
}

/// A lookup in progress. Dropping the future cancels the lookup.
pub type Lookup<T = IpAddr> = Pin<Box<dyn Future<Output = Result<Vec<T>, LookupError>> + Send>>;
