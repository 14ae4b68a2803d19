//! Reads the files that a configuration names.

use std::sync::Arc;

use attesta::{Ephemeral, FetchConfig};
use attesta_stir::UnixTime;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::Configuration;
use crate::config::source::Source;
use crate::config::value::Text;
use crate::fault::Fault;
use crate::files;

/// How to treat a certificate that is not valid at this time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// The certificate is a fault: `check` refuses the configuration.
    Refuse,
    /// The certificate causes an alarm, and `run` starts, because calls matter more than signatures. A signer with this
    /// certificate is out of service: its calls continue unsigned. A listener uses the certificate.
    Warn,
}

/// Reads keys, certificates and anchors. Reports each fault at the place in the configuration that names the file.
pub(super) struct Reader<'a> {
    pub(super) configuration: &'a Configuration,
    pub(super) ephemeral: Vec<(Arc<str>, Ephemeral)>,
    pub(super) now: UnixTime,
    pub(super) strictness: Strictness,
    pub(super) alarms: Vec<Fault>,
}

impl Reader<'_> {
    pub(super) fn source(&self) -> &Source {
        &self.configuration.source
    }

    /// Returns the ports that a certificate URL may use: the configured ports and the ports of the ephemeral signers.
    pub(super) fn ports(&self) -> Vec<u16> {
        let own = self.ephemeral.iter().map(|(_, ephemeral)| ephemeral.port());
        self.configuration.settings.fetch.ports.iter().copied().chain(own).collect()
    }

    pub(super) fn fetch_config(&self) -> FetchConfig {
        let settings = &self.configuration.settings.fetch;
        let mut roots: Vec<_> =
            self.ephemeral.iter().map(|(_, ephemeral)| ephemeral.web_root().clone()).collect();
        if let Some(file) = &settings.https_roots
            && let Some(pem) = self.content(file)
        {
            match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
                Ok(read) if !read.is_empty() => roots.extend(read),
                Ok(_) | Err(_) => {
                    self.refuse(file, "contains no certificates", "give a PEM file of root certificates")
                }
            }
        }
        FetchConfig::default().ports(self.ports()).allow_private(settings.allow_private.clone()).roots(roots)
    }

    /// Returns `text` itself if `text` is PEM, for example from `${...}`. Otherwise returns the content of the file that
    /// `text` names.
    pub(super) fn content(&self, text: &Text) -> Option<Vec<u8>> {
        self.bounded_content(text, MAX_PEM)
    }

    pub(super) fn bounded_content(&self, text: &Text, limit: u64) -> Option<Vec<u8>> {
        if !self.is_path(text) {
            return Some(text.as_str().as_bytes().to_vec());
        }
        let path = self.source().resolve(text.as_str());
        let read = files::read_bounded(&path, limit);
        read.map_err(|error| {
            let fault =
                self.source().fault(text.span(), format!("{} cannot be read: {error}", self.named(text)));
            self.source()
                .report(fault.help(
                    "paths are relative to this file; check that the user of this process may read the named file",
                ));
        })
        .ok()
    }

    pub(super) fn is_path(&self, text: &Text) -> bool {
        !text.as_str().trim_start().starts_with(PEM_BEGIN)
    }

    /// Reports a fault of the file that `text` names.
    pub(super) fn refuse(&self, text: &Text, what: impl std::fmt::Display, help: &str) {
        let fault = self.source().fault(text.span(), format!("{}: {what}", self.named(text)));
        self.source().report(fault.help(help));
    }

    /// Returns the name of the file for messages. A value from `${...}` is not shown, because the value may be a key in a form
    /// other than PEM.
    pub(super) fn named(&self, text: &Text) -> String {
        if !self.is_path(text) {
            "the value".to_owned()
        } else if text.is_literal() {
            self.source().resolve(text.as_str()).display().to_string()
        } else {
            "the file that the value refers to".to_owned()
        }
    }
}

const PEM_BEGIN: &str = "-----BEGIN";
/// The size limit of a PEM file in octets. The largest files are bundles of a few hundred roots.
const MAX_PEM: u64 = 1024 * 1024;
pub(super) const DAY: u64 = 24 * 60 * 60;
/// A certificate that expires within this time, in seconds, causes a warning.
pub(super) const EXPIRY_WARNING: u64 = 14 * DAY;
