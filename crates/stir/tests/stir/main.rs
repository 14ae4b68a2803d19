//! The crate through its public face: own certificates, real ones, and published vectors.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod sign_verify;
mod support;
