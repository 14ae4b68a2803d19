//! Host names to addresses, off the loop: what the drivers and the fetcher ask.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Finds the addresses of a host name.
///
/// The edge uses [`SystemNames`]; an embedder or a test may bring its own.
pub trait Names: Send + Sync + 'static {
    /// Looks up the A and AAAA records of `host`, in the order in which they should be tried.
    fn lookup(&self, host: &str) -> Lookup;
}

/// A lookup under way. Dropping it gives the lookup up.
pub type Lookup = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, LookupError>> + Send>>;

/// Why a name gave no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// There is no such name, it has no address, or no name server could be asked.
    NotFound,
    /// No answer came in time.
    Timeout,
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LookupError::NotFound => "the name has no address",
            LookupError::Timeout => "the name was not resolved in time",
        })
    }
}

impl std::error::Error for LookupError {}

/// The operating system's resolver, so that `/etc/hosts` and the like hold.
///
/// It blocks, therefore each lookup takes a thread of tokio's blocking pool, and of these only so many: a name server
/// that does not answer keeps its threads until the system gives up, long after the caller has. Others wait their turn.
#[derive(Clone, Debug)]
pub struct SystemNames {
    threads: Arc<Semaphore>,
    patience: Duration,
}

impl SystemNames {
    /// At most `concurrent` lookups at once, each answered within `patience`, the wait for its turn included.
    pub fn new(concurrent: usize, patience: Duration) -> SystemNames {
        SystemNames { threads: Arc::new(Semaphore::new(concurrent)), patience }
    }
}

impl Default for SystemNames {
    /// 32 lookups at once, each answered within 2 s.
    fn default() -> SystemNames {
        SystemNames::new(32, Duration::from_secs(2))
    }
}

impl Names for SystemNames {
    fn lookup(&self, host: &str) -> Lookup {
        let (threads, host, patience) = (Arc::clone(&self.threads), host.to_owned(), self.patience);
        Box::pin(async move {
            let lookup = async {
                let permit = threads.acquire_owned().await;
                let blocking = tokio::task::spawn_blocking(move || {
                    // Held by the thread, not by the caller: a caller that gave up has not freed the thread.
                    let _permit = permit;
                    system_lookup(&host)
                });
                blocking.await
            };
            match timeout(patience, lookup).await {
                Ok(Ok(Ok(addresses))) if !addresses.is_empty() => Ok(addresses),
                Ok(Ok(Ok(_) | Err(_)) | Err(_)) => Err(LookupError::NotFound),
                Err(_) => Err(LookupError::Timeout),
            }
        })
    }
}

fn system_lookup(host: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for address in (host, 0).to_socket_addrs()? {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_is_found_by_the_system() {
        let addresses = SystemNames::default().lookup("localhost").await.unwrap();
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_has_no_address() {
        // RFC 6761: `.invalid` never resolves; a machine without a name server may take its time to say so.
        assert!(SystemNames::default().lookup("host.invalid").await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_waits_for_its_turn_as_long_as_for_its_answer() {
        let names = SystemNames::new(0, Duration::from_secs(1));
        assert_eq!(names.lookup("localhost").await, Err(LookupError::Timeout));
    }
}
