//! A custom policy. Some rules are stricter and some laxer than the default, and the reason decides about the call:
//! `cargo run --example custom_policy`.

use std::time::{Duration, SystemTime};

use attesta::pki::{Scope, ThrowAwayPki};
use attesta_stir::cert::{Snapshot, TrustAnchors};
use attesta_stir::{
    Facts, Identity, IdentityField, Reason, TelephoneNumber, UnixTime, Verdict, Verification, Verifier,
    VerifyPolicy, VerstatProfile,
};

/// The decision about a call.
enum Treatment {
    Connect,
    Reject(u16, &'static str),
}

/// Refuses calls with a wrong token. Calls that could not be verified are connected.
fn treatment(verification: &Verification) -> Treatment {
    match (verification.verdict(), verification.reason()) {
        (Verdict::Fail, Some(reason)) if reason != Reason::CertificateExpired => {
            Treatment::Reject(reason.code(), reason.phrase())
        }
        (Verdict::Pass | Verdict::Fail | Verdict::None, _) => Treatment::Connect,
    }
}

#[expect(clippy::print_stdout, reason = "an example prints its result")]
#[expect(clippy::disallowed_methods, reason = "only a program may read the clock")]
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let now = UnixTime::since_unix_epoch(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?);
    let tomorrow = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + 24 * 60 * 60));
    let pki = ThrowAwayPki::generate(&[Scope::provider("1234")?], now, tomorrow)?;
    let policy = VerifyPolicy::default()
        .freshness(Duration::from_secs(15))
        .verstat_profile(VerstatProfile::Atis1000082)
        .tolerate_base64_padding(true)
        .compact_form(false);
    let verifier = Verifier::new(TrustAnchors::from_pem(pki.root_pem().as_bytes())?, policy);

    let fields = [IdentityField { token: b"..c2lnbmF0dXJl", ..IdentityField::default() }];
    let number = [Identity::Tn(TelephoneNumber::parse("+1 215 555 1212")?)];
    let facts = Facts::new(&fields).orig(&number).dest(&number);
    match treatment(&verifier.verify(&facts, &Snapshot::default(), now)) {
        Treatment::Connect => println!("the call continues"),
        Treatment::Reject(code, phrase) => println!("{code} {phrase}"),
    }
    Ok(())
}
