//! The tokio shell of Attesta: sockets, names, certificates, clock.

mod address;
mod clock;
mod fetch;
#[cfg(test)]
mod fixture;
mod names;
mod repository;

pub use address::{RefusedAddress, SpecialUse};
pub use clock::{Clock, NoRandomness, random};
pub use fetch::{Document, FetchConfig, FetchError, Fetcher, NoRoots};
pub use names::{Lookup, LookupError, Names, SystemNames};
pub use repository::{Answer, Repository, RepositoryConfig, RepositoryError};
