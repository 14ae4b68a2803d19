//! The tokio shell of Attesta. It provides the sockets, names, certificates and the clock for the pure crates.
//!
//! A [`Driver`] owns the sockets and one [`Switchboard`](attesta_b2bua::Switchboard). A driver is one future. It receives a
//! batch of datagrams, reads the clock once, passes the batch to the switchboard, and carries out the outputs of the
//! switchboard.
//!
//! Slow work runs beside the driver. The addresses of targets are found by RFC 3263 with [`Names`]. Certificates are fetched by
//! a [`CertificateService`]. The service owns the cache, and publishes immutable snapshots for the drivers. The driver never
//! waits for this work. A call waits for it up to a time limit.
//!
//! ```
//! use std::sync::Arc;
//!
//! use attesta_b2bua::{Config, DefaultPolicy, Listener, Switchboard};
//! use attesta_net::{Driver, Udp, UdpOptions, random};
//! use attesta_transaction::{WorkerPlace, Seed, Transport};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let socket = Udp::bind("127.0.0.1:0".parse()?, &UdpOptions::default())?;
//! let listener = Listener::new("outside", Transport::Udp, socket.local());
//! let config = Arc::new(Config::builder().listener(listener).build()?);
//! let switchboard = Switchboard::new(config, DefaultPolicy, WorkerPlace::default(), &Seed::new(random()?));
//!
//! let driver = Driver::new(switchboard, vec![socket]);
//! let control = driver.control();
//! let running = tokio::spawn(driver.run());
//!
//! assert_eq!(control.report().await?.shell.datagrams_received, 0);
//! control.stop().await?;
//! running.await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! All queues are bounded: commands to a driver, events from a driver, requests to the certificate service, waiting fetches,
//! datagrams that wait for room in a socket, name lookups, connections of a [`Repository`], and stream connections with their
//! messages ([`StreamLimits`]). An item for which a queue has no room is dropped and counted, or fails with an error of its
//! own.
//!
//! A [`Fetcher`] follows no redirect. It connects only to public addresses, and to the addresses in
//! [`FetchConfig::allow_private`]. The address is checked after the name is resolved.
//!
//! # Dependencies
//!
//! Only [`Clock`] reads the clock of the system, and only [`random`] reads its random generator. TLS is rustls with the ring
//! provider. Each configuration gets the provider, and no global provider is installed.

mod address;
mod alarm;
mod certificate_service;
mod clock;
mod control;
mod datagrams;
mod document;
mod drain;
mod driver;
mod fetch;
#[cfg(test)]
mod fixture;
mod names;
mod queue;
mod repository;
mod resolve;
mod streams;
mod tcp;
mod tls;
mod udp;
mod unknown_sources;
mod worker;
mod worker_links;
mod ws;

pub use address::{RefusedAddress, SpecialUse};
pub use certificate_service::{CertificateService, Certificates, FetchCounters};
pub use clock::{Clock, NoRandomness, random};
pub use control::{Control, Report, ShellCounters, Stopped};
pub use document::Document;
pub use drain::drain;
pub use driver::Driver;
pub use fetch::{FetchConfig, FetchError, Fetcher, NoRoots};
pub use names::directory::Directory;
pub use names::lookup_queue::NameCounters;
pub use names::record::{LookupError, Naptr, Srv};
pub use names::{Lookup, Names};
pub use queue::FetchLimits;
pub use repository::{Answer, Repository, RepositoryConfig, RepositoryError};
pub use resolve::locate;
pub use streams::ended::{Ended, StreamCounters, Unaccepted};
pub use streams::limits::StreamLimits;
pub use tcp::Acceptor;
#[cfg(target_os = "linux")]
pub use tcp::raise_descriptor_limit;
pub use tls::counters::{TlsCounters, TlsFailure, TlsMeter};
pub use tls::files::{Pem, TLS_FILES_POLL, TlsFile, TlsFileError, TlsFiles};
pub use tls::material::{TlsError, TlsIdentity, TlsRoots};
pub use tls::{Secured, Tls, TlsClients, TlsProtocol, TlsTerms};
pub use udp::{Udp, UdpOptions};
pub use worker::Worker;
pub use worker_links::WorkerLinks;
pub use ws::failure::{WsCounters, WsFailure, WsMeter};
pub use ws::limits::{WS_HEADER_OCTETS, WS_HEADERS};
