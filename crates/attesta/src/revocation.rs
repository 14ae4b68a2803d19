//! Revocation lists on disk. They are read at start, and again after their file has changed.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use attesta::{Handle, TrustAnchors};
use attesta_stir::UnixTime;
use attesta_stir::cert::{Crl, Revocations};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::files;
use crate::time;

/// The revocation lists of one trust domain.
pub(crate) struct RevocationLists {
    pub(crate) domain: Arc<str>,
    /// The roots of the domain.
    pub(crate) anchors: TrustAnchors,
    /// The roots that the certificates of the list signers must chain to.
    pub(crate) signed_below: TrustAnchors,
    pub(crate) hard: bool,
    pub(crate) files: Vec<ListFile>,
    /// When the age of a list was last logged.
    pub(crate) age_logged: Option<UnixTime>,
}

/// One list, with the state of its file when the list was read.
pub(crate) struct ListFile {
    /// `None`: the list is not in a file of its own, and never changes.
    path: Option<PathBuf>,
    stamp: Option<Stamp>,
    list: Crl,
}

type Stamp = (SystemTime, u64);

impl RevocationLists {
    /// Returns the lists for the edge.
    pub(crate) fn revocations(&self) -> Revocations {
        Revocations::new(self.files.iter().map(|file| file.list.clone()).collect()).hard(self.hard)
    }

    /// Reads the changed files again. Returns true if a list has changed. If the new list is unusable, or older than the
    /// current list, the current list stays in use.
    fn refresh(&mut self, now: UnixTime) -> bool {
        let mut changed = false;
        for file in &mut self.files {
            let Some(path) = &file.path else { continue };
            let stamp = stamp(path).ok();
            if stamp.is_none() || stamp == file.stamp {
                continue;
            }
            file.stamp = stamp;
            let shown = path.display();
            match files::read_bounded(path, MAX_LIST) {
                Ok(octets) => match read(&octets, &self.signed_below, now) {
                    Ok(list) if list.this_update() < file.list.this_update() => {
                        error!(domain = &*self.domain, file = %shown, "the new revocation list is older than the current list, which stays in force");
                    }
                    Ok(list) => {
                        info!(domain = &*self.domain, file = %shown, revoked = list.len(), "revocation list loaded");
                        file.list = list;
                        changed = true;
                    }
                    Err(error) => {
                        error!(domain = &*self.domain, file = %shown, %error, "cannot use the new revocation list; the last good list stays in force");
                    }
                },
                Err(error) => {
                    error!(domain = &*self.domain, file = %shown, %error, "cannot read the revocation list; the last good list stays in force");
                }
            }
        }
        changed
    }

    /// Logs that a list is past its nextUpdate, at most once per [`AGE_LOG_INTERVAL`].
    fn warn_of_age(&mut self, now: UnixTime) {
        let next_update = self.files.iter().filter_map(|file| file.list.next_update()).min();
        if age_is_logged(next_update, self.age_logged, now) {
            self.age_logged = Some(now);
            warn!(
                domain = &*self.domain,
                hard = self.hard,
                "a revocation list is past its nextUpdate; fetch a newer list"
            );
        }
    }
}

fn age_is_logged(next_update: Option<UnixTime>, logged: Option<UnixTime>, now: UnixTime) -> bool {
    let is_past = next_update.is_some_and(|due| due < now);
    is_past && logged.is_none_or(|logged| logged.as_secs() + AGE_LOG_INTERVAL.as_secs() <= now.as_secs())
}

impl ListFile {
    pub(crate) fn new(path: Option<PathBuf>, list: Crl) -> Self {
        let stamp = path.as_ref().and_then(|path| stamp(path).ok());
        Self { path, stamp, list }
    }
}

/// Reads one list. The file may also contain PEM certificates that link the signer of the list to the anchors.
pub(crate) fn read(
    octets: &[u8],
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<Crl, attesta_stir::cert::CrlError> {
    let signers: Vec<_> = CertificateDer::pem_slice_iter(octets).flatten().collect();
    Crl::read(octets, &signers, anchors, now)
}

/// Reads changed lists again for as long as the edge runs.
pub(crate) async fn watch(mut domains: Vec<RevocationLists>, edge: Handle) {
    let mut rounds = interval(POLL_INTERVAL);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let now = time::now();
        for lists in &mut domains {
            if lists.refresh(now) && edge.revocations(&lists.anchors, lists.revocations()).await.is_err() {
                // The edge has stopped.
                return;
            }
            lists.warn_of_age(now);
        }
    }
}

fn stamp(path: &PathBuf) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.modified()?, metadata.len()))
}

/// How often to check the files for changes.
const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// How often to log that a list is past its nextUpdate.
const AGE_LOG_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The size limit of a revocation list in octets. A list of a hundred thousand certificates has about four million octets.
pub(crate) const MAX_LIST: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_list_is_logged_once_an_hour() {
        let due = Some(time::unix(1_000));
        assert!(!age_is_logged(None, None, time::unix(2_000)));
        assert!(!age_is_logged(due, None, time::unix(1_000)));
        assert!(age_is_logged(due, None, time::unix(1_001)));
        assert!(!age_is_logged(due, Some(time::unix(1_001)), time::unix(1_011)));
        assert!(!age_is_logged(due, Some(time::unix(1_001)), time::unix(4_600)));
        assert!(age_is_logged(due, Some(time::unix(1_001)), time::unix(4_601)));
    }
}
