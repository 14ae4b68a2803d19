//! What can be wrong with a configuration.

use std::fmt;
use std::sync::Arc;

/// Why a [`Config`](crate::Config) cannot be built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigError {
    /// There is no listener, so no message could arrive or leave.
    NoListener,
    /// Two listeners, trunks, trust domains or signers bear this name.
    NameTwice(Arc<str>),
    /// A trunk names a listener that does not exist.
    UnknownListener(Arc<str>),
    /// A route names a trunk that does not exist.
    UnknownTrunk(Arc<str>),
    /// A trunk names a signer that does not exist.
    UnknownSigner(Arc<str>),
    /// A trunk or signer names a trust domain that does not exist.
    UnknownTrust(Arc<str>),
    /// These two trust domains believe the same roots, and what is revoked in each could not be told apart.
    SharedAnchors(Arc<str>, Arc<str>),
    /// This trunk's calls are to be verified, and it belongs to no trust domain.
    NoTrust(Arc<str>),
    /// Calls towards this trunk are to be signed, and there is no signer.
    NoSigner(Arc<str>),
    /// A route leads to this trunk, which has no targets.
    NoTargets(Arc<str>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoListener => f.write_str("there is no listener: add one to receive calls on"),
            Self::NameTwice(name) => write!(f, "the name \"{name}\" is given twice"),
            Self::UnknownListener(name) => write!(f, "there is no listener named \"{name}\""),
            Self::UnknownTrunk(name) => write!(f, "there is no trunk named \"{name}\""),
            Self::UnknownSigner(name) => write!(f, "there is no signer named \"{name}\""),
            Self::UnknownTrust(name) => write!(f, "there is no trust domain named \"{name}\""),
            Self::SharedAnchors(one, other) => {
                write!(
                    f,
                    "trust domains \"{one}\" and \"{other}\" have the same anchors: give each its own by TrustAnchors::of_domain"
                )
            }
            Self::NoTrust(name) => {
                write!(
                    f,
                    "trunk \"{name}\" verifies, and has no trust domain: give anchors, or let Identity pass"
                )
            }
            Self::NoSigner(name) => {
                write!(f, "trunk \"{name}\" signs, and there is no signer: add one, or let Identity pass")
            }
            Self::NoTargets(name) => write!(f, "a route leads to trunk \"{name}\", which has no targets"),
        }
    }
}

impl std::error::Error for ConfigError {}
