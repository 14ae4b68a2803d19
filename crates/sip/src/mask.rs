//! Masks personal data in `Debug`.

use std::fmt;

/// A user part or number. Prints without its last four characters.
pub(crate) struct Masked<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(self.0);
        let shown = text.chars().count().saturating_sub(4);
        f.write_str(&text.chars().take(shown).collect::<String>())?;
        f.write_str("****")
    }
}
