//! Prints a JSON value for people: one member per line, nested members indented.

use std::io::{self, Write};

use serde_json::Value;

use crate::console::Palette;

/// Writes `value`, usually an object.
pub(super) fn write(out: &mut impl Write, value: &Value, palette: Palette) -> io::Result<()> {
    Tree { palette }.members(out, value, 0)
}

struct Tree {
    palette: Palette,
}

impl Tree {
    fn members(&self, out: &mut impl Write, value: &Value, depth: usize) -> io::Result<()> {
        if let Value::Object(object) = value {
            let short = object.iter().filter(|(_, value)| self.on_one_line(value).is_some());
            let width = short.map(|(key, _)| key.len()).max().unwrap_or_default();
            return object.iter().try_for_each(|(key, value)| self.member(out, (key, width), value, depth));
        }
        match value.as_array() {
            Some(items) => items.iter().try_for_each(|item| self.item(out, item, depth)),
            None => self.line(out, "", value, depth),
        }
    }

    fn member(
        &self,
        out: &mut impl Write,
        key: (&str, usize),
        value: &Value,
        depth: usize,
    ) -> io::Result<()> {
        let (name, (key, width)) = (self.palette.name, key);
        if self.on_one_line(value).is_some() {
            return self.line(out, &format!("{name}{key:<width$}{name:#}  "), value, depth);
        }
        writeln!(out, "{:w$}{name}{key}{name:#}", "", w = depth * INDENT)?;
        self.members(out, value, depth + 1)
    }

    /// Writes a header field, a finding or a short value on one line. For another item, writes a line with a dash, and then the
    /// members of the item.
    fn item(&self, out: &mut impl Write, item: &Value, depth: usize) -> io::Result<()> {
        let (name, dim) = (self.palette.name, self.palette.dim);
        let word = |key: &str| item.get(key).and_then(Value::as_str);
        if let (Some(grade), Some(finding), Some(text)) = (word("grade"), word("finding"), item.get("text")) {
            let style = match grade {
                "error" => self.palette.bad,
                "warning" => self.palette.warn,
                _ => dim,
            };
            return self.line(out, &format!("{style}{grade}{style:#} {finding}: "), text, depth);
        }
        if let (Some(key), Some(value)) = (item.get("name").and_then(Value::as_str), item.get("value")) {
            return self.line(out, &format!("{name}{key}:{name:#} "), value, depth);
        }
        if self.on_one_line(item).is_some() {
            return self.line(out, &format!("{dim}-{dim:#} "), item, depth);
        }
        writeln!(out, "{:w$}{dim}-{dim:#}", "", w = depth * INDENT)?;
        self.members(out, item, depth + 1)
    }

    fn line(&self, out: &mut impl Write, before: &str, value: &Value, depth: usize) -> io::Result<()> {
        let text = self.on_one_line(value).unwrap_or_default();
        writeln!(out, "{:w$}{before}{text}", "", w = depth * INDENT)
    }

    /// Returns the text of a value that fits on one line: a scalar, a list of scalars, or an object with one such
    /// member.
    fn on_one_line(&self, value: &Value) -> Option<String> {
        let (name, shown) = (self.palette.name, self.palette.value);
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Some(format!("{shown}{value}{shown:#}")),
            Value::String(text) => Some(format!("{shown}{}{shown:#}", escape_controls(text))),
            Value::Array(items) => {
                let plain = items.iter().filter(|item| !item.is_object() && !item.is_array());
                let texts: Vec<_> = plain.filter_map(|item| self.on_one_line(item)).collect();
                (texts.len() == items.len()).then(|| texts.join(", "))
            }
            Value::Object(object) => {
                let mut members = object.iter();
                let (Some((key, member)), None) = (members.next(), members.next()) else { return None };
                let text = self.on_one_line(member).filter(|_| !member.is_object())?;
                Some(format!("{name}{key}{name:#} {text}"))
            }
        }
    }
}

/// Escapes control characters, so that a message cannot control the terminal.
fn escape_controls(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

const INDENT: usize = 2;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> String {
        let mut out = Vec::new();
        write(&mut out, value, Palette::PLAIN).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn short_values_follow_their_keys() {
        let payload =
            json!({ "attest": "A", "dest": { "tn": ["1", "2"] }, "iat": 7, "more": { "a": 1, "b": 2 } });
        assert_eq!(written(&payload), "attest  A\ndest    tn 1, 2\niat     7\nmore\n  a  1\n  b  2\n");
    }

    #[test]
    fn each_finding_has_its_own_line() {
        let found =
            json!({ "findings": [{ "grade": "note", "finding": "iat-stale", "text": "It is old." }] });
        assert_eq!(written(&found), "findings\n  note iat-stale: It is old.\n");
    }

    #[test]
    fn header_fields_look_like_header_fields() {
        let message = json!({ "headers": [{ "name": "To", "value": "a\u{1b}[2J" }] });
        assert_eq!(written(&message), "headers\n  To: a\\u{1b}[2J\n", "the value cannot clear the screen");
    }
}
