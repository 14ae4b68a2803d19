//! The signers of a configuration.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use attesta::{Ephemeral, SigningMeans};
use attesta_stir::cert::{Certificate, CertificateChain};
use attesta_stir::{Signer, SignerError, SigningKey, UnixTime, X5u};

use super::reader::{DAY, EXPIRY_WARNING, Reader, Strictness};
use crate::config::identity::{SignerMeans, SignerSettings};
use crate::config::value::Text;
use crate::fault::Fault;

/// The state of a signer at the time when its files were read.
pub(crate) struct SignerState {
    pub(crate) name: Arc<str>,
    pub(crate) x5u: String,
    pub(crate) subject: String,
    pub(crate) not_after: UnixTime,
    /// `None` if the signer is out of service.
    pub(crate) signer: Option<Arc<Signer>>,
}

impl Reader<'_> {
    pub(super) async fn start_ephemeral(&mut self) -> Result<(), Vec<Fault>> {
        for signer in &self.configuration.settings.signers {
            if matches!(signer.means, SignerMeans::Ephemeral) {
                let ephemeral = Ephemeral::start().await.map_err(|error| {
                    vec![Fault::new(format!(
                        "the ephemeral signer \"{}\" cannot start: {error}",
                        signer.name
                    ))]
                })?;
                self.ephemeral.push((Arc::clone(&signer.name), ephemeral));
                self.warn_of_loopback(signer);
            }
        }
        Ok(())
    }

    /// Warns if this edge cannot fetch the certificate of an ephemeral signer. The server of the certificate has a
    /// loopback address. Fetches from private addresses must be allowed.
    fn warn_of_loopback(&mut self, signer: &SignerSettings) {
        let allowed = &self.configuration.settings.fetch.allow_private;
        if !allowed.iter().any(|network| network.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST))) {
            let text =
                format!("this edge cannot fetch the certificate of the ephemeral signer \"{}\"", signer.name);
            let help = "add allow_private = [\"127.0.0.0/8\"] to [fetch], unless this edge only signs";
            self.alarms.push(self.source().fault(&signer.span, text).help(help));
        }
    }

    pub(super) fn signer(&mut self, settings: &SignerSettings) -> Option<(SigningMeans, SignerState)> {
        match &settings.means {
            SignerMeans::Ephemeral => {
                let (_, ephemeral) = self.ephemeral.iter().find(|(name, _)| *name == settings.name)?;
                let signer = Arc::new(ephemeral.signer().ok()?);
                let state = SignerState::of(&settings.name, &signer);
                Some((SigningMeans::Key(signer), state))
            }
            SignerMeans::Files { key, certificate, x5u } => {
                self.signer_of_files(&settings.name, key, certificate, x5u)
            }
        }
    }

    /// Reads a key, its chain and its URL. Checks all three before it returns, so that one run reports all faults.
    fn signer_of_files(
        &mut self,
        name: &Arc<str>,
        key: &Text,
        certificate: &Text,
        x5u: &Text,
    ) -> Option<(SigningMeans, SignerState)> {
        let signing_key = self.content(key).and_then(|pem| {
            let read = SigningKey::from_pem(&pem);
            read.map_err(|error| self.refuse(key, error, "give a P-256 private key as PKCS #8 PEM")).ok()
        });
        let chain = self.content(certificate).and_then(|octets| {
            let read = CertificateChain::parse(&octets);
            read.map_err(|error| {
                self.refuse(
                    certificate,
                    error,
                    "give a PEM file with the leaf first, then the certificates above it",
                )
            })
            .ok()
        });
        let url = X5u::parse(x5u.as_str(), &self.ports());
        let url = url.map_err(|error| {
            let help = "verifiers refuse such a URL; allowed ports are listed in [fetch] ports";
            self.source().report(self.source().fault(x5u.span(), error.to_string()).help(help));
        });
        let (signing_key, chain, url) = (signing_key?, chain?, url.ok()?);
        let leaf = Certificate::from_der(chain.leaf()).ok();
        match Signer::new(signing_key, &chain, url.clone(), self.now) {
            Ok(signer) => {
                let signer = Arc::new(signer);
                let state = SignerState::of(name, &signer);
                self.warn_of_expiry(certificate, &state);
                Some((SigningMeans::Key(signer), state))
            }
            Err(error @ (SignerError::Expired | SignerError::NotYetValid))
                if self.strictness == Strictness::Warn =>
            {
                let text = format!("signer \"{name}\" is out of service: {error}");
                self.alarms
                    .push(self.source().fault(certificate.span(), text).help("calls continue unsigned"));
                let leaf = leaf?;
                let state = SignerState {
                    name: Arc::clone(name),
                    x5u: url.to_string(),
                    subject: leaf.subject().to_owned(),
                    not_after: leaf.not_after(),
                    signer: None,
                };
                Some((SigningMeans::OutOfService, state))
            }
            Err(error) => {
                let culprit = if error == SignerError::KeyMismatch { key } else { certificate };
                self.refuse(culprit, error, help_for(error));
                None
            }
        }
    }

    fn warn_of_expiry(&mut self, certificate: &Text, state: &SignerState) {
        let left = state.not_after.as_secs().saturating_sub(self.now.as_secs());
        if left < EXPIRY_WARNING {
            let text = format!("the certificate of signer \"{}\" expires in {} days", state.name, left / DAY);
            self.alarms.push(self.source().fault(certificate.span(), text).help("renew the certificate"));
        }
    }
}

impl SignerState {
    fn of(name: &Arc<str>, signer: &Arc<Signer>) -> Self {
        Self {
            name: Arc::clone(name),
            x5u: signer.x5u().to_string(),
            subject: signer.certificate().subject().to_owned(),
            not_after: signer.validity().1,
            signer: Some(Arc::clone(signer)),
        }
    }
}

/// What the operator can do about a signer that cannot be used.
const fn help_for(error: SignerError) -> &'static str {
    match error {
        SignerError::KeyMismatch => "give the key that belongs to the first certificate of the chain",
        SignerError::Expired => "renew the certificate",
        SignerError::NotYetValid => "check the clock, or wait until the certificate is valid",
        SignerError::Certificate
        | SignerError::NotP256
        | SignerError::NotForSigning
        | SignerError::NoTnAuthList
        | _ => "request a SHAKEN signing certificate from the CA",
    }
}
