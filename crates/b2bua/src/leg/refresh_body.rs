//! The session description of a re-INVITE that refreshes a session without a change (RFC 4028 section 7.4).

use bytes::Bytes;

/// Our last session description, for a peer that accepts no UPDATE.
#[derive(Debug)]
pub(crate) struct RefreshBody {
    /// `None` if our last message has other parts than a session description.
    current: Option<Bytes>,
    /// The description before our open offer. A refused offer changes nothing (RFC 3261 section 14.1).
    before: Option<Option<Bytes>>,
}

impl RefreshBody {
    pub(crate) const fn new(description: Bytes) -> Self {
        Self { current: Some(description), before: None }
    }

    /// Returns the description for the refresh.
    pub(crate) fn get(&self) -> Option<Bytes> {
        self.current.clone()
    }

    /// Notes our offer.
    pub(crate) fn on_offer(&mut self, description: Option<Bytes>) {
        self.before = Some(std::mem::replace(&mut self.current, description));
    }

    /// Notes our answer, or an offer in our 2xx.
    pub(crate) fn on_answer(&mut self, description: Option<Bytes>) {
        self.current = description;
    }

    /// Notes the end of our offer.
    pub(crate) fn on_offer_over(&mut self, is_accepted: bool) {
        if let Some(before) = self.before.take()
            && !is_accepted
        {
            self.current = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_offer_changes_nothing() {
        let mut body = RefreshBody::new(Bytes::from_static(b"1"));
        body.on_offer(Some(Bytes::from_static(b"2")));
        body.on_offer_over(false);
        assert_eq!(body.get().as_deref(), Some(&b"1"[..]));
        body.on_offer(Some(Bytes::from_static(b"3")));
        body.on_offer_over(true);
        body.on_offer_over(false);
        assert_eq!(body.get().as_deref(), Some(&b"3"[..]));
        body.on_answer(None);
        assert_eq!(body.get(), None);
    }
}
