//! The trust domains of a configuration, with their anchors and revocation lists.

use std::sync::Arc;

use attesta::{TrustAnchors, VerifyPolicy};

use super::reader::Reader;
use crate::config::identity::{RevocationSettings, SignerMeans, SignerSettings};
use crate::config::names::DEFAULT_TRUST;
use crate::revocation::{self, ListFile, MAX_LIST, RevocationLists};

/// The state of a trust domain at the time when its files were read.
pub(crate) struct DomainState {
    pub(crate) name: Arc<str>,
    /// The subjects of the anchors.
    pub(crate) anchors: Vec<String>,
}

impl Reader<'_> {
    /// Returns the configured domains, and the default domain if it has anchors.
    pub(super) fn domain_names(&self) -> Vec<Arc<str>> {
        let settings = &self.configuration.settings;
        let mut names: Vec<Arc<str>> = settings.trust.iter().map(|domain| Arc::clone(&domain.name)).collect();
        let default = settings.verify.anchors.is_some()
            || self.ephemeral_domains().any(|domain| domain == DEFAULT_TRUST);
        if default && !names.iter().any(|name| &**name == DEFAULT_TRUST) {
            names.push(DEFAULT_TRUST.into());
        }
        names
    }

    /// Returns the domains that ephemeral signers add their roots to.
    fn ephemeral_domains(&self) -> impl Iterator<Item = &str> {
        let signers = self.configuration.settings.signers.iter();
        signers
            .filter(|signer| matches!(signer.means, SignerMeans::Ephemeral))
            .map(SignerSettings::root_domain)
    }

    pub(super) fn anchors(&self, name: &str) -> Option<TrustAnchors> {
        let settings = &self.configuration.settings;
        let own = settings.trust.iter().find(|domain| &*domain.name == name).map(|domain| &domain.anchors);
        let file = own.or_else(|| settings.default_anchors().filter(|_| name == DEFAULT_TRUST));
        let mut pem = match file {
            Some(file) => self.content(file)?,
            None => Vec::new(),
        };
        if let Some(file) = file
            && let Err(error) = TrustAnchors::from_pem(&pem)
        {
            self.refuse(file, error, "give the STI roots as PEM");
            return None;
        }
        for (signer, ephemeral) in &self.ephemeral {
            if settings
                .signers
                .iter()
                .any(|settings| settings.name == *signer && settings.root_domain() == name)
            {
                pem.push(b'\n');
                pem.extend_from_slice(ephemeral.root_pem().as_bytes());
            }
        }
        // Two domains may trust the same roots but use different revocation lists.
        TrustAnchors::from_pem(&pem).ok().map(|anchors| anchors.of_domain(name))
    }

    /// Reports `[verify] crl` without anchors. Without anchors no certificate is trusted, so the list has no effect.
    pub(super) fn check_that_lists_have_a_domain(&self, domains: &[DomainState]) {
        let lists = self.configuration.settings.verify.revocation.as_ref();
        if let Some(list) = lists.and_then(|revocation| revocation.lists.first())
            && !domains.iter().any(|domain| &*domain.name == DEFAULT_TRUST)
        {
            let text = "no certificates are trusted here, so there is nothing to revoke";
            let fault = self.source().fault(list.span(), text);
            self.source().report(fault.help("add `anchors`, or remove the list"));
        }
    }

    pub(super) fn revocation_lists(
        &mut self,
        domain: &Arc<str>,
        anchors: &TrustAnchors,
        settings: &RevocationSettings,
    ) -> Option<RevocationLists> {
        let signed_below = match &settings.anchors {
            None => anchors.clone(),
            Some(text) => {
                let read = TrustAnchors::from_pem(&self.content(text)?);
                read.map_err(|error| {
                    self.refuse(text, error, "give a PEM file with the roots of the signer of the lists")
                })
                .ok()?
            }
        };
        let mut files = Vec::new();
        for text in &settings.lists {
            let octets = self.bounded_content(text, MAX_LIST)?;
            let list = revocation::read(&octets, &signed_below, self.now);
            let help =
                "give the list as its issuer signed it, and set crl_anchors to the roots of that issuer";
            let list = list.map_err(|error| self.refuse(text, error, help)).ok()?;
            if list.next_update().is_some_and(|due| due < self.now) {
                let fault =
                    self.source().fault(text.span(), format!("{} is past its nextUpdate", self.named(text)));
                self.alarms
                    .push(fault.help("fetch a newer list; crl_stale says how calls are verified until then"));
            }
            let path = self.is_path(text).then(|| self.source().resolve(text.as_str()));
            files.push(ListFile::new(path, list));
        }
        Some(RevocationLists {
            domain: Arc::clone(domain),
            anchors: anchors.clone(),
            signed_below,
            hard: settings.hard,
            files,
            age_logged: None,
        })
    }

    pub(super) fn policy(&self) -> VerifyPolicy {
        let settings = &self.configuration.settings.verify;
        VerifyPolicy::default()
            .freshness(settings.freshness)
            .verstat_profile(settings.verstat_profile)
            .ports(self.ports())
    }
}
