//! The crate page follows its first public items.

pub mod pki;
