//! PASSporTs (RFC 8225): tokens, their header and claims, and the canonical form that is signed.

pub(crate) mod canonical;
pub(crate) mod claims;
pub(crate) mod decoded;
pub(crate) mod header;
pub(crate) mod ppt;
pub(crate) mod token;
