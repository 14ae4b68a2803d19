//! A dialog from the viewpoint of a peer.

use attesta_sip::{Headers, Name, Response};
use bytes::Bytes;

use super::message::{tag, text};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Early,
    /// A 2xx was sent or received, and no ACK yet.
    Answered,
    Established,
    Ended,
}

pub(super) struct Dialog {
    pub(super) call: Option<usize>,
    pub(super) call_id: String,
    /// From and To of the peer's own requests.
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
    /// The CSeq number of the peer's last request.
    pub(super) seq: u32,
    pub(super) stage: Stage,
    /// The branch of the INVITE that created the dialog.
    pub(super) branch: String,
    /// True if the peer is the caller.
    pub(super) calling: bool,
    /// RSeq and CSeq number of the last reliable provisional response.
    pub(super) reliable: Option<(u32, u32)>,
    /// The peer's own INVITEs that were answered with 2xx, with the ACK if it was sent.
    pub(super) acks: Vec<(u32, Option<Bytes>)>,
}

impl Dialog {
    /// Returns the dialog that the peer's own response creates.
    pub(super) fn answering(response: &Response, call: Option<usize>, branch: String) -> Self {
        Self::new(response.headers(), (Name::To, Name::From), call, branch, false)
    }

    /// Returns the dialog that a response to the peer's INVITE creates.
    pub(super) fn calling(response: &Response, call: Option<usize>, branch: String, seq: u32) -> Self {
        Self { seq, ..Self::new(response.headers(), (Name::From, Name::To), call, branch, true) }
    }

    fn new(
        headers: &Headers,
        (local, remote): (Name, Name),
        call: Option<usize>,
        branch: String,
        calling: bool,
    ) -> Self {
        Self {
            call,
            call_id: text(headers, Name::CallId),
            local: text(headers, local),
            remote: text(headers, remote),
            local_tag: tag(headers, local),
            remote_tag: tag(headers, remote),
            seq: 0,
            stage: Stage::Early,
            branch,
            calling,
            reliable: None,
            acks: Vec::new(),
        }
    }
}
