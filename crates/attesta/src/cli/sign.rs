//! `attesta sign`: signs the value of one Identity header field.

use std::io::Write;
use std::path::PathBuf;

use attesta_net::random;
use attesta_stir::{
    Attestation, Base, DEFAULT_PORTS, DialPlan, Identity, IdentityError, OrigId, Shaken, SigningKey,
    TelephoneNumber, UnixTime, X5u, X5uError,
};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::outcome::Outcome;
use crate::console::Console;
use crate::fault::{Failure, Fault};
use crate::{files, time};

#[derive(Debug, Args)]
pub(super) struct Sign {
    /// The signing key: P-256, as PKCS #8 or SEC 1 PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The URL of the certificate
    #[arg(long, value_name = "URL")]
    x5u: String,
    /// The calling number, with or without visual separators, or a tel: or sip: URI
    #[arg(long, value_name = "TN", value_parser = caller)]
    orig: Identity,
    /// The called number, or a tel:, sip: or urn: URI; may be given several times
    #[arg(long, value_name = "TN", required = true, value_parser = callee)]
    dest: Vec<Identity>,
    /// The type of the PASSporT: shaken for a provider, base for a delegate of numbers; base ignores --attest and
    /// refuses --origid
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = SignedType::Shaken)]
    ppt: SignedType,
    /// The attestation level
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Attest::A)]
    attest: Attest,
    /// The origination identifier, a UUID [default: random]
    #[arg(long, value_name = "UUID")]
    origid: Option<OrigId>,
    /// The time of signing: RFC 3339 or seconds since the epoch [default: now]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<UnixTime>,
}

/// The PASSporT types that this command signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SignedType {
    /// RFC 8588
    Shaken,
    /// RFC 8225, without a type
    Base,
}

/// The attestation levels of SHAKEN (RFC 8588 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(super) enum Attest {
    /// The signer knows the caller and its right to the number
    A,
    /// The signer knows the caller
    B,
    /// The signer knows the gateway only
    C,
}

pub(super) fn sign(args: &Sign, console: &Console) -> Result<Outcome, Failure> {
    let key = read_key(args)?;
    let x5u = read_url(args, console)?;
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
            let fault = Fault::new("--origid: a base PASSporT has no origid");
            return Err(fault.help("remove --origid, or sign with --ppt shaken").into());
        }
        SignedType::Base => {
            key.dangerous_sign_base(&x5u, &Base { dest: &args.dest, iat, orig: &args.orig }, &mut identity)
        }
    };
    signed.map_err(|error| Fault::new(error.to_string()))?;
    let identity = String::from_utf8_lossy(&identity);
    let mut out = console.out();
    if console.json() {
        writeln!(out, "{}", json!({ "identity": identity }))?;
    } else {
        writeln!(out, "{identity}")?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// Parses the caller: a number, or a URI with or without a number.
fn caller(text: &str) -> Result<Identity, String> {
    identity(text, &["sip", "sips", "tel"], Identity::caller)
}

/// Parses the callee, which may be a service such as `urn:service:sos` (RFC 9027 section 3).
fn callee(text: &str) -> Result<Identity, String> {
    identity(text, &["sip", "sips", "tel", "urn"], Identity::callee)
}

/// Converts a number to the form of RFC 8224 section 8.3, and a URI to the form of section 8.5.
fn identity(
    text: &str,
    schemes: &[&str],
    of_uri: fn(&[u8], &DialPlan) -> Result<Identity, IdentityError>,
) -> Result<Identity, String> {
    let read = match text.split_once(':') {
        Some((scheme, _)) if schemes.iter().any(|own| own.eq_ignore_ascii_case(scheme)) => {
            of_uri(text.as_bytes(), &DialPlan::default()).map_err(|error| error.to_string())
        }
        Some((scheme, _)) => Err(format!("{scheme}: is not a scheme for a caller or a callee")),
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

/// Parses the URL. A port that verifiers refuse causes only a warning, because tests use such ports.
fn read_url(args: &Sign, console: &Console) -> Result<X5u, Fault> {
    match X5u::parse(&args.x5u, DEFAULT_PORTS) {
        Err(X5uError::ForbiddenPort) => {
            console.warn(
                &Fault::new("verifiers refuse a certificate URL with this port").help("use port 443 or 8443"),
            );
            X5u::parse(&args.x5u, &(1..=u16::MAX).collect::<Vec<_>>())
        }
        read => read,
    }
    .map_err(|error| {
        Fault::new(format!("--x5u: {error}")).help("write a URL such as https://cr.example.net/leaf.pem")
    })
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
