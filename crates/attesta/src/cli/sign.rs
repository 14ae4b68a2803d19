//! `attesta sign`: the value of one Identity header field.

use std::io::Write;

use attesta_net::random;
use attesta_stir::{Attestation, DEFAULT_PORTS, Identity, OrigId, Shaken, SigningKey, X5u, X5uError};
use serde_json::json;

use super::screen::Screen;
use super::{Attest, Outcome, Sign, time};
use crate::fault::{Failure, Fault};
use crate::files;

pub(super) fn sign(args: &Sign, screen: &Screen) -> Result<Outcome, Failure> {
    let key = read_key(args)?;
    let x5u = read_url(args, screen)?;
    let origid = match args.origid {
        Some(origid) => origid,
        None => OrigId::from_random(random().map_err(|error| Fault::new(error.to_string()))?),
    };
    let dest: Vec<_> = args.dest.iter().map(|number| Identity::Tn(*number)).collect();
    let claims = Shaken {
        attest: args.attest.into(),
        dest: &dest,
        iat: args.at.unwrap_or_else(time::now),
        orig: &Identity::Tn(args.orig),
        origid,
    };
    let mut identity = Vec::new();
    key.dangerous_sign_shaken(&x5u, &claims, &mut identity).map_err(|error| Fault::new(error.to_string()))?;
    let identity = String::from_utf8_lossy(&identity);
    let mut out = screen.out();
    if screen.json() {
        writeln!(out, "{}", json!({ "identity": identity }))?;
    } else {
        writeln!(out, "{identity}")?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn read_key(args: &Sign) -> Result<SigningKey, Fault> {
    let fault = |text: String| {
        Fault::in_file(args.key.display(), text).help("give a P-256 private key as PKCS #8 PEM after --key")
    };
    let pem =
        files::read_bounded(&args.key, MAX_KEY).map_err(|error| fault(format!("cannot be read: {error}")))?;
    SigningKey::from_pem(&pem).map_err(|error| fault(error.to_string()))
}

/// A URL of another port than verifiers take is for tests, which know what they do.
fn read_url(args: &Sign, screen: &Screen) -> Result<X5u, Fault> {
    match X5u::parse(&args.x5u, DEFAULT_PORTS) {
        Err(X5uError::ForbiddenPort) => {
            screen.warn(
                &Fault::new("verifiers refuse a certificate URL of this port").help("443 and 8443 are taken"),
            );
            X5u::parse(&args.x5u, &(1..=u16::MAX).collect::<Vec<_>>())
        }
        read => read,
    }
    .map_err(|error| Fault::new(format!("--x5u: {error}")).help("such as https://cr.example.net/leaf.pem"))
}

impl From<Attest> for Attestation {
    fn from(attest: Attest) -> Self {
        match attest {
            Attest::A => Self::A,
            Attest::B => Self::B,
            Attest::C => Self::C,
        }
    }
}

const MAX_KEY: u64 = 64 * 1024;
