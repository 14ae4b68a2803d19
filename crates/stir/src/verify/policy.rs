//! How strict a verifier is.

use std::time::Duration;

use crate::base64url::Tolerance;
use crate::reason::VerstatProfile;
use crate::x5u::DEFAULT_PORTS;

/// How strict a verifier is where the specifications leave it open.
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
    /// How old `iat`, or Date, may be. Default: 60 seconds (RFC 8224 section 4.1).
    pub fn freshness(mut self, freshness: Duration) -> Self {
        self.freshness = freshness;
        self
    }

    /// How far ahead of the clock `iat` may lie. Default: 60 seconds.
    pub fn skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// Which reasons are reported as `TN-Validation-Failed`. Default: [`VerstatProfile::Ts24229`].
    pub fn verstat_profile(mut self, profile: VerstatProfile) -> Self {
        self.profile = profile;
        self
    }

    /// The ports that a certificate URL may name. Default: 443 and 8443.
    pub fn ports(mut self, ports: Vec<u16>) -> Self {
        self.ports = ports;
        self
    }

    /// Lets tokens through whose base64 is of the standard alphabet. Default: no.
    pub fn tolerate_base64_standard(mut self, tolerate: bool) -> Self {
        self.tolerance.standard = tolerate;
        self
    }

    /// Lets tokens through whose base64 is padded. Default: no.
    pub fn tolerate_base64_padding(mut self, tolerate: bool) -> Self {
        self.tolerance.padding = tolerate;
        self
    }

    /// Whether base PASSporTs may be in compact form, so that what was signed is put together from the request (RFC 8224
    /// section 4). All other types are in full form (RFC 8588 section 3). Default: yes.
    pub fn compact_form(mut self, allowed: bool) -> Self {
        self.compact = allowed;
        self
    }

    /// Whether `shaken` is believed only under a certificate that names a service provider: one that names numbers alone is a
    /// delegate's, which vouches with base PASSporTs towards its provider (ATIS-1000092). Default: yes.
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
