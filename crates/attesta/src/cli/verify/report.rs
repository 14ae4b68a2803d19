//! The output of `verify` for one message, as JSON or as text.

use std::io::{self, Write};

use attesta_stir::{Check, Finding, Outcome as CheckOutcome, Reason, Verification};
use serde::Serialize;

use crate::console::Palette;

/// The report of one message, with the JSON keys in their documented order.
#[derive(Debug, Serialize)]
pub(super) struct MessageReport {
    /// The file, if there are several messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The index in the stream, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attest: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origid: Option<String>,
    verstat: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    identities: Vec<IdentityReport>,
    #[serde(skip)]
    explained: Option<Reason>,
    /// The URLs of certificates that were needed and not given.
    #[serde(skip)]
    wanted: Vec<String>,
}

#[derive(Debug, Serialize)]
struct IdentityReport {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    ppt: Option<&'static str>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    /// True if the token appeared in an earlier call.
    #[serde(skip_serializing_if = "is_false")]
    replayed: bool,
    checks: Vec<CheckReport>,
}

#[derive(Debug, Serialize)]
struct CheckReport {
    check: &'static str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip)]
    outcome: CheckOutcome,
}

impl MessageReport {
    /// Builds the report. `replayed` says for each Identity header field whether its token appeared in an earlier call.
    /// `wanted` lists the URLs of missing certificates.
    pub(super) fn of(verification: &Verification, replayed: &[bool], wanted: Vec<String>) -> Self {
        let reason = verification.reason();
        let identities = verification.findings().iter().enumerate().map(|(index, finding)| {
            IdentityReport::of(index, finding, replayed.get(index).copied().unwrap_or_default())
        });
        Self {
            file: None,
            index: None,
            verdict: verification.verdict().as_str(),
            attest: verification.attestation().map(|attestation| attestation.as_str()),
            origid: verification.origid().map(|origid| origid.to_string()),
            verstat: verification.verstat().as_str(),
            code: reason.map(|reason| reason.code()),
            reason: reason.map(|reason| reason.as_str()),
            identities: identities.collect(),
            explained: reason,
            wanted,
        }
    }

    /// Adds the file and the index, for the reports of several messages.
    pub(super) fn named(self, file: String, index: Option<usize>) -> Self {
        Self { file: Some(file), index, ..self }
    }

    pub(super) fn write(&self, out: &mut impl Write, palette: Palette) -> io::Result<()> {
        let style = match self.verdict {
            "pass" => palette.good,
            "fail" => palette.bad,
            _ => palette.warn,
        };
        let (name, dim) = (palette.name, palette.dim);
        if let Some(file) = &self.file {
            let place = self.index.map(|index| format!("#{index}")).unwrap_or_default();
            write!(out, "{name}{file}{place}{name:#}  ")?;
        }
        write!(out, "{style}{}{style:#}", self.verstat)?;
        if let Some(attest) = self.attest {
            write!(out, "  attest {attest}")?;
        }
        if let Some(origid) = &self.origid {
            write!(out, "  {dim}origid {origid}{dim:#}")?;
        }
        writeln!(out)?;
        if let Some(reason) = self.explained {
            let (code, phrase) = (reason.code(), reason.phrase());
            writeln!(out, "  {reason}  {dim}{code} {phrase}{dim:#}  {}", reason.explanation())?;
            if reason.code() == Reason::IatStale.code() {
                writeln!(out, "  {dim}use --at to verify at another time{dim:#}")?;
            }
        }
        for url in &self.wanted {
            writeln!(
                out,
                "  {dim}this command fetches nothing: give the certificate with --cert {url}=FILE{dim:#}"
            )?;
        }
        self.identities.iter().try_for_each(|identity| identity.write(out, palette))
    }
}

impl IdentityReport {
    fn of(index: usize, finding: &Finding, replayed: bool) -> Self {
        let reason = finding.reason();
        let check = |(check, outcome): (Check, CheckOutcome)| CheckReport {
            check: check.as_str(),
            result: outcome.as_str(),
            reason: finding.checks().reason(check).map(|reason| reason.as_str()),
            outcome,
        };
        Self {
            index,
            ppt: finding.ppt().map(|ppt| ppt.as_str()),
            result: finding.result().as_str(),
            reason: reason.map(|reason| reason.as_str()),
            code: reason.map(|reason| reason.code()),
            replayed,
            checks: finding.checks().iter().map(check).collect(),
        }
    }

    fn write(&self, out: &mut impl Write, palette: Palette) -> io::Result<()> {
        let (name, warn) = (palette.name, palette.warn);
        let (ppt, reason) = (self.ppt.unwrap_or("unknown"), self.reason.unwrap_or_default());
        write!(out, "  {name}Identity {}{name:#}  {ppt}  {}  {reason}", self.index, self.result)?;
        if self.replayed {
            write!(out, "  {warn}replayed: the token appeared in an earlier call{warn:#}")?;
        }
        writeln!(out)?;
        for check in &self.checks {
            let style = match check.outcome {
                CheckOutcome::Pass => palette.good,
                CheckOutcome::Fail => palette.bad,
                CheckOutcome::Skipped => palette.dim,
            };
            write!(out, "    {:<14}{style}{}{style:#}", check.check, check.result)?;
            match check.reason {
                Some(reason) => writeln!(out, "  {reason}")?,
                None => writeln!(out)?,
            }
        }
        Ok(())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reason: Reason, wanted: &[&str]) -> String {
        let report = MessageReport {
            file: None,
            index: None,
            verdict: "fail",
            attest: None,
            origid: None,
            verstat: "x",
            code: None,
            reason: None,
            identities: Vec::new(),
            explained: Some(reason),
            wanted: wanted.iter().map(ToString::to_string).collect(),
        };
        let mut out = Vec::new();
        report.write(&mut out, Palette::PLAIN).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_text_names_the_option_that_helps() {
        let url = "https://cr.example.net/leaf.pem";
        let text = written(Reason::CertificateUnavailable, &[url]);
        assert!(text.contains(&format!("--cert {url}=FILE")) && !text.contains("--at"), "{text}");
        for reason in [Reason::IatStale, Reason::IatInFuture, Reason::DateStale] {
            let text = written(reason, &[]);
            assert!(text.contains("--at") && !text.contains("--cert"), "{text}");
        }
    }
}
