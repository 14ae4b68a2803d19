//! The directory: one task that owns the known names and asks name servers for other names.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::names::cache::Answer;
use crate::names::dns::{LOOKUP_TIMEOUT, Servers, Source};
use crate::names::lookup_queue::{Limits, LookupQueue, NameCounters, Requester};
use crate::names::record::{DnsQuestion, Kind, LookupError, Naptr, Records, Reply, Srv};
use crate::names::{Lookup, Names};

/// Resolves names with DNS and `/etc/hosts`. Keeps positive and negative answers until they expire. Clones use the same
/// directory.
///
/// Concurrent questions for a name share one lookup. At most 32 lookups run at once, each for at most 2.5 s. At most 1,024 more
/// lookups wait, and further questions are refused. The cache keeps the 4,096 answers that expire last. If name servers fail or
/// too many lookups run, expired records are used for up to an hour.
#[derive(Clone)]
pub struct Directory {
    asks: mpsc::Sender<Ask>,
    /// Questions for which the queue of the task had no room.
    turned_away: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Ask {
    Find(DnsQuestion, Requester),
    Count(oneshot::Sender<NameCounters>),
}

impl Directory {
    /// Creates a directory that uses the name servers of the system (`/etc/resolv.conf`). Without name servers, the directory
    /// uses only `/etc/hosts`.
    ///
    /// Like [`Directory::of`], this function must be called within a tokio runtime. The task of the directory runs there until
    /// the last clone is dropped.
    pub fn system() -> Directory {
        Directory::spawn(Arc::new(Servers::system()), Limits::default())
    }

    /// Creates a directory that uses these name servers over UDP. If an answer is too long for UDP, the directory uses TCP.
    pub fn of(servers: &[SocketAddr]) -> Directory {
        Directory::spawn(Arc::new(Servers::at(servers)), Limits::default())
    }

    /// Returns the counts so far. Returns `None` if the runtime of the directory has ended.
    pub async fn counters(&self) -> Option<NameCounters> {
        let (requester, answer) = oneshot::channel();
        self.asks.send(Ask::Count(requester)).await.ok()?;
        let counters = answer.await.ok()?;
        Some(counters.turned_away(self.turned_away.load(Ordering::Relaxed)))
    }

    fn spawn(source: Arc<dyn Source>, limits: Limits) -> Directory {
        let (asks, inbox) = mpsc::channel(INBOX);
        tokio::spawn(run(source, limits, inbox));
        Directory { asks, turned_away: Arc::default() }
    }

    /// Asks the question, and takes the records of the requested kind from the answer.
    fn find<T>(&self, question: DnsQuestion, take: fn(&Records) -> Option<Vec<T>>) -> Lookup<T>
    where
        T: Send + 'static,
    {
        let (requester, answer) = oneshot::channel();
        let asked = self.asks.try_send(Ask::Find(question, requester));
        self.turned_away.fetch_add(u64::from(asked.is_err()), Ordering::Relaxed);
        Box::pin(async move {
            asked.map_err(|_| LookupError::Busy)?;
            let answer: Answer = answer.await.map_err(|_| LookupError::Failed)?;
            take(&*answer?).ok_or(LookupError::NotFound)
        })
    }
}

impl Names for Directory {
    fn lookup(&self, host: &str) -> Lookup {
        self.find(DnsQuestion::new(Kind::Addresses, host), |records| match records {
            Records::Addresses(addresses) => Some(addresses.clone()),
            Records::Services(_) | Records::Pointers(_) => None,
        })
    }

    fn services(&self, service: &str) -> Lookup<Srv> {
        self.find(DnsQuestion::new(Kind::Services, service), |records| match records {
            Records::Services(services) => Some(services.clone()),
            Records::Addresses(_) | Records::Pointers(_) => None,
        })
    }

    fn pointers(&self, domain: &str) -> Lookup<Naptr> {
        self.find(DnsQuestion::new(Kind::Pointers, domain), |records| match records {
            Records::Pointers(pointers) => Some(pointers.clone()),
            Records::Addresses(_) | Records::Services(_) => None,
        })
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

/// The task of a directory. Ends when the last handle is dropped.
async fn run(source: Arc<dyn Source>, limits: Limits, mut inbox: mpsc::Receiver<Ask>) {
    let mut queue = LookupQueue::new(limits);
    let mut lookups: JoinSet<(DnsQuestion, Reply)> = JoinSet::new();
    loop {
        tokio::select! {
            ask = inbox.recv() => match ask {
                Some(Ask::Find(question, requester)) => queue.ask(Clock::mono(), question, requester),
                Some(Ask::Count(requester)) => {
                    let _ = requester.send(queue.counters());
                }
                None => return,
            },
            Some(done) = lookups.join_next() => {
                // A lookup panics only if the resolver has a bug. The requesters of that lookup get no answer and wait until their own
                // deadlines.
                if let Ok((question, reply)) = done {
                    tracing::debug!(?question, records = ?reply.records, "DNS lookup finished");
                    queue.finish(Clock::mono(), &question, reply);
                }
            }
        }
        while let Some(question) = queue.start() {
            let answer = source.ask(question.clone());
            lookups.spawn(async move {
                let reply = timeout(LOOKUP_TIMEOUT, answer).await;
                (question, reply.unwrap_or_else(|_| Reply::failed(LookupError::Timeout)))
            });
        }
    }
}

/// The most questions that may wait for the task.
const INBOX: usize = 1024;

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::net::Ipv4Addr;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;
    use crate::names::dns::Answering;

    /// A source that answers each name with one address and counts the questions. It never answers names that begin with
    /// `silent`.
    #[derive(Default)]
    struct Fixed(AtomicUsize);

    impl Source for Fixed {
        fn ask(&self, question: DnsQuestion) -> Answering {
            self.0.fetch_add(1, Ordering::Relaxed);
            if question.name.starts_with("silent") {
                return Box::pin(pending());
            }
            let records = Ok(Records::Addresses(vec![Ipv4Addr::LOCALHOST.into()]));
            let ttl = Duration::from_secs(30);
            Box::pin(ready(Reply { records, ttl, surplus: 0, portless: 0 }))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_lookup_serves_until_its_answer_expires() {
        let source = Arc::new(Fixed::default());
        let directory = Directory::spawn(source.clone(), Limits::default());
        for _ in 0..100 {
            assert_eq!(directory.lookup("a.example").await, Ok(vec![Ipv4Addr::LOCALHOST.into()]));
        }
        assert_eq!(source.0.load(Ordering::Relaxed), 1);
        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(directory.lookup("a.example").await.is_ok());
        assert_eq!(source.0.load(Ordering::Relaxed), 2);
        assert_eq!(directory.counters().await.unwrap().known, 99);
    }

    #[tokio::test(start_paused = true)]
    async fn silent_servers_delay_few_names_for_a_limited_time() {
        let limits = Limits { running: 2, waiting: 1, ..Limits::default() };
        let directory = Directory::spawn(Arc::new(Fixed::default()), limits);
        let silent: Vec<_> = ["silent1", "silent2"].map(|name| directory.lookup(name)).into();
        tokio::task::yield_now().await;
        let (waits, refused) = (directory.lookup("a.example"), directory.lookup("b.example"));
        assert_eq!(refused.await, Err(LookupError::Busy));
        for lookup in silent {
            assert_eq!(lookup.await, Err(LookupError::Timeout));
        }
        assert!(waits.await.is_ok(), "starts when a lookup has ended");
    }

    #[tokio::test]
    async fn localhost_is_found_without_a_name_server() {
        let directory = Directory::of(&[]);
        let addresses = directory.lookup("localhost").await.unwrap();
        assert!(addresses.iter().all(std::net::IpAddr::is_loopback), "{addresses:?}");
        assert_eq!(directory.services("_sip._udp.localhost").await, Err(LookupError::NotFound));
        assert_eq!(directory.pointers("localhost").await, Err(LookupError::NotFound));
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_has_no_address() {
        // RFC 6761: `.invalid` never resolves.
        assert_eq!(Directory::of(&[]).lookup("host.invalid").await, Err(LookupError::NotFound));
        assert_eq!(Directory::of(&[]).lookup("not..a.name").await, Err(LookupError::NotFound));
    }

    #[tokio::test]
    async fn without_a_name_server_a_lookup_fails_at_once() {
        assert_eq!(Directory::of(&[]).lookup("carrier.example").await, Err(LookupError::Failed));
    }
}
