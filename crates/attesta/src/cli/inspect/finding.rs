//! The faults that `inspect` finds. If docs/stir.md has a word for a fault, `inspect` uses the same word.

use attesta_stir::cert::{Grade, Lint};
use attesta_stir::{Check, Finding, Reason};
use serde_json::{Map, Value, json};

/// The findings about one object, in order.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Value>);

impl Findings {
    /// Adds a fault for which verifiers must refuse the object.
    pub(super) fn error(&mut self, word: &str, text: impl AsRef<str>) {
        self.add(Grade::Error, word, text.as_ref());
    }

    /// Adds information that is no fault by itself.
    pub(super) fn note(&mut self, word: &str, text: impl AsRef<str>) {
        self.add(Grade::Note, word, text.as_ref());
    }

    /// Adds a deviation from the certificate profile.
    pub(super) fn lint(&mut self, lint: Lint) {
        self.add(lint.grade(), lint.as_str(), lint.explanation().trim());
    }

    pub(super) fn reason(&mut self, reason: Reason) {
        self.error(reason.as_str(), reason.explanation());
    }

    /// Adds the failed checks of `finding`, except those in `without`.
    pub(super) fn checks(&mut self, finding: &Finding, without: &[Check]) {
        let checks = Check::ALL.iter().filter(|check| !without.contains(check));
        for reason in checks.filter_map(|check| finding.checks().reason(*check)) {
            self.reason(reason);
        }
    }

    /// Adds the findings to `object`, if there are any.
    pub(super) fn put(self, object: &mut Map<String, Value>) {
        if !self.0.is_empty() {
            object.insert("findings".into(), self.0.into());
        }
    }

    fn add(&mut self, grade: Grade, word: &str, text: &str) {
        self.0.push(json!({ "grade": grade.as_str(), "finding": word, "text": text }));
    }
}
