//! Errors in a configuration.

use std::fmt;
use std::sync::Arc;

/// Why a [`Config`](crate::Config) cannot be built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigError {
    /// There is no listener, so no message could be received or sent.
    NoListener,
    /// Two listeners, trunks, trust domains or signers have this name.
    NameTwice(Arc<str>),
    /// A trunk names a listener that does not exist.
    UnknownListener(Arc<str>),
    /// A route names a trunk that does not exist.
    UnknownTrunk(Arc<str>),
    /// A trunk names a signer that does not exist.
    UnknownSigner(Arc<str>),
    /// A trunk or signer names a trust domain that does not exist.
    UnknownTrust(Arc<str>),
    /// These two trust domains have the same anchors, so their revocations could not be kept apart.
    SharedAnchors(Arc<str>, Arc<str>),
    /// This trunk verifies calls, and has no trust domain.
    NoTrust(Arc<str>),
    /// Calls to this trunk must be signed, and there is no signer.
    NoSigner(Arc<str>),
    /// A route leads to this trunk, which has no targets.
    NoTargets(Arc<str>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoListener => f.write_str("there is no listener: add a listener to receive calls"),
            Self::NameTwice(name) => write!(f, "the name \"{name}\" is used twice: use each name once"),
            Self::UnknownListener(name) => write!(f, "there is no listener named \"{name}\""),
            Self::UnknownTrunk(name) => write!(f, "there is no trunk named \"{name}\""),
            Self::UnknownSigner(name) => write!(f, "there is no signer named \"{name}\""),
            Self::UnknownTrust(name) => write!(f, "there is no trust domain named \"{name}\""),
            Self::SharedAnchors(first, second) => {
                write!(
                    f,
                    "trust domains \"{first}\" and \"{second}\" have the same anchors: give each domain its own anchors with TrustAnchors::of_domain"
                )
            }
            Self::NoTrust(name) => {
                write!(
                    f,
                    "trunk \"{name}\" verifies calls and has no trust domain: add a trust domain, or set its inbound identity to Pass"
                )
            }
            Self::NoSigner(name) => {
                write!(
                    f,
                    "calls to trunk \"{name}\" must be signed and there is no signer: add a signer, or set its outbound identity to Pass"
                )
            }
            Self::NoTargets(name) => {
                write!(f, "a route leads to trunk \"{name}\", which has no targets: add a target")
            }
        }
    }
}

impl std::error::Error for ConfigError {}
