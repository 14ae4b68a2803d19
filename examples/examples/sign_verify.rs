//! Signs a call and verifies the signature, in ten lines each: `cargo run --example sign_verify`.

use std::time::{Duration, SystemTime};

use attesta::pki::{Scope, ThrowAwayPki};
use attesta_stir::cert::{Cache, CacheConfig, CertificateChain, Fetched, TrustAnchors};
use attesta_stir::{
    Attestation, DEFAULT_PORTS, Facts, Identity, IdentityField, OrigId, Shaken, Signer, SigningKey,
    TelephoneNumber, UnixTime, Verifier, VerifyPolicy, X5u,
};

#[expect(clippy::print_stdout, reason = "an example prints its result")]
#[expect(clippy::disallowed_methods, reason = "only a program may read the clock")]
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let now = UnixTime::since_unix_epoch(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?);
    let tomorrow = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + 86_400));
    let pki = ThrowAwayPki::generate(&[Scope::provider("1234")?], now, tomorrow)?;
    let orig = [Identity::Tn(TelephoneNumber::parse("+1 215 555 1212")?)];
    let dest = [Identity::Tn(TelephoneNumber::parse("+1 215 555 1213")?)];

    let url = X5u::parse("https://cr.example.net/leaf.pem", DEFAULT_PORTS)?;
    let key = SigningKey::from_pem(pki.leaf_key_pem().as_bytes())?;
    let signer =
        Signer::new(key, &CertificateChain::parse(pki.leaf_chain_pem().as_bytes())?, url.clone(), now)?;
    let origid = OrigId::from_random([7; 16]);
    let mut value = Vec::with_capacity(1024);
    let [caller] = &orig;
    signer.sign_shaken(
        &Shaken { attest: Attestation::A, dest: &dest, iat: now, orig: caller, origid },
        &mut value,
    )?;
    let value = String::from_utf8(value)?;
    println!("Identity: {value}");

    let anchors = TrustAnchors::from_pem(pki.root_pem().as_bytes())?;
    let mut cache = Cache::new(CacheConfig::default(), vec![anchors.clone()]);
    cache.want(&url, now);
    cache.fetched(&url, now, Ok(Fetched::new(pki.leaf_chain_pem().as_bytes())));
    let token = value.split(';').next().unwrap_or_default().as_bytes();
    let fields =
        [IdentityField { token, info: Some(url.as_str()), ppt: Some("shaken"), ..IdentityField::default() }];
    let facts = Facts::new(&fields).orig(&orig).dest(&dest);
    let verification = Verifier::new(anchors, VerifyPolicy::default()).verify(&facts, &cache.snapshot(), now);
    println!("{} {:?}", verification.verstat(), verification.attestation());
    Ok(())
}
