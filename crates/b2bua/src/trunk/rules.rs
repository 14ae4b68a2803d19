//! The rules for the calls of a trunk: the Identity header fields, the header fields that are believed, and the time
//! limits.

use std::time::Duration;

use attesta_sip::Status;

/// What happens to the Identity header fields of a call from the trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum InboundIdentity {
    /// Verify them (RFC 8224 section 6.2) and relay them.
    #[default]
    Verify,
    /// Relay them without reading them.
    Pass,
    /// Remove them without reading them.
    Strip,
}

/// What happens to the Identity header fields of a call to the trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OutboundIdentity {
    /// Sign the call (RFC 8224 section 6.1), unless it has an Identity of type `shaken`. Relay the Identity header
    /// fields of the caller's side.
    #[default]
    Sign,
    /// Relay them, and add no Identity header field.
    Pass,
    /// Remove them, and add no Identity header field.
    Strip,
}

/// What happens to a call that should be signed and cannot be signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnSignFailure {
    /// The call continues unsigned.
    #[default]
    Continue,
    /// The call is refused with 500.
    Reject,
}

/// What each outcome of verification does to a call. Emergency calls always continue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcomes {
    /// An Identity failed verification.
    pub failed: Consequence,
    /// The call has no Identity of a supported type that vouches for the caller. A valid Identity of type `rcd`, `rph`
    /// or `msg` does not vouch for the caller.
    pub missing: Consequence,
    /// The certificate was not available within the budget.
    pub unavailable: Consequence,
    /// The caller has no telephone number to compare with.
    pub no_number: Consequence,
}

/// What an outcome of verification does to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Consequence {
    /// The call continues, with its `verstat` parameter. The caller's side is told about a failure in a Reason header
    /// field (RFC 9410).
    #[default]
    Continue,
    /// The call is refused with the status and phrase of RFC 8224 section 6.2.2.
    Reject,
    /// The call is refused with this status.
    RejectWith(Status),
}

/// Which header fields of a trunk are believed. The other header fields are removed from the trunk's messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trusts {
    /// P-Asserted-Identity, which names the caller (RFC 3325). Default: believed, since a configured peer belongs to
    /// the same trust domain.
    pub asserted_identity: bool,
    /// The `verstat` parameter of the caller's number. Default: not believed.
    pub verstat: bool,
    /// P-Attestation-Indicator and P-Origination-ID. Default: not believed.
    pub attest_headers: bool,
    /// Diversion and History-Info, which name the diverting party (RFC 5806, RFC 7044). Default: not believed.
    pub diversion: bool,
}

impl Default for Trusts {
    fn default() -> Self {
        Self { asserted_identity: true, verstat: false, attest_headers: false, diversion: false }
    }
}

/// How long a call to a trunk may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrunkTimers {
    /// From sending the INVITE to the first response. After that, the next target is tried. The last target has until the
    /// end of its transaction (Timer B, RFC 3261 section 17.1.1.2). Default: 4 s.
    pub no_response: Duration,
    /// From the first response to the answer. Default: 120 s.
    pub ring: Duration,
    /// From the answer until we end the call. Default: 4 h.
    pub max_call: Duration,
    /// The session interval that we offer to a peer that supports session timers, if the other side offers none (RFC 4028).
    /// `None`: session timers are relayed only. Default: 30 min.
    pub session: Option<Duration>,
    /// The shortest session interval that we accept. A request for a shorter interval gets a 422. Default: 90 s.
    pub min_session: Duration,
}

impl Default for TrunkTimers {
    fn default() -> Self {
        Self {
            no_response: Duration::from_secs(4),
            ring: Duration::from_secs(120),
            max_call: Duration::from_secs(4 * 3600),
            session: Some(Duration::from_secs(1_800)),
            min_session: Duration::from_secs(90),
        }
    }
}

/// What a 503 with Retry-After of a target does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RetryAfterRule {
    /// After three in a row, the target is out of service for the Retry-After, unless no other target is in service.
    #[default]
    Respect,
    /// The target stays in service.
    Ignore,
}

/// Which Contact we send to the peers of a trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ContactParams {
    /// The address of our listener only.
    #[default]
    Own,
    /// The address of our listener, with the user part and the feature tags of the other side's Contact (`isfocus`,
    /// `+g.3gpp..`, `+sip.instance`; RFC 3840, RFC 4579, 3GPP TS 24.229).
    Relay,
}

/// How reliable provisional responses (RFC 3262, option tag `100rel`) cross, if only one side supports them.
///
/// `Local` lets this edge end 100rel on the trunk's side of a call. The table says what happens to a call whose INVITE has an
/// offer. The columns "caller's trunk" and "callee's trunk" are the values of the two trunks.
///
/// | caller has 100rel in | caller's trunk | callee's trunk | our INVITE has 100rel in | reliable response of the callee | other response of the callee |
/// |---|---|---|---|---|---|
/// | nothing | any | `Relay` | nothing | crosses | crosses |
/// | nothing | any | `Local` | Supported | we send the PRACK; crosses as an unreliable response | crosses |
/// | Supported | `Relay` | any | Supported | crosses with its PRACK | crosses |
/// | Require | `Relay` | any | Require | crosses with its PRACK | crosses |
/// | Supported or Require | `Local` | any | Supported | crosses with its PRACK | we send it reliably, and answer its PRACK |
///
/// In the last row, once we have sent a response reliably, we also end the callee's later reliable responses of the same dialog:
/// the numbers of a dialog form one sequence. An offer in a PRACK to us gets 488, because the callee cannot answer it.
///
/// If the INVITE has no offer, 100rel is relayed in all cases. The callee's reliable response would be the offer, and
/// only the caller can answer it in its PRACK (RFC 3262 section 5). The responses to a re-INVITE are relayed too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reliable {
    /// Relay the option tag, the responses and their PRACK.
    #[default]
    Relay,
    /// End 100rel on this side of a call whose other side lacks it.
    Local,
}

/// The session intervals of a trunk (RFC 4028).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SessionRules {
    /// The interval that we offer.
    pub(crate) interval: Duration,
    /// The shortest interval that we accept.
    pub(crate) shortest: Duration,
}

/// The rules of a trunk for the dialogs with its peers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct LegRules {
    /// The header fields of the peer that are believed.
    pub(crate) trusts: Trusts,
    /// True if the user part and the feature tags of the other side's Contact cross into our Contact.
    pub(crate) relays_contact_params: bool,
    /// True if requests go where the peer's messages come from.
    pub(crate) behind_nat: bool,
    /// `None`: session timers are relayed only.
    pub(crate) session: Option<SessionRules>,
    /// How often the peer is asked whether the call lives, if there is no session timer.
    pub(crate) keep_alive: Option<Duration>,
    /// How reliable provisional responses cross.
    pub(crate) reliable: Reliable,
}

/// What happens to an INVITE of more than 1,300 octets to a target that is reached by UDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Oversize {
    /// Send the INVITE by TCP if the target accepts a connection, else by UDP. If the target's URI has `transport=udp`,
    /// always use UDP: a named transport is used as it is (RFC 3263 section 4.1).
    #[default]
    Tcp,
    /// Send the INVITE by UDP. IP fragments it where necessary.
    Datagram,
}
