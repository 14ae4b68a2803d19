//! What a trunk's calls are held to: the treatment of Identity, what is believed, and how long things may take.

use std::time::Duration;

use attesta_sip::Status;

/// What is done with the Identity header fields of a call that arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum InboundIdentity {
    /// They are verified (RFC 8224 section 6.2) and relayed.
    #[default]
    Verify,
    /// They are relayed unread.
    Pass,
    /// They are removed unread.
    Strip,
}

/// What is done with the Identity header fields of a call that leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OutboundIdentity {
    /// The call is signed (RFC 8224 section 6.1), unless a shaken Identity already covers it; what it carries is relayed.
    #[default]
    Sign,
    /// They are relayed, and none is added.
    Pass,
    /// They are removed, and none is added.
    Strip,
}

/// What becomes of a call that should be signed and cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnSignFailure {
    /// It goes on unsigned.
    #[default]
    Continue,
    /// It is refused with 500.
    Reject,
}

/// What each outcome of verification does to a call. Emergency calls always continue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcomes {
    /// An Identity was judged and found wanting.
    pub failed: Consequence,
    /// The call carries no Identity of a supported type, or none that vouches for the caller: one that is valid and says
    /// something else (`rcd`, `rph`, `msg`) does not.
    pub missing: Consequence,
    /// The certificate could not be had within the budget.
    pub unavailable: Consequence,
    /// The caller has no telephone number to compare with.
    pub no_number: Consequence,
}

/// What an outcome of verification does to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Consequence {
    /// The call goes on, marked with its `verstat`; a failure is told upstream in a Reason header field (RFC 9410).
    #[default]
    Continue,
    /// The call is refused with the status and phrase of RFC 8224 section 6.2.2.
    Reject,
    /// The call is refused with this status.
    RejectWith(Status),
}

/// What is believed when a trunk says it; what is not believed is removed from its calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trusts {
    /// P-Asserted-Identity names the caller (RFC 3325). Believed by default: a configured peer is a node of the domain.
    pub asserted_identity: bool,
    /// A `verstat` parameter on the caller's number. Not believed by default.
    pub verstat: bool,
    /// P-Attestation-Indicator and P-Origination-ID. Not believed by default.
    pub attest_headers: bool,
    /// Diversion and History-Info: by whom the call was diverted (RFC 5806, RFC 7044). Not believed by default.
    pub diversion: bool,
}

impl Default for Trusts {
    fn default() -> Self {
        Self { asserted_identity: true, verstat: false, attest_headers: false, diversion: false }
    }
}

/// How long a call towards a trunk may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrunkTimers {
    /// From sending the INVITE to the first response, after which the next target is tried. Default: 4 s.
    pub no_response: Duration,
    /// From the first response to the answer. Default: 120 s.
    pub ring: Duration,
    /// From the answer to the end that we make. Default: 4 h.
    pub max_call: Duration,
}

impl Default for TrunkTimers {
    fn default() -> Self {
        Self {
            no_response: Duration::from_secs(4),
            ring: Duration::from_secs(120),
            max_call: Duration::from_secs(4 * 3600),
        }
    }
}

/// What is done with an INVITE of more than 1,300 octets towards a target that is reached by UDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Oversize {
    /// It goes by TCP where the target takes a connection, and by UDP where it does not. A target whose URI says
    /// `transport=udp` is not asked: a transport that is named is the one that is used (RFC 3263 section 4.1).
    #[default]
    Tcp,
    /// It goes by UDP, in fragments where the path needs them.
    Datagram,
}
