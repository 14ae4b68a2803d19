//! Reads one table of the file. Every key that this version does not know is a fault.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{Source, Span};
use super::value::{Text, duration, nearest};
use crate::fault::Fault;

/// One table of the file. A reader reads the keys that it knows. [`Section::close`] reports all other keys.
///
/// A section reports an unusable value at its place, and treats the value as absent. One run therefore finds every fault
/// of a file.
pub(crate) struct Section<'a> {
    /// The title as written in the file: `[verify]`, `[[trunk]]`.
    title: String,
    span: Span,
    table: &'a DeTable<'a>,
    source: &'a Source,
    /// The keys that this version supports.
    known: RefCell<BTreeSet<&'static str>>,
    /// The keys that a later version will support.
    later: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Section<'a> {
    /// Returns the whole file as a section.
    pub(crate) fn root(table: &'a DeTable<'a>, source: &'a Source) -> Self {
        Self {
            title: "the file".into(),
            span: 0..0,
            table,
            source,
            known: RefCell::default(),
            later: RefCell::default(),
        }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    pub(crate) fn source(&self) -> &'a Source {
        self.source
    }

    /// Returns the table `key`, if the file has this table.
    pub(crate) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        let value = self.value(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            return self.wrong_type(value, "a table");
        };
        Some(self.inner(format!("[{key}]"), value.span(), table))
    }

    /// Returns the tables `key`, in order. The list is empty if the file has no such table.
    pub(crate) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(entries) = value.get_ref() else {
            self.wrong_type::<()>(value, &format!("written as [[{key}]]"));
            return Vec::new();
        };
        entries
            .iter()
            .filter_map(|entry| {
                let DeValue::Table(table) = entry.get_ref() else {
                    return self.wrong_type(entry, "a table");
                };
                Some(self.inner(format!("[[{key}]]"), entry.span(), table))
            })
            .collect()
    }

    pub(crate) fn text(&self, key: &'static str) -> Option<Text> {
        let value = self.value(key)?;
        self.text_of(value)
    }

    /// Returns a string that the table must have.
    pub(crate) fn required_text(&self, key: &'static str) -> Option<Text> {
        self.require(key);
        self.text(key)
    }

    /// Reports a fault if `key` is missing.
    pub(crate) fn require(&self, key: &'static str) {
        if !self.has(key) {
            let fault = self.source.fault(&self.span, format!("{} needs `{key}`", self.title));
            self.source.report(fault.help(format!("add `{key} = \"...\"`")));
        }
    }

    /// Returns true if the table has `key`.
    pub(crate) fn has(&self, key: &'static str) -> bool {
        self.table.contains_key(key)
    }

    /// Returns the string as written in the file. Returns `None` if the value is not a string, and reports no fault.
    pub(super) fn plain_text(&self, key: &'static str) -> Option<String> {
        self.table.get(key)?.get_ref().as_str().map(str::to_owned)
    }

    /// Returns a list of strings. A single string is a list of one.
    pub(crate) fn texts(&self, key: &'static str) -> Option<Vec<Text>> {
        let value = self.value(key)?;
        if let DeValue::Array(entries) = value.get_ref() {
            return Some(entries.iter().filter_map(|entry| self.text_of(entry)).collect());
        }
        if !value.get_ref().is_str() {
            return self.wrong_type(value, "a string or a list of strings");
        }
        self.text_of(value).map(|text| vec![text])
    }

    /// Reads a string with `parse`. If `parse` returns `None`, reports a fault that expects `what`: the form, with an
    /// example.
    pub(crate) fn parsed<T>(
        &self,
        key: &'static str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(key)?;
        self.parse_text(&text, what, parse)
    }

    /// Reads each string of a list with `parse`, as [`Self::parsed`] does.
    pub(crate) fn parsed_list<T>(
        &self,
        key: &'static str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let texts = self.texts(key)?;
        Some(texts.iter().filter_map(|text| self.parse_text(text, what, &parse)).collect())
    }

    /// Returns a duration within `range`.
    pub(crate) fn duration(&self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.text(key)?;
        let value = self.parse_text(
            &text,
            "a duration with its unit, such as \"300ms\", \"60s\" or \"24h\"",
            duration,
        )?;
        if range.contains(&value) {
            return Some(value);
        }
        let fault = self.source.fault(text.span(), format!("`{key}` is out of range"));
        self.source.report(fault.help(format!("from {:?} to {:?}", range.start(), range.end())));
        None
    }

    pub(crate) fn integers(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<Vec<u64>> {
        let value = self.value(key)?;
        let DeValue::Array(entries) = value.get_ref() else {
            return self.wrong_type(value, "a list of integers");
        };
        Some(entries.iter().filter_map(|entry| self.integer_of(key, entry, &range)).collect())
    }

    /// Returns an integer within `range`.
    pub(crate) fn integer(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.integer_of(key, self.value(key)?, &range)
    }

    fn integer_of(
        &self,
        key: &'static str,
        entry: &Spanned<DeValue<'a>>,
        range: &RangeInclusive<u64>,
    ) -> Option<u64> {
        let DeValue::Integer(integer) = entry.get_ref() else {
            return self.wrong_type(entry, "an integer");
        };
        let number =
            u64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|n| range.contains(n));
        if number.is_none() {
            let fault = self.source.fault(&entry.span(), format!("`{key}` is out of range"));
            self.source.report(fault.help(format!("from {} to {}", range.start(), range.end())));
        }
        number
    }

    pub(crate) fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let DeValue::Boolean(boolean) = value.get_ref() else {
            return self.wrong_type(value, "true or false");
        };
        Some(*boolean)
    }

    /// Reads one of `words` and returns its value. A later version will support the words in `later`.
    pub(crate) fn choice<T: Copy>(
        &self,
        key: &'static str,
        words: &[(&'static str, T)],
        later: &[&'static str],
    ) -> Option<T> {
        let text = self.text(key)?;
        self.choose(&text, key, words, later)
    }

    /// Reads each string of a list as one of `words`, as [`Self::choice`] does.
    pub(crate) fn choices<T: Copy>(
        &self,
        key: &'static str,
        words: &[(&'static str, T)],
        later: &[&'static str],
    ) -> Option<Vec<T>> {
        let texts = self.texts(key)?;
        Some(texts.iter().filter_map(|text| self.choose(text, key, words, later)).collect())
    }

    /// Reports keys that a later version will support.
    pub(crate) fn later(&self, keys: &[&'static str]) {
        for key in keys {
            if let Some((written, _)) = self.table.get_key_value(*key) {
                let fault = self
                    .source
                    .fault(&written.span(), format!("`{key}` in {} is not supported yet", self.title));
                self.source.report(fault.help("remove the key: this version does not support it"));
            }
            self.later.borrow_mut().insert(key);
        }
    }

    /// Reports every unknown key.
    pub(crate) fn close(self) {
        let (known, later) = (self.known.into_inner(), self.later.into_inner());
        for written in self.table.keys() {
            let key: &str = written.get_ref();
            if known.contains(key) || later.contains(key) {
                continue;
            }
            let fault = self.source.fault(&written.span(), format!("unknown key `{key}` in {}", self.title));
            self.source.report(match nearest(key, known.iter().chain(&later).copied()) {
                Some(word) => fault.help(format!("did you mean `{word}`?")),
                None => {
                    fault.help(format!("known keys: {}", Vec::from_iter(known.iter().copied()).join(", ")))
                }
            });
        }
    }

    /// Reports the fault `what` at the place of `text`.
    pub(crate) fn refuse(&self, text: &Text, what: impl Into<String>, help: impl Into<String>) {
        self.source.report(self.source.fault(text.span(), what).help(help));
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.borrow_mut().insert(key);
        self.table.get(key)
    }

    fn inner(&self, title: String, span: Span, table: &'a DeTable<'a>) -> Section<'a> {
        Section {
            title,
            span,
            table,
            source: self.source,
            known: RefCell::default(),
            later: RefCell::default(),
        }
    }

    fn text_of(&self, value: &Spanned<DeValue<'a>>) -> Option<Text> {
        let DeValue::String(raw) = value.get_ref() else {
            return self.wrong_type(value, "a string");
        };
        match Text::expand(raw, value.span(), self.source) {
            Ok(text) => Some(text),
            Err((what, help)) => {
                let fault = self.source.fault(&value.span(), what);
                self.source.report(if help.is_empty() { fault } else { fault.help(help) });
                None
            }
        }
    }

    /// Reads `text` with `parse`. If `parse` returns `None`, reports a fault that expects `what`.
    pub(super) fn parse_text<T>(
        &self,
        text: &Text,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = parse(text.as_str());
        if value.is_none() {
            self.refuse(text, format!("{} is not a valid value here", text.shown()), format!("write {what}"));
        }
        value
    }

    fn choose<T: Copy>(
        &self,
        text: &Text,
        key: &str,
        words: &[(&'static str, T)],
        later: &[&'static str],
    ) -> Option<T> {
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.as_str()) {
            return Some(*value);
        }
        let all = || words.iter().map(|(word, _)| *word);
        if later.contains(&text.as_str()) {
            let offered = all().collect::<Vec<_>>().join(", ");
            self.refuse(
                text,
                format!("`{key} = \"{}\"` is not supported yet", text.as_str()),
                format!("use {offered}"),
            );
            return None;
        }
        let help = match nearest(text.as_str(), all()) {
            Some(word) => format!("did you mean \"{word}\"?"),
            None => format!("one of: {}", all().collect::<Vec<_>>().join(", ")),
        };
        self.refuse(text, format!("{} is not a value of `{key}`", text.shown()), help);
        None
    }

    fn wrong_type<T>(&self, value: &Spanned<DeValue<'a>>, wanted: &str) -> Option<T> {
        let found = value.get_ref();
        let fault = self
            .source
            .fault(&value.span(), format!("this must be {wanted}, but it is {}", type_name(found)));
        let number = found.is_integer() || found.is_float();
        self.source.report(if number && wanted.contains("string") {
            fault.help("put it in quotes")
        } else {
            fault
        });
        None
    }

    /// Reports `fault`.
    pub(crate) fn report(&self, fault: Fault) {
        self.source.report(fault);
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
