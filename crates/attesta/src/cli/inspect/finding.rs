//! What a judge would trip over, in the words of docs/stir.md where there is one for it.

use attesta_stir::cert::{Grade, Lint};
use attesta_stir::{Check, Finding, Reason};
use serde_json::{Map, Value, json};

/// The findings about one thing, in their order.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Value>);

impl Findings {
    /// Verifiers are right to refuse it.
    pub(super) fn error(&mut self, word: &str, text: impl AsRef<str>) {
        self.add(Grade::Error, word, text.as_ref());
    }

    /// Worth knowing, and no fault by itself.
    pub(super) fn note(&mut self, word: &str, text: impl AsRef<str>) {
        self.add(Grade::Note, word, text.as_ref());
    }

    /// A deviation from the certificate profile.
    pub(super) fn lint(&mut self, lint: Lint) {
        self.add(lint.grade(), lint.as_str(), lint.explanation().trim());
    }

    pub(super) fn reason(&mut self, reason: Reason) {
        self.error(reason.as_str(), reason.explanation());
    }

    /// The checks of `finding` that failed, but for those that say nothing here.
    pub(super) fn checks(&mut self, finding: &Finding, without: &[Check]) {
        let checks = Check::ALL.iter().filter(|check| !without.contains(check));
        for reason in checks.filter_map(|check| finding.checks().reason(*check)) {
            self.reason(reason);
        }
    }

    /// Puts them into `object`, if there are any.
    pub(super) fn put(self, object: &mut Map<String, Value>) {
        if !self.0.is_empty() {
            object.insert("findings".into(), self.0.into());
        }
    }

    fn add(&mut self, grade: Grade, word: &str, text: &str) {
        self.0.push(json!({ "grade": grade.as_str(), "finding": word, "text": text }));
    }
}
