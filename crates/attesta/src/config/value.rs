//! Values for which TOML has no type: durations, and references to variables and files.

use std::env;
use std::fmt;
use std::time::Duration;

use super::source::{Source, Span};

/// A string after expansion, with its place in the file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Text {
    value: String,
    span: Span,
    /// True if the string is written in the file. A string from another place may be a secret and is never shown.
    literal: bool,
}

impl Text {
    /// Expands `raw` if `raw` is `${env:NAME}` or `${file:PATH}`. The error contains the problem and the remedy.
    pub(crate) fn expand(raw: &str, span: Span, source: &Source) -> Result<Self, (String, String)> {
        let Some(reference) = raw.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
            if raw.contains("${env:") || raw.contains("${file:") {
                return Err((
                    "`${...}` inside a longer string".into(),
                    "`${env:NAME}` or `${file:PATH}` must be the whole string".into(),
                ));
            }
            return Ok(Self { value: raw.to_owned(), span, literal: true });
        };
        let value = match reference.split_once(':') {
            Some(("env", name)) => environment(name)?,
            Some(("file", path)) => file(path, source)?,
            _ => {
                return Err((
                    format!("`{raw}` is not a known reference"),
                    "write `${env:NAME}` or `${file:PATH}`".into(),
                ));
            }
        };
        Ok(Self { value, span, literal: false })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.value
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Returns true if the string is written in the file.
    pub(crate) fn is_literal(&self) -> bool {
        self.literal
    }

    /// Returns the value for the text of a fault. A value from a variable or another file is not shown.
    pub(crate) fn shown(&self) -> String {
        if self.literal { format!("`{}`", self.value) } else { "the referenced value".into() }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

fn environment(name: &str) -> Result<String, (String, String)> {
    let value = env::var(name).map_err(|error| {
        let what = match error {
            env::VarError::NotPresent => "is not set",
            env::VarError::NotUnicode(_) => "is not UTF-8",
        };
        (
            format!("the environment variable `{name}` {what}"),
            format!("set `{name}` before you start attesta"),
        )
    })?;
    if value.len() as u64 > MAX_REFERENCE {
        return Err((
            format!("the environment variable `{name}` has more than {MAX_REFERENCE} octets"),
            String::new(),
        ));
    }
    Ok(value)
}

/// Returns the content of a file without its last line break.
fn file(path: &str, source: &Source) -> Result<String, (String, String)> {
    let path = source.resolve(path);
    let octets = crate::files::read_bounded(&path, MAX_REFERENCE).map_err(|error| {
        (
            format!("cannot read {}: {error}", path.display()),
            "relative paths start from the folder of this file".into(),
        )
    })?;
    let text = String::from_utf8(octets)
        .map_err(|_| (format!("{} is not UTF-8", path.display()), "the file must contain text".into()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// Parses a whole number and its unit: `"300ms"`, `"60s"`, `"5m"`, `"24h"`, `"7d"`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let number: u64 = number.parse().ok()?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(60 * 60),
        "d" => seconds(24 * 60 * 60),
        _ => None,
    }
}

/// Returns the word of `words` that is most similar to `written`. Returns `None` if no word is similar enough.
pub(crate) fn nearest<'w>(written: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let written = written.to_ascii_lowercase();
    words
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&written, word), word))
        .filter(|(likeness, _)| *likeness > MIN_SIMILARITY)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, word)| word)
}

/// The longest content of `${env:NAME}` or `${file:PATH}`, in octets.
const MAX_REFERENCE: u64 = 64 * 1024;
/// The Jaro-Winkler similarity above which a word is suggested.
const MIN_SIMILARITY: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("300ms"), Some(Duration::from_millis(300)));
        assert_eq!(duration("60s"), Some(Duration::from_secs(60)));
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(duration("24h"), Some(Duration::from_secs(86_400)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(604_800)));
        for wrong in
            ["", "60", "s", "-1s", "1.5s", "60 s", "60S", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(duration(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_misspelt_word_finds_its_match() {
        let keys = ["name", "sources", "targets", "on_sign_failure"];
        assert_eq!(nearest("sorces", keys), Some("sources"));
        assert_eq!(nearest("Target", keys), Some("targets"));
        assert_eq!(nearest("on-sign-failure", keys), Some("on_sign_failure"));
        assert_eq!(nearest("zebra", keys), None);
    }

    #[test]
    fn a_reference_is_the_whole_string() {
        let source = Source::new("f", "", "");
        let text = Text::expand("plain", 0..5, &source).unwrap();
        assert_eq!((text.as_str(), text.shown().as_str()), ("plain", "`plain`"));
        for wrong in [
            "a${env:HOME}",
            "${env:HOME}b",
            "${other:x}",
            "${}",
            "${env:ATTESTA_NO_SUCH_VARIABLE}",
            "${file:no/such}",
        ] {
            assert!(Text::expand(wrong, 0..1, &source).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_content_of_a_referenced_file_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
        let source = Source::new("f", "", folder.path());
        let text = Text::expand("${file:secret}", 0..1, &source).unwrap();
        assert_eq!(text.as_str(), "hunter2");
        assert!(!format!("{text:?} {}", text.shown()).contains("hunter2"));
    }
}
