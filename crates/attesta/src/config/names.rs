//! The names of listeners, trust domains, signers and trunks, and references to them.

use std::sync::Arc;

use super::section::Section;
use super::value::{Text, nearest};

/// All names in the file, by kind.
pub(crate) struct Names {
    pub(super) listeners: Vec<String>,
    pub(super) trust: Vec<String>,
    pub(super) signers: Vec<String>,
    pub(super) trunks: Vec<String>,
    /// The trunks with targets.
    pub(super) with_targets: Vec<String>,
}

impl Names {
    /// Collects the names. Reports names that are malformed or used twice.
    pub(super) fn collect(
        listen: &[Section<'_>],
        trust: &[Section<'_>],
        signer: &[Section<'_>],
        trunk: &[Section<'_>],
        default_trust: bool,
    ) -> Self {
        let mut trust = names_of(trust, Section::required_text);
        // An ephemeral signer adds its root to a domain and creates the domain if it does not exist.
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
            section.refuse(&name, format!("the name {} is given twice", name.shown()), "use each name once");
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

/// Returns `text` as one of the `known` names of `kind`, or reports a fault.
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
        None if known.is_empty() => format!("the file defines no {kind}"),
        None => format!("known names: {}", known.join(", ")),
    };
    section.refuse(text, format!("there is no {kind} named {}", text.shown()), help);
    None
}

/// Returns the names of a list. Each name must be one of the `known` names of `kind`.
pub(super) fn known_names(
    section: &Section<'_>,
    key: &'static str,
    kind: &str,
    known: &[String],
) -> Vec<Arc<str>> {
    let texts = section.texts(key).unwrap_or_default();
    texts.iter().filter_map(|text| known_name(section, text, kind, known)).collect()
}

/// The name of the trust domain of entries that name no domain.
pub(crate) const DEFAULT_TRUST: &str = "default";
const MAX_NAME: usize = 64;
