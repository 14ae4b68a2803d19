//! Attesta: an embeddable SIP back-to-back user agent that signs and verifies STIR/SHAKEN in the call path.
mod builder;
mod edge;
mod ephemeral;
pub mod pki;

pub use attesta_b2bua::{
    Admission, Answer, Arrival, CallEvent, CallNumber, Cause, Config, ConfigError, Consequence, Counters,
    Decision, DefaultPolicy, InboundIdentity, NamedSigner, Numbers, OnSignFailure, OutboundIdentity,
    Outcomes, Policy, Prefix, Question, Route, RouteTo, Routing, SigningMeans, Source, Target, Trunk,
    TrunkTimers, Trusts,
};
pub use attesta_net::{FetchConfig, FetchCounters, ShellCounters, Stopped};
pub use attesta_stir::cert::TrustAnchors;
pub use attesta_stir::{Attestation, Signer, TelephoneNumber, Verdict, VerifyPolicy};
pub use attesta_transaction::Transport;
pub use builder::{BuildError, Builder, Listen};
pub use edge::{Edge, Events, Handle, Report};
pub use ephemeral::{Ephemeral, EphemeralError};
