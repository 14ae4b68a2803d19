//! The options of `attesta verify`.

use std::path::PathBuf;

use attesta_stir::UnixTime;
use clap::{Args, ValueEnum};

use crate::time;

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The trusted STI roots, PEM [default: the roots of --config]
    #[arg(long, value_name = "PEM", required_unless_present = "config")]
    pub(crate) anchors: Option<PathBuf>,
    /// The time of verification: RFC 3339 or seconds since the epoch [default: now]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) at: Option<UnixTime>,
    /// The certificate chain that URL serves, PEM or DER; may be given several times
    #[arg(long, value_name = "URL=FILE", value_parser = certificate)]
    pub(crate) cert: Vec<(String, PathBuf)>,
    /// A revocation list, PEM or DER, direct or indirect; may be given several times [default: the lists of --config]
    #[arg(long, value_name = "FILE")]
    pub(crate) crl: Vec<PathBuf>,
    /// The roots for the signers of the lists, PEM [default: the roots of --config, or the anchors]
    #[arg(long, value_name = "PEM")]
    pub(crate) crl_anchors: Option<PathBuf>,
    /// The policy if a list is past its nextUpdate or missing [default: the policy of --config, or soft]
    #[arg(long, value_name = "POLICY", value_enum)]
    pub(crate) crl_stale: Option<Stale>,
    /// Take [verify] and the trust domain "default" from this configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// SIP messages, one datagram per file, or - for standard input; a .stream file contains one direction of a TCP
    /// connection
    #[arg(value_name = "MESSAGE|-", required = true)]
    pub(crate) messages: Vec<PathBuf>,
}

/// The policy for revocation lists past their nextUpdate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stale {
    /// Listed certificates stay revoked; all others are trusted
    Soft,
    /// No certificate verifies
    Hard,
}

/// Splits `URL=FILE` at the last `=`. An allowed certificate URL has no query, so the URL itself contains no `=`.
fn certificate(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((url, file)) if !url.is_empty() && !file.is_empty() => Ok((url.to_owned(), file.into())),
        _ => Err("write URL=FILE, such as https://cr.example.net/leaf.pem=leaf.pem".into()),
    }
}
