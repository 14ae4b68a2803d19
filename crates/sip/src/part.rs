//! The parts of a message that are ranges of what was received until they are edited.

use bytes::Bytes;

/// A part of a message: a range of what was received, or octets of its own.
#[derive(Clone)]
pub(crate) enum Text {
    Received { start: u32, end: u32 },
    Own(Bytes),
}

impl Text {
    pub(crate) fn own(text: impl Into<Bytes>) -> Self {
        Self::Own(text.into())
    }

    /// All of a message from this octet on.
    pub(crate) fn to_end(raw: &[u8], start: usize) -> Self {
        // A message is at most 2^30 octets.
        let narrow = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Self::Received { start: narrow(start), end: narrow(raw.len()) }
    }

    pub(crate) fn is_received(&self) -> bool {
        matches!(self, Self::Received { .. })
    }

    pub(crate) fn of<'a>(&'a self, raw: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Received { start, end } => raw.get(*start as usize..*end as usize).unwrap_or_default(),
            Self::Own(text) => text,
        }
    }

    pub(crate) fn shared(&self, raw: &Bytes) -> Bytes {
        match self {
            Self::Received { .. } => raw.slice_ref(self.of(raw)),
            Self::Own(text) => text.clone(),
        }
    }
}

/// Whether the start line still stands as received.
#[derive(Clone, Copy)]
pub(crate) enum StartLine {
    /// Its octets, line end included.
    Received(u32),
    Rebuilt,
}

impl StartLine {
    pub(crate) fn is_received(self) -> bool {
        matches!(self, Self::Received(_))
    }

    pub(crate) fn received(self, raw: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Received(length) => raw.get(..length as usize),
            Self::Rebuilt => None,
        }
    }
}
