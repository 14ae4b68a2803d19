//! The fields of a message that identify its transaction.

use attesta_sip::{CSeq, Headers, Name, NameAddr, Via};

/// The fields that the matching rules compare (RFC 3261 sections 17.1.3 and 17.2.3). The fields that every rule needs are
/// parsed at once. Tags are parsed only when a rule needs them.
#[derive(Debug)]
pub(crate) struct MatchFields<'a> {
    headers: &'a Headers,
    /// The octets of the top Via.
    pub(crate) via_text: &'a [u8],
    pub(crate) via: Via<'a>,
    pub(crate) call_id: &'a [u8],
    pub(crate) cseq: CSeq,
}

impl<'a> MatchFields<'a> {
    /// Reads the fields. `None` if a field is missing or unreadable. Such a message belongs to no transaction.
    pub(crate) fn of(headers: &'a Headers) -> Option<Self> {
        let via_text = headers.values(Name::Via).next()?;
        Some(Self {
            headers,
            via_text,
            via: Via::parse(via_text).ok()?,
            call_id: headers.get(Name::CallId)?,
            cseq: CSeq::parse(headers.get(Name::CSeq)?).ok()?,
        })
    }

    /// The tag of From or To.
    pub(crate) fn tag(&self, name: Name) -> Option<&'a [u8]> {
        NameAddr::parse(self.headers.get(name)?).ok()?.tag()
    }

    /// The branch, if it starts with the magic cookie, which marks the branch as unique (RFC 3261 section 8.1.1.7). The cookie
    /// alone is not a branch (RFC 4475 section 3.2.1).
    pub(crate) fn branch(&self) -> Option<&'a [u8]> {
        self.via.branch().filter(|branch| branch.len() > COOKIE.len() && branch.starts_with(COOKIE))
    }
}

const COOKIE: &[u8] = b"z9hG4bK";
