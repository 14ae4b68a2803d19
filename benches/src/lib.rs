//! What the measurements share: the messages they read.

pub mod messages;
