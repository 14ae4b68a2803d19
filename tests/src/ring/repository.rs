//! A certificate repository, on a thread and a runtime of its own.

use rustls::pki_types::PrivateKeyDer;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

/// How a repository treats those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It answers.
    Serves,
    /// It takes the request and then says nothing.
    Stalls,
}

/// A running repository; it ends, and its port refuses connections, when dropped.
#[derive(Debug)]
pub struct Repository {
    served: attesta_net::Repository,
    root: String,
    over: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Repository {
    /// Starts a repository on a free port of `host` that gives `chain`, under a self-signed certificate for `host`.
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
            // Either way of ending is the end: the runtime takes its tasks and their sockets with it.
            let _ = runtime.block_on(wait);
        });
        Self { served, root, over: Some(over), thread: Some(thread) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.served.local()
    }

    /// The address of the certificate in it.
    #[must_use]
    pub fn x5u(&self) -> String {
        format!("https://{}{PATH}", self.address())
    }

    /// The PEM certificate that `[fetch] https_roots` has to name.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// How many requests have come so far.
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

/// Where the chain is.
const PATH: &str = "/leaf.pem";
