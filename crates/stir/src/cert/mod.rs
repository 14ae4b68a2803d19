//! Certificates: chains, trust anchors, what certificates speak for, and the cache of credentials.

mod anchors;
mod bundle;
mod cache;
mod certificate;
mod chain;
mod claim_constraints;
mod credential;
mod critical;
mod crl;
mod eviction;
mod freshness;
mod lint;
mod name;
mod pages;
pub(crate) mod private_key;
pub(crate) mod snapshot;
mod tn_auth_list;
mod trust_list;

pub use anchors::{AnchorsError, TrustAnchors};
pub use bundle::{CertificateChain, ChainError};
pub use cache::{Cache, CacheConfig, Want};
pub use certificate::{Certificate, CertificateError};
pub use chain::PathError;
pub use claim_constraints::{ClaimConstraints, ClaimConstraintsError};
pub use credential::{Credential, CredentialError};
pub use crl::{Crl, CrlError, Revocations};
pub use freshness::Fetched;
pub use lint::{Grade, Lint, lint};
pub use snapshot::{FetchFailure, Snapshot};
pub use tn_auth_list::{TnAuthList, TnAuthListError, TnEntry};
pub use trust_list::{TrustList, TrustListError};
