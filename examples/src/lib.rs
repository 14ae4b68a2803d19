//! Example programs for the crates.
