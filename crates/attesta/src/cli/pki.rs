//! `attesta pki new`: writes a throw-away STI hierarchy to a folder.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use attesta::pki::{Scope, ThrowAwayPki};
use clap::{Args, Subcommand};
use serde_json::json;

use super::outcome::Outcome;
use crate::console::Console;
use crate::fault::{Failure, Fault};
use crate::{files, time};

#[derive(Debug, Subcommand)]
pub(super) enum Pki {
    /// Write roots, certificates, a delegate, CRLs and a trust list to a folder
    New(NewPki),
}

#[derive(Debug, Args)]
pub(super) struct NewPki {
    /// The folder; it is created if necessary
    dir: PathBuf,
    /// The service provider code in the leaf certificate [default: 1234, unless --tn is given]
    #[arg(long, value_name = "CODE", value_parser = Scope::provider)]
    spc: Option<Scope>,
    /// A telephone number in the certificates of leaf and delegate; trailing dots make a range: +1215555....
    #[arg(long, value_name = "NUMBER", value_parser = Scope::numbers)]
    tn: Vec<Scope>,
    /// The number of days until the certificates expire
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
}

pub(super) fn new(args: &NewPki, console: &Console) -> Result<Outcome, Failure> {
    let now = time::now().as_secs();
    let not_before = time::unix(now.saturating_sub(CLOCK_TOLERANCE));
    let not_after = time::unix(now + u64::from(args.days) * DAY);
    let pki = ThrowAwayPki::generate(&scopes(args)?, not_before, not_after)
        .map_err(|error| Fault::new(error.to_string()))?;
    let files = contents(&pki).map_err(|error| Fault::new(error.to_string()))?;
    write_all(args, &files)?;
    report(args, &files, console)?;
    Ok(Outcome::Done)
}

/// Returns the entries of the leaf. The leaf of a provider has only the provider's code (ATIS-1000080). The leaf of a
/// delegate has numbers. A code together with numbers is allowed here for tests of unusual certificates.
fn scopes(args: &NewPki) -> Result<Vec<Scope>, Fault> {
    let default = if args.tn.is_empty() { Some(Scope::provider(DEFAULT_SPC)) } else { None };
    let default = default.transpose().map_err(|error| Fault::new(error.to_string()))?;
    Ok(args.spc.clone().or(default).into_iter().chain(args.tn.iter().cloned()).collect())
}

struct Content {
    name: &'static str,
    meaning: &'static str,
    octets: Vec<u8>,
    secret: bool,
}

fn contents(pki: &ThrowAwayPki) -> Result<Vec<Content>, attesta::pki::PkiError> {
    let open = |name, meaning, octets: Vec<u8>| Content { name, meaning, octets, secret: false };
    let key = |name, meaning, pem: String| Content { name, meaning, octets: pem.into_bytes(), secret: true };
    Ok(vec![
        open("sti-roots.pem", "the root: the anchors of a verifier", pki.root_pem().into_bytes()),
        key("root.key.pem", "the key of the root", pki.root_key_pem()),
        open("intermediate.pem", "the intermediate", pki.intermediate_pem().into_bytes()),
        key("intermediate.key.pem", "the key of the intermediate", pki.intermediate_key_pem()),
        open("leaf.chain.pem", "leaf and intermediate, to serve at x5u", pki.leaf_chain_pem().into_bytes()),
        key("leaf.key.pem", "the leaf's key: signs PASSporTs", pki.leaf_key_pem()),
        open(
            "delegate-ca.pem",
            "the authority of a provider that delegates numbers",
            pki.delegate_authority_pem().into_bytes(),
        ),
        key("delegate-ca.key.pem", "the key of this authority", pki.delegate_authority_key_pem()),
        open(
            "delegate.chain.pem",
            "a delegate of numbers, and the certificates above it",
            pki.delegate_chain_pem().into_bytes(),
        ),
        key("delegate.key.pem", "the delegate's key", pki.delegate_key_pem()),
        open("sti-pa-root.pem", "the STI-PA's own root", pki.administrator_root_pem().into_bytes()),
        key("sti-pa-root.key.pem", "the key of the STI-PA's root", pki.administrator_root_key_pem()),
        open("crl-signer.pem", "the CRL signer: the anchor of the CRLs", pki.crl_signer_pem().into_bytes()),
        key("crl-signer.key.pem", "the key of the CRL signer", pki.crl_signer_key_pem()),
        open("crl.pem", "an indirect CRL that revokes nothing", pki.crl_pem()?.into_bytes()),
        open(
            "crl-revoking-leaf.pem",
            "the next CRL, which revokes the leaf",
            pki.crl_revoking_leaf_pem()?.into_bytes(),
        ),
        open(
            "trust-list-signer.pem",
            "the signer of the trust list",
            pki.trust_list_signer_pem().into_bytes(),
        ),
        key("trust-list-signer.key.pem", "the key of the trust list signer", pki.trust_list_signer_key_pem()),
        open("trust-list.jws", "the STI-PA's signed list of roots", pki.trust_list()?.into_bytes()),
    ])
}

fn write_all(args: &NewPki, files: &[Content]) -> Result<(), Fault> {
    let dir = &args.dir;
    fs::create_dir_all(dir).map_err(|error| {
        Fault::in_file(dir.display(), error.to_string()).help("name a folder that can be written")
    })?;
    // This check runs before the first file is written, because the files of two hierarchies do not match each other.
    if let Some(there) = files.iter().map(|file| dir.join(file.name)).find(|path| path.exists()) {
        let fault = Fault::in_file(there.display(), "the file already exists");
        return Err(fault.help("choose another folder, or remove the old files"));
    }
    for file in files {
        let path = dir.join(file.name);
        files::write_new(&path, &file.octets, file.secret)
            .map_err(|error| Fault::in_file(path.display(), error.to_string()))?;
    }
    Ok(())
}

fn report(args: &NewPki, files: &[Content], console: &Console) -> Result<(), Failure> {
    let mut out = console.out();
    if console.json() {
        let names: Vec<_> = files.iter().map(|file| args.dir.join(file.name).display().to_string()).collect();
        writeln!(out, "{}", json!({ "result": "written", "days": args.days, "files": names }))?;
    } else {
        let p = console.palette();
        for file in files {
            let (name, dim) = (p.name, p.dim);
            writeln!(out, "{name}{:<26}{name:#}{dim}{}{dim:#}", file.name, file.meaning)?;
        }
        let warn = p.warn;
        writeln!(
            out,
            "{warn}These certificates are for tests only: no other system trusts them. They expire in {} days.{warn:#}",
            args.days
        )?;
    }
    out.flush()?;
    Ok(())
}

/// How far notBefore lies in the past, in seconds. Verifiers with a slow clock then accept the certificates.
const CLOCK_TOLERANCE: u64 = DAY;
const DAY: u64 = 24 * 60 * 60;
const DEFAULT_SPC: &str = "1234";
