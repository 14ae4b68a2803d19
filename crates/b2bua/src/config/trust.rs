//! Whose word counts: trust domains, and the signers that vouch within them.

use std::sync::Arc;

use attesta_stir::{Signer, Verifier};

/// Whose certificates are believed: one national regime, in practice.
#[derive(Debug)]
pub struct TrustDomain {
    pub(crate) name: Arc<str>,
    pub(crate) verifier: Verifier,
}

impl TrustDomain {
    /// A domain that believes what `verifier` believes.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, verifier: Verifier) -> Self {
        Self { name: name.into(), verifier }
    }
}

/// A signer under its name, and the trust domain in which it may be used.
#[derive(Debug)]
pub struct NamedSigner {
    pub(crate) name: Arc<str>,
    pub(crate) trust: Option<Arc<str>>,
    pub(crate) means: SigningMeans,
}

impl NamedSigner {
    /// A signer that may be used in every trust domain.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, means: SigningMeans) -> Self {
        Self { name: name.into(), trust: None, means }
    }

    /// Only for calls that leave by a trunk of this trust domain.
    #[must_use]
    pub fn trust(mut self, domain: impl Into<Arc<str>>) -> Self {
        self.trust = Some(domain.into());
        self
    }
}

/// How a signer signs.
#[derive(Debug)]
pub enum SigningMeans {
    /// With a key that it holds.
    Key(Arc<Signer>),
    /// By asking the shell: [`Output::Sign`](crate::Output::Sign).
    Outside,
    /// Not at all: its key or certificate was found unfit. Each call that needs it counts as a failure to sign.
    SetAside,
}
