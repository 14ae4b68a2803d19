//! A throw-away STI hierarchy, to try things with: nobody trusts it, and nobody should.

pub(crate) mod authority;
mod crl;
mod der;
mod profile;
pub(crate) mod scope;
mod trust_list;

pub use authority::{PkiError, ThrowAwayPki};
pub use scope::{Scope, ScopeError};
