//! The options of `attesta verify`.

use std::path::PathBuf;

use attesta_stir::UnixTime;
use clap::{Args, ValueEnum};

use crate::time;

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The STI roots to believe, PEM [default: those of --config]
    #[arg(long, value_name = "PEM", required_unless_present = "config")]
    pub(crate) anchors: Option<PathBuf>,
    /// The time at which to judge: RFC 3339 or seconds since the epoch [default: now]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) at: Option<UnixTime>,
    /// What a fetch of URL would give: a certificate chain, PEM or DER; may be given again
    #[arg(long, value_name = "URL=FILE", value_parser = certificate)]
    pub(crate) cert: Vec<(String, PathBuf)>,
    /// A revocation list, PEM or DER, direct or indirect; may be given again [default: those of --config]
    #[arg(long, value_name = "FILE")]
    pub(crate) crl: Vec<PathBuf>,
    /// The roots below which the lists are signed, PEM [default: those of --config, or else the anchors]
    #[arg(long, value_name = "PEM")]
    pub(crate) crl_anchors: Option<PathBuf>,
    /// What holds when a list is out of date, or there is none [default: that of --config, or else soft]
    #[arg(long, value_name = "POLICY", value_enum)]
    pub(crate) crl_stale: Option<Stale>,
    /// Take [verify] and the trust domain "default" from this configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// SIP messages, one datagram per file, or - for standard input; a .stream file holds one direction of TCP
    #[arg(value_name = "MESSAGE|-", required = true)]
    pub(crate) messages: Vec<PathBuf>,
}

/// What becomes of calls when revocation lists are out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stale {
    /// What was revoked stays revoked, and all else is believed
    Soft,
    /// Nothing verifies
    Hard,
}

/// Reads `URL=FILE`. A URL that may be fetched has no query, so the last `=` is the one between the two.
fn certificate(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((url, file)) if !url.is_empty() && !file.is_empty() => Ok((url.to_owned(), file.into())),
        _ => Err("write URL=FILE, such as https://cr.example.net/leaf.pem=leaf.pem".into()),
    }
}
