//! A SIP back-to-back user agent with inline STIR/SHAKEN, without I/O.

mod alarm;
mod arena;
mod attempt;
mod bridge;
mod call;
mod callee;
mod certificates;
mod config;
mod counters;
mod delivery;
mod desk;
mod dialog;
mod ending;
mod error;
mod event;
mod handshake;
mod identity;
mod io;
mod leg;
mod listener;
mod policy;
mod relay;
mod ringing;
mod route;
mod signing;
mod switchboard;
mod target;
#[cfg(test)]
mod tests;
mod trunk;
mod trust;
mod verstat;

pub use config::{Builder, Caps, Config, Route, RouteTo};
pub use counters::{Counters, Refusal};
pub use error::ConfigError;
pub use event::{Arrival, CallEvent, CallNumber, Cause};
pub use identity::{Claims, verify};
pub use io::{Destination, Input, Now, Output, ResolveError, SignError, Token};
pub use listener::Listener;
pub use policy::{
    Admission, Answer, DECISION_BUDGET, Decision, DefaultPolicy, Later, Policy, Question, Routing,
};
pub use switchboard::Switchboard;
pub use target::{InvalidTarget, Target};
pub use trunk::{
    Consequence, InboundIdentity, InvalidPrefix, InvalidSource, Numbers, OnSignFailure, OutboundIdentity,
    Outcomes, Prefix, Source, Trunk, TrunkTimers, Trusts,
};
pub use trust::{NamedSigner, SigningMeans, TrustDomain};
