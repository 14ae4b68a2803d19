//! An embeddable SIP back-to-back user agent that signs and verifies STIR/SHAKEN in the call path.
//!
//! For each call that arrives, an [`Edge`] starts a new call to the next party. The edge signs the caller's number (RFC
//! 8224, RFC 8588), or verifies the signature and adds the verdict. The edge does both in the call path, without a request
//! to an external signer and without a script.
//!
//! # A first edge
//!
//! This edge signs calls from this machine with a throw-away certificate and sends them to their Request-URI:
//!
//! ```no_run
//! use attesta::{Edge, Ephemeral, Numbers, Route, RouteTo, Trunk, VerifyPolicy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ephemeral = Ephemeral::start().await?;
//! let callers = Trunk::new("callers").source("127.0.0.0/8".parse()?).numbers(Numbers::any());
//! let edge = Edge::builder()
//!     .listen(([127, 0, 0, 1], 5060))
//!     .trunk(callers.vouched_by("throw-away"))
//!     .route(Route::new(RouteTo::RequestUri))
//!     .sign_with("throw-away", ephemeral.signer()?)
//!     .verify("default", ephemeral.anchors()?, VerifyPolicy::default().ports(ephemeral.ports()))
//!     .fetch(ephemeral.fetch_config())
//!     .build()?;
//! edge.run().await;
//! # Ok(())
//! # }
//! ```
//!
//! If you have your own certificate, use [`Signer::new`] instead of [`Ephemeral`].
//!
//! # Runtime and process
//!
//! An edge runs on the tokio runtime of the caller of [`Edge::run`]. [`Builder::build_on_threads`] gives the edge its
//! own threads and spreads the calls over them. An edge installs no global `tracing` subscriber and no
//! cryptography provider, and it has no static variables. Two edges in one program are independent. A [`Handle`] stops
//! the edge and reads its counters. Dropping the handle ends no call.
//!
//! # Call events and decisions
//!
//! [`Edge::events`] reports the events of each call. A [`Policy`] makes the decisions that the configuration leaves open.
//! The policy decides immediately ([`Builder::policy`]), or later ([`Edge::questions`] and [`Handle::decide`]).
//!
//! # Layers
//!
//! Each layer below this crate can be used alone: `attesta-sip` (messages), `attesta-stir` (PASSporTs and
//! certificates), `attesta-transaction` (RFC 3261 section 17), `attesta-b2bua` (calls, without I/O) and `attesta-net`
//! (sockets). The feature `cli` is on by default and builds the `attesta` program. The library needs none of the
//! dependencies of that feature.

mod build_error;
mod builder;
mod edge;
mod ephemeral;
mod listen;
pub mod pki;

pub use attesta_b2bua::{
    Admission, Arrival, CallEvent, CallNumber, Cause, Config, ConfigError, Consequence, Counters, Decision,
    DefaultPolicy, InboundIdentity, InvalidPrefix, InvalidSource, InvalidTarget, Later, NamedSigner, Now,
    Numbers, OnSignFailure, OutboundIdentity, Outcomes, Oversize, Policy, Prefix, Question, Reply, Route,
    RouteTo, Routing, SigningMeans, Source, Target, Token, Trunk, TrunkTimers, Trusts,
};
pub use attesta_net::{
    FetchConfig, FetchCounters, NameCounters, NoRandomness, NoRoots, Pem, Report as WorkerReport,
    ShellCounters, Stopped, StreamCounters, StreamLimits, TlsCounters, TlsError, TlsFile, TlsFileError,
    TlsFiles, UdpOptions, WsCounters,
};
pub use attesta_stir::cert::{CertificateChain, TrustAnchors};
pub use attesta_stir::{
    Attestation, DialPlan, Identity, OrigId, Signer, SigningKey, TelephoneNumber, UnixTime, Verdict,
    Verification, VerifyPolicy, Verstat, VerstatProfile, X5u,
};
pub use attesta_transaction::{SentBy, Transport};
pub use build_error::BuildError;
pub use builder::Builder;
pub use edge::{Edge, Events, Handle, Questions, Report};
pub use ephemeral::{Ephemeral, EphemeralError};
pub use listen::Listen;
