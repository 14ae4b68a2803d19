//! A certificate repository that runs on its own thread and its own runtime.

use rustls::pki_types::PrivateKeyDer;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

/// The behaviour of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// The repository answers requests.
    Serves,
    /// The repository accepts the request and then sends nothing.
    Stalls,
}

/// A running repository. Drop ends the repository, and its port then refuses connections.
#[derive(Debug)]
pub struct Repository {
    served: attesta_net::Repository,
    root: String,
    over: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Repository {
    /// Starts a repository on a free port of `host`. It serves `chain` over TLS with a self-signed certificate for `host`.
    #[must_use]
    pub fn start(host: Ipv4Addr, chain: Vec<u8>, mood: Mood) -> Self {
        let own =
            rcgen::generate_simple_self_signed([host.to_string()]).expect("an address makes a certificate");
        let root = own.cert.pem();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("rcgen writes PKCS #8");
        let config = attesta_net::RepositoryConfig::new(vec![own.cert.into()], key)
            .address(SocketAddr::from((host, 0)));
        let answer = match mood {
            Mood::Serves => attesta_net::Answer::chain(chain),
            Mood::Stalls => attesta_net::Answer::never(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let served =
            runtime.block_on(attesta_net::Repository::bind(config)).expect("a loopback address can be bound");
        served.serve(PATH, answer);
        let (over, wait) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            // The reason for the end does not matter. The runtime ends its tasks and closes their sockets.
            let _ = runtime.block_on(wait);
        });
        Self { served, root, over: Some(over), thread: Some(thread) }
    }

    /// Returns the address of the repository.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.served.local()
    }

    /// Returns the URL of the certificate in the repository.
    #[must_use]
    pub fn x5u(&self) -> String {
        format!("https://{}{PATH}", self.address())
    }

    /// Returns the PEM certificate that `[fetch] https_roots` must name.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Returns the number of requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.served.requests()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The path of the chain.
const PATH: &str = "/leaf.pem";
