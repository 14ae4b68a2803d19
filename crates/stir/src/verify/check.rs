//! The checks of an Identity header field and their outcomes.

use std::fmt;

use crate::reason::Reason;

macro_rules! checks {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal;)+) => {
        /// One check of a verification, in the order of execution.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Check {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Check {
            /// Every check, in the order of execution.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for logs and records.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

checks! {
    /// The type of the PASSporT is supported.
    Ppt = "ppt";
    /// The token is well formed, including its JSON.
    Token = "token";
    /// `alg`, `typ` and `crit` of the header, and the same parameters of the field, are valid.
    Header = "header";
    /// The certificate URL is valid and is the same in `info` and `x5u`.
    Info = "info";
    /// Every claim that the type needs is present and has the right type.
    Claims = "claims";
    /// `orig` is the caller.
    Orig = "orig";
    /// `iat` is fresh, or Date if there is no `iat`.
    Freshness = "freshness";
    /// The additional claims of the type, and `mky`, agree with the request.
    Extension = "extension";
    /// `dest` contains the callee, or the field is part of a complete chain of diversions.
    Dest = "dest";
    /// The certificate is available.
    Certificate = "certificate";
    /// A path leads from the certificate to a trust anchor.
    Path = "path";
    /// Every certificate of the path is valid now.
    Validity = "validity";
    /// No certificate of the path is revoked.
    Revocation = "revocation";
    /// The certificate's key is a P-256 key and may make signatures.
    Key = "key";
    /// The certificate has a well-formed TNAuthList, within the TNAuthLists of the certificates above it.
    TnAuthList = "tn-auth-list";
    /// The certificate covers the number.
    Authority = "authority";
    /// The claims satisfy the certificate's claim constraints.
    Constraints = "constraints";
    /// The certificate's key made the signature.
    Signature = "signature";
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The check was not made: an earlier check failed, or the check does not apply.
    #[default]
    Skipped,
    /// The check passed.
    Pass,
    /// The check failed.
    Fail,
}

impl Outcome {
    /// The word for logs and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Pass => "pass",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The outcome of every check, and the reason of each failed check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks([(Outcome, Option<Reason>); Check::ALL.len()]);

impl Checks {
    /// The outcome of `check`.
    pub fn outcome(&self, check: Check) -> Outcome {
        self.0.get(check as usize).map(|(outcome, _)| *outcome).unwrap_or_default()
    }

    /// The reason for which `check` failed. `None` if it did not fail.
    pub fn reason(&self, check: Check) -> Option<Reason> {
        self.0.get(check as usize).and_then(|(_, reason)| *reason)
    }

    /// Every check with its outcome, in the order of execution.
    pub fn iter(&self) -> impl Iterator<Item = (Check, Outcome)> {
        Check::ALL.iter().copied().zip(self.0.map(|(outcome, _)| outcome))
    }

    pub(super) fn record(&mut self, check: Check, outcome: Result<(), Reason>) {
        if let Some(place) = self.0.get_mut(check as usize) {
            *place = match outcome {
                Ok(()) => (Outcome::Pass, None),
                Err(reason) => (Outcome::Fail, Some(reason)),
            };
        }
    }
}
