//! The parts that a test adds to the messages of a scripted agent: header fields, a body, a branch.

use attesta_sip::{Headers, Name};

use super::message::Said;

/// A message that an agent sends, with the parts that the test adds.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub(super) said: Said,
    /// `None`: the agent chooses the body.
    pub(super) body: Option<String>,
    headers: Vec<(String, String)>,
    pub(super) branch: Option<String>,
    pub(super) answers: Option<Said>,
    pub(super) place: Place,
}

/// When a request belongs to the agent's call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// If the agent has a call and has not hung up.
    Default,
    /// Always, even after the agent has hung up.
    Within,
    /// Never.
    Outside,
}

/// Methods that add parts to a request or to a status: `INVITE.offering(SDP)`, `183.reliably(1)`.
pub trait Wording: Into<Outgoing> {
    /// Sets a header field.
    #[must_use]
    fn with(self, name: &str, value: &str) -> Outgoing {
        let mut outgoing = self.into();
        outgoing.headers.push((name.to_owned(), value.to_owned()));
        outgoing
    }

    /// Sets this session description as the body. It is an offer.
    #[must_use]
    fn offering(self, sdp: &str) -> Outgoing {
        Outgoing { body: Some(sdp.to_owned()), ..self.into() }
    }

    /// Sets this session description as the body. It is an answer.
    #[must_use]
    fn answering(self, sdp: &str) -> Outgoing {
        self.offering(sdp)
    }

    /// Removes the body.
    #[must_use]
    fn without_body(self) -> Outgoing {
        self.offering("")
    }

    /// Makes a provisional response reliable, with this RSeq (RFC 3262 section 3).
    #[must_use]
    fn reliably(self, number: u32) -> Outgoing {
        self.with("Require", "100rel").with("RSeq", &number.to_string())
    }

    /// Sends a response from this branch of a forked INVITE. Each branch has its own To tag.
    #[must_use]
    fn on_branch(self, branch: &str) -> Outgoing {
        Outgoing { branch: Some(branch.to_owned()), ..self.into() }
    }

    /// Answers the latest unanswered request of this method, instead of the latest request of any method.
    #[must_use]
    fn to(self, request: Said) -> Outgoing {
        Outgoing { answers: Some(request), ..self.into() }
    }

    /// Sends the request within the agent's call, although the agent has hung up.
    #[must_use]
    fn within(self) -> Outgoing {
        Outgoing { place: Place::Within, ..self.into() }
    }

    /// Sends the request outside the agent's call.
    #[must_use]
    fn outside(self) -> Outgoing {
        Outgoing { place: Place::Outside, ..self.into() }
    }
}

impl<T: Into<Outgoing>> Wording for T {}

impl Outgoing {
    /// Replaces the agent's own header fields by those of the test.
    pub(super) fn dress(&self, headers: &mut Headers) {
        if let Some(body) = &self.body {
            headers.remove(Name::ContentType);
            if !body.is_empty() {
                headers.push(Name::ContentType, "application/sdp");
            }
        }
        for (name, value) in &self.headers {
            headers.set_named(name, value);
        }
    }
}

impl From<Said> for Outgoing {
    fn from(said: Said) -> Self {
        Self { said, body: None, headers: Vec::new(), branch: None, answers: None, place: Place::Default }
    }
}

impl From<u16> for Outgoing {
    fn from(status: u16) -> Self {
        Said::Status(status).into()
    }
}
