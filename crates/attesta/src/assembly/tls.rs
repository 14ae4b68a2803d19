//! The certificates of `tls` and `wss` listeners.

use attesta::{Listen, Pem, TlsError, TlsFile, TlsFileError, TlsFiles};
use attesta_stir::UnixTime;
use attesta_transaction::Transport;

use super::reader::{DAY, EXPIRY_WARNING, Reader, Strictness};
use crate::config::listen::{ListenSettings, TlsSettings};
use crate::config::value::Text;

/// The state of a listener's certificate at the time when its file was read.
pub(crate) struct TlsState {
    /// The index of its listener in the settings.
    pub(crate) listener: usize,
    /// The SIP domains of the certificate.
    pub(crate) names: Vec<String>,
    pub(crate) not_after: UnixTime,
}

impl Reader<'_> {
    /// Returns the listeners whose certificates can be used.
    pub(super) fn listeners(&mut self) -> (Vec<Listen>, Vec<TlsState>) {
        let (mut all, mut states) = (Vec::new(), Vec::new());
        for (place, settings) in self.configuration.settings.listeners.iter().enumerate() {
            let files = settings.tls.as_ref().and_then(|tls| self.tls_files(place, tls, &mut states));
            let Some(mut listen) = listen_on(settings, files) else { continue };
            if let Some(name) = &settings.name {
                listen = listen.name(name.clone());
            }
            if let Some(advertise) = &settings.advertise {
                listen = listen.advertise(advertise.clone());
            }
            all.push(listen);
        }
        (all, states)
    }

    /// Reads the certificates, keys and roots of a listener. Reports a fault and returns `None` if a file is unusable.
    fn tls_files(&mut self, place: usize, tls: &TlsSettings, states: &mut Vec<TlsState>) -> Option<TlsFiles> {
        let roots = self.configuration.settings.tls_roots.as_ref();
        let mut identities = tls.identities.iter().map(|(chain, key)| (self.pem(chain), self.pem(key)));
        let (chain, key) = identities.next()?;
        let mut files = TlsFiles::new(chain, key);
        for (chain, key) in identities {
            files = files.identity(chain, key);
        }
        if let Some(client_ca) = &tls.client_ca {
            files = files.client_ca(self.pem(client_ca), tls.client_required);
        }
        if let Some(roots) = roots {
            files = files.roots(self.pem(roots));
        }
        let at_fault = |file| match file {
            TlsFile::Certificate(index) => tls.identities.get(index).map(|(chain, _)| chain),
            TlsFile::Key(index) => tls.identities.get(index).map(|(_, key)| key),
            TlsFile::ClientCa => tls.client_ca.as_ref(),
            TlsFile::Roots => roots,
        };
        let terms = match files.load() {
            Ok(terms) => terms,
            Err(TlsFileError { file, error }) => {
                if let Some(text) = at_fault(file) {
                    self.refuse(text, &error, error.remedy());
                }
                return None;
            }
        };
        for (identity, (chain, _)) in terms.identities().iter().zip(&tls.identities) {
            if let Err(error) = identity.check(self.now) {
                self.report_invalid(chain, &error);
            }
            let not_after = identity.not_after();
            self.warn_of_tls_expiry(chain, not_after);
            let names = identity.names().iter().map(str::to_owned).collect();
            states.push(TlsState { listener: place, names, not_after });
        }
        Some(files)
    }

    fn pem(&self, text: &Text) -> Pem {
        if self.is_path(text) {
            Pem::File(self.source().resolve(text.as_str()))
        } else {
            Pem::Text(text.as_str().as_bytes().to_vec())
        }
    }

    /// Reports a certificate that is not valid now. Under [`Strictness::Warn`] the listener still starts, because one
    /// invalid certificate must not stop the other listeners.
    fn report_invalid(&mut self, chain: &Text, error: &TlsError) {
        match self.strictness {
            Strictness::Refuse => self.refuse(chain, error, error.remedy()),
            Strictness::Warn => {
                let text = format!("{} {error}", self.named(chain));
                self.alarms.push(self.source().fault(chain.span(), text).help(error.remedy()));
            }
        }
    }

    fn warn_of_tls_expiry(&mut self, chain: &Text, not_after: UnixTime) {
        let Some(left) = not_after.as_secs().checked_sub(self.now.as_secs()) else { return };
        if left < EXPIRY_WARNING {
            let text = format!("{} expires in {} days", self.named(chain), left / DAY);
            self.alarms.push(self.source().fault(chain.span(), text).help("renew the certificate"));
        }
    }
}

fn listen_on(settings: &ListenSettings, files: Option<TlsFiles>) -> Option<Listen> {
    let address = settings.address;
    Some(match settings.transport {
        Transport::Udp => Listen::udp(address).options(settings.options),
        Transport::Tcp => Listen::tcp(address),
        Transport::Tls => Listen::tls(address, files?),
        Transport::Ws => Listen::ws(address),
        Transport::Wss => Listen::wss(address, files?),
    })
}
