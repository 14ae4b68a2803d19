//! Certificates for SIP over TLS.

use super::Ring;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::path::{Path, PathBuf};

/// A root, and the certificates that it issued into the test's directory.
pub struct TlsAuthority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl TlsAuthority {
    /// Makes a root. Its certificate is the file `tls-root.pem`.
    #[must_use]
    pub fn new(ring: &Ring) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "root of the test");
        let key = KeyPair::generate().expect("a key can be made");
        let root = params.self_signed(&key).expect("a root can be made");
        let directory = ring.directory().to_path_buf();
        std::fs::write(directory.join("tls-root.pem"), root.pem())
            .expect("the test's directory can be written");
        Self { directory, issuer: Issuer::new(params, key) }
    }

    /// The certificate of the root.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.directory.join("tls-root.pem")
    }

    /// Issues a certificate with `common_name` for the SIP domain `domain` (RFC 5922) and for `names`, which are DNS names or
    /// addresses. Writes `file.pem` and `file.key.pem`, and replaces existing files.
    #[must_use]
    pub fn issue(
        &self,
        file: &str,
        common_name: &str,
        domain: Option<&str>,
        names: &[String],
    ) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(names.to_vec()).expect("names can be put into a certificate");
        params.distinguished_name.push(DnType::CommonName, common_name);
        if let Some(domain) = domain {
            let uri = format!("sip:{domain}").try_into().expect("a URI can be put into a certificate");
            params.subject_alt_names.push(SanType::URI(uri));
        }
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate can be made");
        let paths =
            (self.directory.join(format!("{file}.pem")), self.directory.join(format!("{file}.key.pem")));
        write(&paths.0, &certificate.pem());
        write(&paths.1, &key.serialize_pem());
        paths
    }
}

impl std::fmt::Debug for TlsAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsAuthority").field("directory", &self.directory).finish_non_exhaustive()
    }
}

fn write(path: &Path, pem: &str) {
    std::fs::write(path, pem).expect("the test's directory can be written");
}
