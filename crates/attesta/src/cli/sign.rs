//! `attesta sign`: the value of one Identity header field.

use std::io::Write;

use attesta_net::random;
use attesta_stir::{
    Attestation, Base, DEFAULT_PORTS, DialPlan, Identity, IdentityError, OrigId, Shaken, SigningKey,
    TelephoneNumber, X5u, X5uError,
};
use serde_json::json;

use super::screen::Screen;
use super::{Attest, Outcome, Sign, SignedType, time};
use crate::fault::{Failure, Fault};
use crate::files;

pub(super) fn sign(args: &Sign, screen: &Screen) -> Result<Outcome, Failure> {
    let key = read_key(args)?;
    let x5u = read_url(args, screen)?;
    let mut identity = Vec::new();
    let iat = args.at.unwrap_or_else(time::now);
    let signed = match args.ppt {
        SignedType::Shaken => {
            let origid = match args.origid {
                Some(origid) => origid,
                None => OrigId::from_random(random().map_err(|error| Fault::new(error.to_string()))?),
            };
            let (attest, dest, orig) = (args.attest.into(), &args.dest, &args.orig);
            key.dangerous_sign_shaken(&x5u, &Shaken { attest, dest, iat, orig, origid }, &mut identity)
        }
        SignedType::Base if args.origid.is_some() => {
            let fault = Fault::new("--origid: a base PASSporT has none");
            return Err(fault.help("leave it out, or sign with --ppt shaken").into());
        }
        SignedType::Base => {
            key.dangerous_sign_base(&x5u, &Base { dest: &args.dest, iat, orig: &args.orig }, &mut identity)
        }
    };
    signed.map_err(|error| Fault::new(error.to_string()))?;
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

/// Reads who calls: a number, or a URI with one or without.
pub(super) fn caller(text: &str) -> Result<Identity, String> {
    identity(text, &["sip", "sips", "tel"], Identity::caller)
}

/// Reads who is called, which may be a service such as `urn:service:sos` (RFC 9027 section 3).
pub(super) fn callee(text: &str) -> Result<Identity, String> {
    identity(text, &["sip", "sips", "tel", "urn"], Identity::callee)
}

/// Numbers are put into the form of RFC 8224 section 8.3, URIs into that of section 8.5.
fn identity(
    text: &str,
    schemes: &[&str],
    of_uri: fn(&[u8], &DialPlan) -> Result<Identity, IdentityError>,
) -> Result<Identity, String> {
    let read = match text.split_once(':') {
        Some((scheme, _)) if schemes.iter().any(|own| own.eq_ignore_ascii_case(scheme)) => {
            of_uri(text.as_bytes(), &DialPlan::default()).map_err(|error| error.to_string())
        }
        Some((scheme, _)) => Err(format!("nobody is called by {scheme}:")),
        None => TelephoneNumber::parse(text).map(Identity::Tn).map_err(|error| error.to_string()),
    };
    read.map_err(|error| format!("{error}; write +12155551212, or a URI such as tel:+12155551212"))
}

fn read_key(args: &Sign) -> Result<SigningKey, Fault> {
    let fault = |text: String| {
        Fault::in_file(args.key.display(), text).help("give a P-256 private key as PEM, PKCS #8 or SEC 1")
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
