//! A temporary STI root, intermediate and leaf, made by `attesta pki new`.

use super::Ring;
use super::binary::attesta;
use std::path::PathBuf;
use std::process::Command;

/// The files that `attesta pki new` wrote.
#[derive(Clone, Debug)]
pub struct Pki {
    directory: PathBuf,
}

impl Pki {
    /// Makes a PKI in the directory `name` of the test's directory.
    #[must_use]
    pub fn new(ring: &Ring, name: &str) -> Self {
        let directory = ring.directory().join(name);
        let made =
            Command::new(attesta()).args(["pki", "new"]).arg(&directory).output().expect("attesta starts");
        assert!(
            made.status.success(),
            "attesta pki new: {}\n{}",
            made.status,
            String::from_utf8_lossy(&made.stderr)
        );
        Self { directory }
    }

    /// The trust anchor.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.directory.join("sti-roots.pem")
    }

    /// The leaf's private key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.directory.join("leaf.key.pem")
    }

    /// The leaf's certificate, followed by the intermediate.
    #[must_use]
    pub fn chain(&self) -> PathBuf {
        self.directory.join("leaf.chain.pem")
    }

    /// The octets of the chain, as a repository serves them.
    #[must_use]
    pub fn chain_octets(&self) -> Vec<u8> {
        std::fs::read(self.chain()).expect("attesta pki new writes the chain")
    }
}
