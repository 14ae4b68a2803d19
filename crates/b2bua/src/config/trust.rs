//! Trust domains, and the signers that sign calls within them.

use std::sync::Arc;

use attesta_stir::{Signer, Verifier};

/// The certificates that are accepted. In practice, a trust domain is one national regime.
#[derive(Debug)]
pub struct TrustDomain {
    pub(crate) name: Arc<str>,
    pub(crate) verifier: Verifier,
}

impl TrustDomain {
    /// A domain that accepts the certificates that `verifier` accepts.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, verifier: Verifier) -> Self {
        Self { name: name.into(), verifier }
    }
}

/// A signer with its name, and the trust domain in which it may be used.
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

    /// Restricts the signer to calls to a trunk of this trust domain.
    #[must_use]
    pub fn trust(mut self, domain: impl Into<Arc<str>>) -> Self {
        self.trust = Some(domain.into());
        self
    }
}

/// How a signer signs.
#[derive(Debug)]
pub enum SigningMeans {
    /// The signer signs with the key in this [`Signer`].
    Key(Arc<Signer>),
    /// The shell signs: [`Output::Sign`](crate::Output::Sign).
    Outside,
    /// The signer cannot sign, because its key or certificate is unusable. Each call that needs this signer counts as a
    /// failure to sign.
    OutOfService,
}
