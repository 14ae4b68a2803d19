//! What is known of certificates, and which calls and MESSAGEs wait to know more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use attesta_stir::X5u;
use attesta_stir::cert::Snapshot;

use crate::desk::{Desk, Sleeper};
use crate::io::Output;

/// The snapshot that calls are verified against, and those that wait for a URL to appear in one.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    snapshot: Arc<Snapshot>,
    waiting: BTreeMap<X5u, BTreeSet<Sleeper>>,
    /// The URLs that each call waits for.
    wants: BTreeMap<Sleeper, Vec<X5u>>,
}

impl Certificates {
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Lets a call wait for these URLs in place of those it waited for before. A URL that nobody waits for yet is asked for.
    /// Gives `false`, and lets the call wait for none, where `cap` calls wait for one of them already.
    pub(crate) fn wait(&mut self, call: Sleeper, wanted: &[X5u], cap: usize, desk: &mut Desk) -> bool {
        self.leave(call);
        if wanted.iter().any(|url| self.waiting.get(url).is_some_and(|calls| calls.len() >= cap)) {
            return false;
        }
        for url in wanted {
            let calls = self.waiting.entry(url.clone()).or_default();
            if calls.is_empty() {
                desk.emit(Output::FetchCertificate(url.clone()));
            }
            calls.insert(call);
        }
        self.wants.insert(call, wanted.to_vec());
        true
    }

    /// The call waits no longer.
    pub(crate) fn leave(&mut self, call: Sleeper) {
        for url in self.wants.remove(&call).into_iter().flatten() {
            if let Some(calls) = self.waiting.get_mut(&url) {
                calls.remove(&call);
                if calls.is_empty() {
                    self.waiting.remove(&url);
                }
            }
        }
    }

    /// Takes a new snapshot, and gives the calls that waited for a URL that it tells something about, oldest first.
    pub(crate) fn learn(&mut self, snapshot: Arc<Snapshot>) -> BTreeSet<Sleeper> {
        self.snapshot = snapshot;
        let known = |url: &X5u| {
            self.snapshot.credential(url.as_str()).is_some() || self.snapshot.failure(url.as_str()).is_some()
        };
        self.waiting
            .iter()
            .filter(|(url, _)| known(url))
            .flat_map(|(_, calls)| calls.iter().copied())
            .collect()
    }
}
