//! The policy of a verifier.

use std::time::Duration;

use crate::base64url::Tolerance;
use crate::reason::VerstatProfile;
use crate::x5u::DEFAULT_PORTS;

/// The settings of a verifier for which the specifications allow a choice.
#[derive(Clone, Debug)]
pub struct VerifyPolicy {
    pub(super) freshness: Duration,
    pub(super) skew: Duration,
    pub(super) profile: VerstatProfile,
    pub(super) ports: Vec<u16>,
    pub(super) tolerance: Tolerance,
    pub(super) compact: bool,
    pub(super) provider_codes: bool,
}

impl VerifyPolicy {
    /// The largest age of `iat` or Date. Default: 60 seconds (RFC 8224 section 4.1).
    pub fn freshness(mut self, freshness: Duration) -> Self {
        self.freshness = freshness;
        self
    }

    /// The largest time by which `iat` may be in the future. Default: 60 seconds.
    pub fn skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// The reasons that are reported as `TN-Validation-Failed`. Default: [`VerstatProfile::Ts24229`].
    pub fn verstat_profile(mut self, profile: VerstatProfile) -> Self {
        self.profile = profile;
        self
    }

    /// The ports that a certificate URL may name. Default: 443 and 8443.
    pub fn ports(mut self, ports: Vec<u16>) -> Self {
        self.ports = ports;
        self
    }

    /// Accepts tokens in the standard base64 alphabet. Default: no.
    pub fn tolerate_base64_standard(mut self, tolerate: bool) -> Self {
        self.tolerance.standard = tolerate;
        self
    }

    /// Accepts tokens with base64 padding. Default: no.
    pub fn tolerate_base64_padding(mut self, tolerate: bool) -> Self {
        self.tolerance.padding = tolerate;
        self
    }

    /// Whether base PASSporTs may be in compact form. The verifier then reconstructs the signed octets from
    /// the request (RFC 8224 section 4). All other types must be in full form (RFC 8588 section 3). Default:
    /// yes.
    pub fn compact_form(mut self, allowed: bool) -> Self {
        self.compact = allowed;
        self
    }

    /// Whether a `shaken` PASSporT needs a certificate with a service provider code. A certificate with numbers only belongs to
    /// a delegate. A delegate sends base PASSporTs to its provider (ATIS-1000092). Default: yes.
    pub fn require_provider_code(mut self, required: bool) -> Self {
        self.provider_codes = required;
        self
    }
}

impl Default for VerifyPolicy {
    fn default() -> Self {
        Self {
            freshness: Duration::from_secs(60),
            skew: Duration::from_secs(60),
            profile: VerstatProfile::default(),
            ports: DEFAULT_PORTS.to_vec(),
            tolerance: Tolerance::default(),
            compact: true,
            provider_codes: true,
        }
    }
}
