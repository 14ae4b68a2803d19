//! Measurements of the hot path.
