//! PASSporTs and STIR/SHAKEN for SIP: signing, verification, and the certificates for both.
//!
//! The crate does no input or output and reads no clock. The caller provides the time, the certificates, and the random octets
//! of identifiers. A signing service needs a [`Signer`]. A verification service needs a [`Verifier`] for each trust domain, and
//! a [`cert::Cache`]. The cache tells the service which certificates to fetch.
//!
//! # Signing
//!
//! ```no_run
//! use attesta_stir::{Attestation, Identity, OrigId, Shaken, Signer, SigningKey, TelephoneNumber, UnixTime, X5u};
//! use attesta_stir::{DEFAULT_PORTS, cert::CertificateChain};
//!
//! # fn sign(key: &[u8], chain: &[u8], now: UnixTime, random: [u8; 16]) -> Result<(), Box<dyn std::error::Error>> {
//! let x5u = X5u::parse("https://cr.example.net/leaf.pem", DEFAULT_PORTS)?;
//! let signer = Signer::new(SigningKey::from_pem(key)?, &CertificateChain::parse(chain)?, x5u, now)?;
//! let orig = Identity::Tn(TelephoneNumber::parse("+1 215 555 1212")?);
//! let dest = [Identity::Tn(TelephoneNumber::parse("+1 215 555 1213")?)];
//! let origid = OrigId::from_random(random);
//! let mut identity = Vec::with_capacity(1024);
//! signer.sign_shaken(&Shaken { attest: Attestation::A, dest: &dest, iat: now, orig: &orig, origid }, &mut identity)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Verifying
//!
//! ```no_run
//! use attesta_stir::cert::{Cache, CacheConfig, Fetched, TrustAnchors};
//! use attesta_stir::{Facts, Identity, IdentityField, UnixTime, Verifier, VerifyPolicy};
//!
//! # fn verify(
//! #     roots: &[u8], field: IdentityField<'_>, caller: Identity, callee: Identity, now: UnixTime, body: &[u8],
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let anchors = TrustAnchors::from_pem(roots)?;
//! let mut cache = Cache::new(CacheConfig::default(), vec![anchors.clone()]);
//! let verifier = Verifier::new(anchors, VerifyPolicy::default());
//! let (fields, orig, dest) = ([field], [caller], [callee]);
//! let facts = Facts::new(&fields).orig(&orig).dest(&dest);
//!
//! let mut verification = verifier.verify(&facts, &cache.snapshot(), now);
//! for url in verification.wanted().to_vec() {
//!     cache.want(&url, now);
//!     cache.fetched(&url, now, Ok(Fetched::new(body))); // the response of an HTTPS client
//! }
//! verification = verifier.verify(&facts, &cache.snapshot(), now).give_up();
//! println!("{}", verification.verstat());
//! # Ok(())
//! # }
//! ```

mod attestation;
mod base64url;
pub mod cert;
mod detached;
mod digest;
mod es256;
mod identity;
mod json;
mod passport;
mod reason;
mod replay;
mod sign;
mod tn;
mod verify;
mod x5u;

pub use attestation::{Attestation, NotAUuid, OrigId, UnknownAttestation};
pub use cert::private_key::KeyError;
pub use detached::{DetachedSigner, Unsigned, UnsignedError};
pub use es256::{SigningKey, VerifyingKey};
pub use identity::{Identity, IdentityError, IdentityUri};
pub use passport::decoded::DecodedPassport;
pub use passport::ppt::Ppt;
pub use reason::{Reason, Verstat, VerstatProfile};
pub use replay::{ReplaySet, Sighting};
pub use rustls_pki_types::UnixTime;
pub use sign::{Base, Div, Shaken, SignError, Signer, SignerError};
pub use tn::{DialPlan, DialPlanError, NumberError, TelephoneNumber};
pub use verify::check::{Check, Checks, Outcome};
pub use verify::facts::{Facts, Fingerprint, IdentityField};
pub use verify::policy::VerifyPolicy;
pub use verify::verification::{Finding, FindingResult, Verdict, Verification};
pub use verify::verifier::{Verifier, examine};
pub use verify::work::SignatureResults;
pub use x5u::{DEFAULT_PORTS, X5u, X5uError};
