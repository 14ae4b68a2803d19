//! A trunk whose trust domain and signers are resolved.

use std::sync::Arc;

use crate::config::error::ConfigError;
use crate::config::listener::Listener;
use crate::config::named::named;
use crate::config::trust::{NamedSigner, TrustDomain};
use crate::trunk::Trunk;
use crate::trunk::rules::{InboundIdentity, OutboundIdentity};

/// A trunk whose names are resolved.
#[derive(Debug)]
pub(crate) struct TrunkEntry {
    pub(crate) trunk: Trunk,
    pub(crate) domain: Option<Arc<TrustDomain>>,
    pub(crate) signers: Vec<Arc<NamedSigner>>,
    pub(crate) fallback: Option<Arc<NamedSigner>>,
}

impl TrunkEntry {
    pub(crate) fn tie(
        trunk: Trunk,
        listeners: &[Arc<Listener>],
        domains: &[Arc<TrustDomain>],
        signers: &[Arc<NamedSigner>],
    ) -> Result<Arc<Self>, ConfigError> {
        for name in &trunk.listeners {
            named(listeners, name, |listener| &listener.name)
                .ok_or_else(|| ConfigError::UnknownListener(name.clone()))?;
        }
        let signer = |name: &Arc<str>| {
            named(signers, name, |signer| &signer.name)
                .ok_or_else(|| ConfigError::UnknownSigner(name.clone()))
        };
        let trunk_signers = trunk.signers.iter().map(signer).collect::<Result<Vec<_>, _>>()?;
        let fallback = trunk.signer.as_ref().map(signer).transpose()?;
        let domain = match &trunk.trust {
            Some(name) => Some(
                named(domains, name, |domain| &domain.name)
                    .ok_or_else(|| ConfigError::UnknownTrust(name.clone()))?,
            ),
            None => default_domain(domains),
        };
        if trunk.inbound_identity == InboundIdentity::Verify && domain.is_none() && trunk.has_origin() {
            return Err(ConfigError::NoTrust(trunk.name));
        }
        if trunk.outbound_identity == OutboundIdentity::Sign
            && signers.is_empty()
            && !trunk.targets.is_empty()
        {
            return Err(ConfigError::NoSigner(trunk.name));
        }
        Ok(Arc::new(Self { trunk, domain, signers: trunk_signers, fallback }))
    }

    /// The signer for a call from this trunk to `egress`: a signer of this trunk that may be used in the trust domain
    /// of `egress`, else the fallback of `egress`.
    pub(crate) fn signer_towards<'a>(&'a self, egress: &'a Self) -> Option<&'a Arc<NamedSigner>> {
        let domain = egress.domain.as_ref().map(|domain| &domain.name);
        let serves = |signer: &&Arc<NamedSigner>| signer.trust.is_none() || signer.trust.as_ref() == domain;
        self.signers.iter().find(serves).or(egress.fallback.as_ref())
    }
}

/// The trust domain of a trunk whose configuration names no trust domain: the domain named `default`, else the
/// only domain.
fn default_domain(domains: &[Arc<TrustDomain>]) -> Option<Arc<TrustDomain>> {
    match domains {
        [only] => Some(only.clone()),
        several => several.iter().find(|domain| &*domain.name == DEFAULT_DOMAIN).cloned(),
    }
}

/// The name of the trust domain that the setting `anchors` directly under `[verify]` defines.
const DEFAULT_DOMAIN: &str = "default";
