//! Errors of building an edge.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use attesta_b2bua::ConfigError;
use attesta_net::{NoRandomness, NoRoots, TlsError};

/// Reports why an edge could not be built.
#[derive(Debug)]
pub enum BuildError {
    /// The operating system refused an address.
    Bind {
        /// The requested address.
        address: SocketAddr,
        /// The error of the operating system.
        error: io::Error,
    },
    /// The certificate or key of a listener cannot be used.
    Tls {
        /// The address of the listener.
        address: SocketAddr,
        /// The reason.
        error: TlsError,
    },
    /// The parts of the configuration do not match.
    Config(ConfigError),
    /// There are no HTTPS root certificates, so no certificate can be fetched.
    NoRoots(NoRoots),
    /// The operating system provides no randomness.
    NoRandomness(NoRandomness),
    /// The operating system cannot start a thread.
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
            Self::NoThreads(error) => write!(f, "cannot start the threads of the workers: {error}"),
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
