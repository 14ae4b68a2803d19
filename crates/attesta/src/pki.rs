//! A throw-away STI hierarchy for tests. No other system trusts it.

pub(crate) mod authority;
mod crl;
mod der;
mod profile;
pub(crate) mod scope;
mod trust_list;

pub use authority::{PkiError, ThrowAwayPki};
pub use scope::{Scope, ScopeError};
