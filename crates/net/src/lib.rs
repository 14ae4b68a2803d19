//! The tokio shell of Attesta: sockets, names, certificates, clock.

mod address;
mod alarm;
mod clock;
mod control;
mod document;
mod driver;
mod fetch;
#[cfg(test)]
mod fixture;
mod names;
mod queue;
mod repository;
mod resolve;
mod steward;
mod udp;

pub use address::{RefusedAddress, SpecialUse};
pub use clock::{Clock, NoRandomness, random};
pub use control::{Control, Report, ShellCounters, Stopped};
pub use document::Document;
pub use driver::Driver;
pub use fetch::{FetchConfig, FetchError, Fetcher, NoRoots};
pub use names::{Lookup, LookupError, Names, SystemNames};
pub use queue::FetchLimits;
pub use repository::{Answer, Repository, RepositoryConfig, RepositoryError};
pub use steward::{Certificates, FetchCounters, Steward};
pub use udp::{Udp, UdpOptions};
