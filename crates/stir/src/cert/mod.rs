//! Certificates: chains, trust anchors, the numbers and providers that certificates cover, and the cache of
//! credentials.

pub(crate) mod anchors;
pub(crate) mod bundle;
mod cache;
mod cache_config;
pub(crate) mod cache_entry;
pub(crate) mod certificate;
mod certificate_name;
pub(crate) mod chain;
mod claim_constraints;
pub(crate) mod credential;
mod crl;
mod ecdsa_p521;
mod eviction;
mod freshness;
mod lint;
mod name;
mod oid;
pub(crate) mod private_key;
mod proven;
mod shared_map;
mod shown_extensions;
pub(crate) mod snapshot;
mod tn_auth_list;
mod trust_list;
mod url_record;

pub use anchors::{AnchorsError, TrustAnchors};
pub use bundle::{CertificateChain, ChainError};
pub use cache::{Cache, Want};
pub use cache_config::CacheConfig;
pub use cache_entry::FetchFailure;
pub use certificate::{Certificate, CertificateError};
pub use chain::PathError;
pub use claim_constraints::{ClaimConstraints, ClaimConstraintsError};
pub use credential::{Credential, CredentialError};
pub use crl::{Crl, CrlError, Revocations};
pub use freshness::Fetched;
pub use lint::{Grade, Lint, lint};
pub use snapshot::Snapshot;
pub use tn_auth_list::{TnAuthList, TnAuthListError, TnEntry};
pub use trust_list::{TrustList, TrustListError};
