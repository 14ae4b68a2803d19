//! Tests of the public API: with certificates made here, real certificates, and published vectors.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may panic and say why it skips"
)]

mod cache;
mod certificates;
mod detached;
mod diversion;
mod documentation;
mod forge;
mod forms;
mod lists;
mod matrix;
mod published;
mod real_certificates;
mod shared;
mod sign_verify;
mod support;
mod trust_list;
mod vectors;
mod work;
