//! The crate page follows its first public items.
fn main() {}
