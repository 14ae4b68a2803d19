//! Attacks on the edge, one module for each class. Each case plays the attacker.

mod cache;
mod cpu;
