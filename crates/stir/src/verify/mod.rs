//! The verification service: RFC 8224 section 6.2.

mod chain;
pub(crate) mod check;
mod extension;
pub(crate) mod facts;
mod field;
mod nested;
mod passport;
pub(crate) mod policy;
pub(crate) mod verification;
pub(crate) mod verifier;
pub(crate) mod work;
