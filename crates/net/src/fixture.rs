//! A web server for one host, for tests. It consists of a root, a repository whose certificate the root has issued, and names
//! with fixed addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use attesta_stir::X5u;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::fetch::{FetchConfig, Fetcher};
use crate::names::record::LookupError;
use crate::names::{Lookup, Names};
use crate::repository::{Repository, RepositoryConfig};

/// The host in the repository's certificate.
pub(crate) const HOST: &str = "cr.example.net";

/// A repository on loopback, and the data that a fetcher needs.
pub(crate) struct Web {
    pub(crate) repository: Repository,
    pub(crate) root: CertificateDer<'static>,
    /// The root in PEM.
    pub(crate) anchors: String,
    /// A leaf certificate that the root has issued, in PEM.
    pub(crate) chain: String,
}

impl Web {
    pub(crate) async fn new() -> Web {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let server_key = KeyPair::generate().unwrap();
        let server =
            CertificateParams::new(vec![HOST.to_owned()]).unwrap().signed_by(&server_key, &issuer).unwrap();
        let server_key = PrivateKeyDer::try_from(server_key.serialize_der()).unwrap();
        let repository =
            Repository::bind(RepositoryConfig::new(vec![server.der().clone()], server_key)).await.unwrap();
        let chain = server.pem();
        let anchors = root.pem();
        Web { repository, root: root.into(), anchors, chain }
    }

    /// Returns the URL of `path` on this host.
    pub(crate) fn url(&self, path: &str) -> X5u {
        self.url_at(HOST, path)
    }

    /// Returns the URL of `path` on `host`, at the port of this repository.
    pub(crate) fn url_at(&self, host: &str, path: &str) -> X5u {
        let port = self.repository.local().port();
        X5u::parse(&format!("https://{host}:{port}{path}"), &[port]).unwrap()
    }

    /// Returns a configuration with which a fetch from this host succeeds.
    pub(crate) fn config(&self) -> FetchConfig {
        FetchConfig::default()
            .native_roots(false)
            .roots(vec![self.root.clone()])
            .ports(vec![self.repository.local().port()])
            .allow_private(vec!["127.0.0.0/8".parse().unwrap()])
    }

    /// Returns a fetcher that resolves the host to 127.0.0.1.
    pub(crate) fn fetcher(&self, config: FetchConfig) -> Fetcher {
        Fetcher::with_names(config, Arc::new(Hosts::new().at(HOST, Ipv4Addr::LOCALHOST))).unwrap()
    }
}

/// Names with fixed addresses, and a count of lookups.
#[derive(Default)]
pub(crate) struct Hosts {
    addresses: BTreeMap<String, Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Hosts {
    pub(crate) fn new() -> Hosts {
        Hosts::default()
    }

    pub(crate) fn at(mut self, host: &str, address: impl Into<IpAddr>) -> Hosts {
        self.addresses.entry(host.to_owned()).or_default().push(address.into());
        self
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Names for Hosts {
    fn lookup(&self, host: &str) -> Lookup {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let found = self.addresses.get(host).cloned().ok_or(LookupError::NotFound);
        Box::pin(async move { found })
    }
}
