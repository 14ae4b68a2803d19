//! The owner of the certificate cache. The service fetches the certificates that drivers request, and publishes snapshots of
//! the cache.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use attesta_stir::X5u;
use attesta_stir::cert::{Cache, FetchFailure, Revocations, Snapshot, TrustAnchors, Want};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::control::Stopped;
use crate::document::Document;
use crate::fetch::{FetchError, Fetcher, OK, RESULTS};
use crate::queue::{FetchLimits, Job, Queue, Trust};

/// The task that owns the certificate cache.
///
/// Drivers send requests through a bounded queue and read immutable snapshots. The call path therefore needs no lock, and a
/// fetch never blocks a driver.
#[derive(Debug)]
pub struct CertificateService {
    cache: Cache,
    fetcher: Arc<Fetcher>,
    queue: Queue,
    fetches: JoinSet<Outcome>,
    jobs: HashMap<Id, Job>,
    requests: mpsc::Receiver<Request>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    refresh_ticks: Interval,
    queue_ticks: Interval,
    counters: FetchCounters,
}

type Outcome = Result<Document, FetchError>;

impl CertificateService {
    /// Creates a service for `cache`, and the handle for the drivers. Needs tokio's time driver.
    pub fn new(cache: Cache, fetcher: Fetcher, limits: FetchLimits) -> (CertificateService, Certificates) {
        let (ask, requests) = mpsc::channel(REQUESTS);
        let (snapshots, published) = watch::channel(cache.snapshot());
        let mut refresh_ticks = interval(REFRESH_INTERVAL);
        refresh_ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut queue_ticks = interval(QUEUE_INTERVAL);
        queue_ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let service = CertificateService {
            cache,
            fetcher: Arc::new(fetcher),
            queue: Queue::new(limits),
            fetches: JoinSet::new(),
            jobs: HashMap::new(),
            requests,
            snapshots,
            refresh_ticks,
            queue_ticks,
            counters: FetchCounters::default(),
        };
        (service, Certificates { ask, published })
    }

    /// Runs until the last [`Certificates`] is dropped. Fetches in progress then end too.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(Request::Want(url)) => self.want(url),
                    Some(Request::Revoke(anchors, revocations)) => self.cache.revocations(&anchors, revocations),
                    // An error means that the requester no longer exists and needs no answer.
                    Some(Request::Count(requester)) => drop(requester.send(self.counters)),
                    None => return,
                },
                Some(ended) = self.fetches.join_next_with_id() => {
                    self.fetched(ended);
                    // One snapshot covers all fetches that have ended at the same time.
                    while let Some(ended) = self.fetches.try_join_next_with_id() {
                        self.fetched(ended);
                    }
                }
                _ = self.refresh_ticks.tick() => self.refresh(),
                // The limits per second may allow a waiting fetch now.
                _ = self.queue_ticks.tick(), if self.queue.is_waiting() => {}
            }
            for job in self.queue.expire(Clock::mono()) {
                self.refuse(&job.url);
            }
            self.start_fetches();
            self.publish();
        }
    }

    /// Handles the request for the certificate of `url`.
    fn want(&mut self, url: X5u) {
        match self.cache.want(&url, Clock::unix()) {
            Want::Fetch => self.enqueue(url),
            Want::Full => self.counters.count(Err(FetchError::Busy)),
            Want::InFlight | Want::Fresh | Want::Failed { .. } => {}
        }
    }

    fn enqueue(&mut self, url: X5u) {
        let trust = if self.cache.has_verified(&url) {
            Trust::Known
        } else if self.cache.site_has_verified(&url) {
            Trust::KnownSite
        } else {
            Trust::Unknown
        };
        if let Some(refused) = self.queue.push(Clock::mono(), Job::new(url, trust)) {
            self.refuse(&refused.url);
        }
    }

    /// Drops a fetch that was not tried. The cache must not remember a failure of this URL.
    fn refuse(&mut self, url: &X5u) {
        self.counters.count(Err(FetchError::Busy));
        self.cache.not_fetched(url, Clock::unix());
    }

    fn start_fetches(&mut self) {
        while let Some(job) = self.queue.start(Clock::mono()) {
            let (fetcher, wanted) = (Arc::clone(&self.fetcher), job.url.clone());
            let task = self.fetches.spawn(async move { fetcher.fetch(&wanted).await });
            self.jobs.insert(task.id(), job);
        }
    }

    fn fetched(&mut self, ended: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "a certificate fetch ended without a result");
                (error.id(), Err(FetchError::Http))
            }
        };
        let Some(job) = self.jobs.remove(&id) else { return };
        self.queue.finish(Clock::mono(), &job, !matches!(outcome, Err(FetchError::Timeout)));
        let url = job.url;
        self.counters.count(outcome.as_ref().map(|_| ()).map_err(|error| *error));
        match &outcome {
            Ok(document) => tracing::debug!(%url, octets = document.body().len(), "certificate fetched"),
            Err(error) => tracing::debug!(%url, %error, "cannot fetch certificate"),
        }
        self.cache.fetched(
            &url,
            Clock::unix(),
            outcome.as_ref().map(Document::fetched).map_err(|error| failure(*error)),
        );
    }

    /// Removes expired entries, and refetches entries that expire soon.
    fn refresh(&mut self) {
        for url in self.cache.poll(Clock::unix()) {
            self.enqueue(url);
        }
    }

    /// Publishes a new snapshot if the cache has changed.
    fn publish(&mut self) {
        let snapshot = self.cache.snapshot();
        self.snapshots.send_if_modified(|shown| {
            let is_new = !Arc::ptr_eq(shown, &snapshot);
            *shown = snapshot;
            is_new
        });
    }
}

/// The handle of a [`CertificateService`]. Drivers request certificates and read snapshots with it. Clones use the same
/// service.
#[derive(Clone, Debug)]
pub struct Certificates {
    ask: mpsc::Sender<Request>,
    published: watch::Receiver<Arc<Snapshot>>,
}

impl Certificates {
    /// Requests the certificate of `url` without waiting. Returns false if the queue of the service is full, or if the service
    /// has stopped.
    #[must_use]
    pub fn want(&self, url: X5u) -> bool {
        self.ask.try_send(Request::Want(url)).is_ok()
    }

    /// Applies `revocations` in the trust domain of `anchors` from now on. This includes certificates that are already
    /// cached.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn revocations(&self, anchors: &TrustAnchors, revocations: Revocations) -> Result<(), Stopped> {
        self.ask.send(Request::Revoke(anchors.clone(), revocations)).await.map_err(|_| Stopped)
    }

    /// The current snapshot.
    pub fn snapshot(&mut self) -> Arc<Snapshot> {
        Arc::clone(&self.published.borrow_and_update())
    }

    /// Waits until there is a snapshot that [`Certificates::snapshot`] has not returned yet. Waits forever if the service has
    /// stopped.
    pub async fn changed(&mut self) {
        if self.published.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Counts of all fetch results so far.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn counters(&self) -> Result<FetchCounters, Stopped> {
        let (requester, answer) = oneshot::channel();
        self.ask.send(Request::Count(requester)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

#[derive(Debug)]
enum Request {
    Want(X5u),
    Revoke(TrustAnchors, Revocations),
    Count(oneshot::Sender<FetchCounters>),
}

/// The number of fetches for each result (`attesta_certificate_fetches_total{result}`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FetchCounters {
    results: [u64; RESULTS.len()],
}

impl FetchCounters {
    /// Returns each result and its count. Results with a count of 0 are included.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        RESULTS.into_iter().zip(self.results)
    }

    fn count(&mut self, outcome: Result<(), FetchError>) {
        let result = outcome.map_or_else(FetchError::as_str, |()| OK);
        for (word, count) in RESULTS.iter().zip(&mut self.results) {
            *count += u64::from(*word == result);
        }
    }
}

/// Converts an error to the failure that the cache stores. The cache stores only the facts that a verdict needs.
fn failure(error: FetchError) -> FetchFailure {
    match error {
        FetchError::Refused(_) | FetchError::Port(_) => FetchFailure::ForbiddenAddress,
        FetchError::Redirect(status) | FetchError::Status(status) => FetchFailure::Status(status),
        FetchError::TooLarge => FetchFailure::TooLarge,
        FetchError::Url
        | FetchError::Name(_)
        | FetchError::Connect(_)
        | FetchError::Certificate
        | FetchError::Tls
        | FetchError::Http
        | FetchError::Timeout
        | FetchError::Busy => FetchFailure::Unreachable,
    }
}

/// The most requests that may wait for the service.
const REQUESTS: usize = 4096;

/// The interval at which expired entries are removed, and entries that expire soon are fetched again.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// The interval at which waiting fetches are tried again.
const QUEUE_INTERVAL: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
