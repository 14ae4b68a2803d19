//! The fields of a message by which its transaction is found.

use attesta_sip::{CSeq, From, Headers, Name, To, Via};

/// What the rules of matching look at, read once (RFC 3261 sections 17.1.3 and 17.2.3).
#[derive(Debug)]
pub(crate) struct Marks<'a> {
    /// The octets of the top Via.
    pub(crate) via_text: &'a [u8],
    pub(crate) via: Via<'a>,
    pub(crate) from_tag: Option<&'a [u8]>,
    pub(crate) to_tag: Option<&'a [u8]>,
    pub(crate) call_id: &'a [u8],
    pub(crate) cseq: CSeq,
}

impl<'a> Marks<'a> {
    /// `None` where one of the fields is missing or unreadable: such a message belongs to no transaction.
    pub(crate) fn of(headers: &'a Headers) -> Option<Self> {
        let via_text = headers.values(Name::Via).next()?;
        Some(Self {
            via_text,
            via: Via::parse(via_text).ok()?,
            from_tag: From::parse(headers.get(Name::From)?).ok()?.tag(),
            to_tag: To::parse(headers.get(Name::To)?).ok()?.tag(),
            call_id: headers.get(Name::CallId)?,
            cseq: CSeq::parse(headers.get(Name::CSeq)?).ok()?,
        })
    }

    /// The branch, if it starts with the cookie that says that it is unique (RFC 3261 section 8.1.1.7). The cookie alone
    /// names nothing (RFC 4475 section 3.2.1).
    pub(crate) fn branch(&self) -> Option<&'a [u8]> {
        self.via.branch().filter(|branch| branch.len() > COOKIE.len() && branch.starts_with(COOKIE))
    }
}

const COOKIE: &[u8] = b"z9hG4bK";
