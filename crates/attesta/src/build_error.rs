//! Why an edge could not be built.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use attesta_b2bua::ConfigError;
use attesta_net::{NoRandomness, NoRoots, TlsError};

/// Why an edge could not be built.
#[derive(Debug)]
pub enum BuildError {
    /// The operating system refused an address.
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The certificates of a listener are of no use.
    Tls {
        /// The address of the listener.
        address: SocketAddr,
        /// Why.
        error: TlsError,
    },
    /// The parts do not fit together.
    Config(ConfigError),
    /// There are no roots of the web, so no certificate could be fetched.
    NoRoots(NoRoots),
    /// The system gives no randomness.
    NoRandomness(NoRandomness),
    /// The system gives no threads.
    NoThreads(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, error } => write!(f, "cannot listen on {address}: {error}"),
            Self::Tls { address, error } => write!(f, "the certificate or key of {address} {error}"),
            Self::Config(error) => error.fmt(f),
            Self::NoRoots(error) => error.fmt(f),
            Self::NoRandomness(error) => error.fmt(f),
            Self::NoThreads(error) => write!(f, "no threads for the workers: {error}"),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind { error, .. } => Some(error),
            Self::Tls { error, .. } => Some(error),
            Self::Config(error) => Some(error),
            Self::NoRoots(error) => Some(error),
            Self::NoRandomness(error) => Some(error),
            Self::NoThreads(error) => Some(error),
        }
    }
}
