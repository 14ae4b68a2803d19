//! An embeddable SIP back-to-back user agent that signs and verifies STIR/SHAKEN in the call path.
//!
//! A call that arrives at an [`Edge`] leaves it as another call, with the caller's number signed (RFC 8224, RFC 8588) or
//! with the verdict on its signature. There is no hop to an outside signer and no script.
//!
//! # A first edge
//!
//! Calls from this machine are signed with a throw-away certificate and go where their Request-URI points:
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
//! With a certificate of one's own, [`Signer::new`] takes the place of [`Ephemeral`].
//!
//! # Whose runtime, whose process
//!
//! An edge runs on the tokio runtime of whoever calls [`Edge::run`]; [`Builder::build_on_threads`] gives it threads of its
//! own, over which calls are spread. It installs no global subscriber and no provider of cryptography, and keeps nothing in statics: two edges in one program do not know of each
//! other. A [`Handle`] stops it and reads its counters; dropping the handle ends no call.
//!
//! # What happens in calls, and who decides
//!
//! [`Edge::events`] tells what happens in each call. A [`Policy`] decides what the configuration leaves open, at once or
//! later: see [`Builder::policy`] and [`Edge::questions`].
//!
//! # Floors
//!
//! Below this crate each floor stands alone: `attesta-sip` (messages), `attesta-stir` (PASSporTs and certificates),
//! `attesta-transaction` (RFC 3261 section 17), `attesta-b2bua` (calls, without I/O) and `attesta-net` (sockets). The feature
//! `cli`, on by default, builds the `attesta` program; the library needs none of what it brings.

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
