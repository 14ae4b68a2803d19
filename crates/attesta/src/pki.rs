//! A throw-away STI hierarchy, to try things with: nobody trusts it, and nobody should.

mod authority;
mod crl;
mod der;
mod profile;
mod scope;
mod trust_list;

pub use authority::{PkiError, ThrowAwayPki};
pub use scope::{Scope, ScopeError};
