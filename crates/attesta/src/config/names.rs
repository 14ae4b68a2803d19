//! The names that listeners, trust domains, signers and trunks bear, and that others call them by.

use std::sync::Arc;

use super::section::Section;
use super::value::{Text, nearest};

/// Every name that the file gives, by kind.
pub(crate) struct Names {
    pub(super) listeners: Vec<String>,
    pub(super) trust: Vec<String>,
    pub(super) signers: Vec<String>,
    pub(super) trunks: Vec<String>,
    /// The trunks that calls can be sent to.
    pub(super) with_targets: Vec<String>,
}

impl Names {
    /// Takes the names, and reports those that are not fit to be one or are given twice.
    pub(super) fn collect(
        listen: &[Section<'_>],
        trust: &[Section<'_>],
        signer: &[Section<'_>],
        trunk: &[Section<'_>],
        default_trust: bool,
    ) -> Self {
        let mut trust = names_of(trust, Section::required_text);
        // An ephemeral signer brings its own root to a domain, which it makes where there is none.
        let ephemeral = signer.iter().any(|section| section.has("ephemeral") && !section.has("trust"));
        if (default_trust || ephemeral) && !trust.iter().any(|name| name == DEFAULT_TRUST) {
            trust.push(DEFAULT_TRUST.to_owned());
        }
        let with_targets = trunk.iter().filter(|section| section.has("targets"));
        Self {
            with_targets: with_targets.filter_map(|section| section.plain_text("name")).collect(),
            listeners: names_of(listen, Section::text),
            trust,
            signers: names_of(signer, Section::required_text),
            trunks: names_of(trunk, Section::required_text),
        }
    }
}

fn names_of<'a>(
    sections: &[Section<'a>],
    name_of: impl Fn(&Section<'a>, &'static str) -> Option<Text>,
) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for section in sections {
        let Some(name) = name_of(section, "name") else { continue };
        if names.iter().any(|other| other == name.as_str()) {
            section.refuse(
                &name,
                format!("the name {} is given twice", name.shown()),
                "give each its own name",
            );
        }
        let fit = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
        if name.as_str().is_empty() || name.as_str().len() > MAX_NAME || !name.as_str().bytes().all(fit) {
            section.refuse(
                &name,
                format!("{} cannot be a name", name.shown()),
                format!("1 to {MAX_NAME} letters, digits, `-`, `_` and `.`"),
            );
        }
        names.push(name.as_str().to_owned());
    }
    names
}

/// `text` as a name of `known`, which are all of a kind; reported if it is none of them.
pub(super) fn known_name(
    section: &Section<'_>,
    text: &Text,
    kind: &str,
    known: &[String],
) -> Option<Arc<str>> {
    if let Some(name) = known.iter().find(|name| *name == text.as_str()) {
        return Some(name.as_str().into());
    }
    let help = match nearest(text.as_str(), known.iter().map(String::as_str)) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None if known.is_empty() => format!("the file has no {kind}"),
        None => format!("there are: {}", known.join(", ")),
    };
    section.refuse(text, format!("there is no {kind} named {}", text.shown()), help);
    None
}

/// The names of a list; each must be one of `known`, which are names of `kind`.
pub(super) fn known_names(
    section: &Section<'_>,
    key: &'static str,
    kind: &str,
    known: &[String],
) -> Vec<Arc<str>> {
    let texts = section.texts(key).unwrap_or_default();
    texts.iter().filter_map(|text| known_name(section, text, kind, known)).collect()
}

/// The trust domain that holds where none is named.
pub(crate) const DEFAULT_TRUST: &str = "default";
const MAX_NAME: usize = 64;
