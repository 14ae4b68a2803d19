//! The reasons of a verification result. This file has the only table with the SIP response and the verstat of each reason.

use std::fmt;

/// The reported result for the caller number (3GPP TS 24.229 section 7.2A.20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verstat {
    /// A valid PASSporT attests the number.
    TnValidationPassed,
    /// A PASSporT for the number was refused.
    TnValidationFailed,
    /// There was no evidence for a decision.
    NoTnValidation,
}

impl Verstat {
    /// The value of the `verstat` parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TnValidationPassed => "TN-Validation-Passed",
            Self::TnValidationFailed => "TN-Validation-Failed",
            Self::NoTnValidation => "No-TN-Validation",
        }
    }
}

impl fmt::Display for Verstat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The set of reasons that are reported as `TN-Validation-Failed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerstatProfile {
    /// Every Identity that was checked and refused (3GPP TS 24.229).
    #[default]
    Ts24229,
    /// Only a wrong signature or an untrusted authority. All other reasons are `No-TN-Validation`
    /// (ATIS-1000082).
    Atis1000082,
}

/// A final response of RFC 8224 section 6.2.2.
#[derive(Clone, Copy)]
enum Response {
    StaleDate,
    UseIdentity,
    UseSupportedFormat,
    BadInfo,
    UnsupportedCredential,
    InvalidIdentity,
    InvalidPassport,
}

impl Response {
    fn status(self) -> (u16, &'static str) {
        match self {
            Self::StaleDate => (403, "Stale Date"),
            Self::UseIdentity => (428, "Use Identity Header"),
            Self::UseSupportedFormat => (428, "Use Supported PASSporT Format"),
            Self::BadInfo => (436, "Bad Identity Info"),
            Self::UnsupportedCredential => (437, "Unsupported Credential"),
            Self::InvalidIdentity => (438, "Invalid Identity Header"),
            Self::InvalidPassport => (438, "Invalid PASSporT"),
        }
    }
}

/// The strength of the evidence against the caller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// There was no evidence for a decision.
    Unjudged,
    /// The Identity was checked and refused.
    Judged,
    /// The signature, or the authority of the certificate, is wrong.
    Forged,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $code:ident, $weight:ident;)+) => {
        /// The reason for which an Identity header field, or a whole request, did not verify.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for logs and records.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// A description of the reason in one sentence.
            pub fn explanation(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii(),)+
                }
            }

            fn row(self) -> (Response, Weight) {
                match self {
                    $(Self::$variant => (Response::$code, Weight::$weight),)+
                }
            }
        }
    };
}

reasons! {
    /// The request has no Identity header field.
    NoIdentity = "no-identity", UseIdentity, Unjudged;
    /// No Identity header field has a supported PASSporT type.
    UnsupportedPpt = "unsupported-ppt", UseSupportedFormat, Unjudged;
    /// The caller has no number to compare with `orig`.
    NoNumber = "no-number", InvalidIdentity, Unjudged;
    /// The request has more Identity header fields than the limit of eight.
    TooManyIdentities = "too-many-identities", InvalidIdentity, Unjudged;

    /// The token is not three base64url parts.
    TokenMalformed = "token-malformed", InvalidIdentity, Judged;
    /// The token is longer than 16 KiB.
    TokenTooLong = "token-too-long", InvalidIdentity, Judged;
    /// A part of the token is standard base64, not base64url.
    Base64Standard = "base64-standard", InvalidIdentity, Judged;
    /// A part of the token has base64 padding.
    Base64Padding = "base64-padding", InvalidIdentity, Judged;
    /// A part of the token is not base64.
    Base64Malformed = "base64-malformed", InvalidIdentity, Judged;
    /// The signature is not 64 octets.
    SignatureMalformed = "signature-malformed", InvalidIdentity, Judged;
    /// The compact form is used where only the full form is allowed.
    CompactForm = "compact-form", InvalidIdentity, Judged;
    /// The compact form is used, and the request has no Date for `iat`.
    DateMissing = "date-missing", InvalidIdentity, Judged;
    /// The header of the token is not a JSON object.
    HeaderMalformed = "header-malformed", InvalidIdentity, Judged;
    /// The payload of the token is not a JSON object.
    PayloadMalformed = "payload-malformed", InvalidIdentity, Judged;
    /// A JSON object has two members with the same name.
    DuplicateMember = "duplicate-member", InvalidIdentity, Judged;
    /// The JSON has more levels or more members than a PASSporT needs.
    JsonLimit = "json-limit", InvalidIdentity, Judged;

    /// The header of the token has no `alg`.
    AlgMissing = "alg-missing", BadInfo, Judged;
    /// `alg` is not ES256, in the header of the token or in the field.
    AlgUnsupported = "alg-unsupported", UnsupportedCredential, Judged;
    /// The header of the token has no `typ`.
    TypMissing = "typ-missing", BadInfo, Judged;
    /// `typ` is not `passport`.
    TypInvalid = "typ-invalid", UnsupportedCredential, Judged;
    /// The header of the token requires an unknown extension.
    CritUnsupported = "crit-unsupported", UnsupportedCredential, Judged;
    /// The `ppt` of the field differs from the `ppt` of the token.
    PptMismatch = "ppt-mismatch", InvalidIdentity, Judged;

    /// The field has no `info`.
    InfoMissing = "info-missing", BadInfo, Judged;
    /// The certificate URL is not a URL.
    InfoMalformed = "info-malformed", BadInfo, Judged;
    /// The certificate URL is not `https`.
    InfoNotHttps = "info-not-https", BadInfo, Judged;
    /// The certificate URL has userinfo, a query or a fragment.
    InfoForbiddenPart = "info-forbidden-part", BadInfo, Judged;
    /// The certificate URL names a port that is not allowed.
    InfoForbiddenPort = "info-forbidden-port", BadInfo, Judged;
    /// The header of the token has no `x5u`.
    X5uMissing = "x5u-missing", BadInfo, Judged;
    /// `x5u` differs from `info`.
    X5uMismatch = "x5u-mismatch", BadInfo, Judged;

    /// There is no `attest`.
    AttestMissing = "attest-missing", InvalidPassport, Judged;
    /// `attest` is not A, B or C.
    AttestInvalid = "attest-invalid", InvalidPassport, Judged;
    /// There is no `dest`.
    DestMissing = "dest-missing", InvalidPassport, Judged;
    /// `dest` is not an object of arrays of strings.
    DestInvalid = "dest-invalid", InvalidPassport, Judged;
    /// There is no `iat`.
    IatMissing = "iat-missing", InvalidPassport, Judged;
    /// `iat` is not a whole number.
    IatInvalid = "iat-invalid", InvalidPassport, Judged;
    /// There is no `orig`.
    OrigMissing = "orig-missing", InvalidPassport, Judged;
    /// `orig` is not an object with one identity.
    OrigInvalid = "orig-invalid", InvalidPassport, Judged;
    /// There is no `origid`.
    OrigidMissing = "origid-missing", InvalidPassport, Judged;
    /// `origid` is not a UUID.
    OrigidInvalid = "origid-invalid", InvalidPassport, Judged;

    /// There is no `div`.
    DivMissing = "div-missing", InvalidPassport, Judged;
    /// `div` is not an object with one identity.
    DivInvalid = "div-invalid", InvalidPassport, Judged;
    /// A `div` PASSporT has an `opt`, which only `div-o` may have.
    DivWithOpt = "div-with-opt", InvalidPassport, Judged;
    /// The PASSporT inside a `div-o` is not in full form, or more than four are nested.
    NestedMalformed = "nested-malformed", InvalidPassport, Judged;
    /// The PASSporT inside a `div-o` has another `orig`, or its `dest` does not contain the `div` of the
    /// outer PASSporT.
    NestedMismatch = "nested-mismatch", InvalidIdentity, Judged;
    /// A claim of the PASSporT type is missing or malformed.
    ExtensionInvalid = "extension-invalid", InvalidPassport, Judged;
    /// `rcdi` is not the digest of the rich call data.
    RcdiMismatch = "rcdi-mismatch", InvalidIdentity, Judged;
    /// `rph` does not allow the resource priority of the request, or `sph` differs from its priority.
    PriorityMismatch = "priority-mismatch", InvalidIdentity, Judged;
    /// `msgi` is not the digest of the message.
    MsgiMismatch = "msgi-mismatch", InvalidIdentity, Judged;
    /// `mky` differs from the fingerprints of the session description.
    MkyMismatch = "mky-mismatch", InvalidIdentity, Judged;

    /// `orig` is not the caller.
    OrigMismatch = "orig-mismatch", InvalidIdentity, Judged;
    /// `dest` does not name the callee.
    DestMismatch = "dest-mismatch", InvalidIdentity, Judged;
    /// The diversions do not lead from the original PASSporT to the target of the request.
    DivChainIncomplete = "div-chain-incomplete", InvalidIdentity, Judged;
    /// `iat` is older than the policy allows.
    IatStale = "iat-stale", StaleDate, Judged;
    /// `iat` is further in the future than the policy allows.
    IatInFuture = "iat-in-future", StaleDate, Judged;
    /// Date and `iat` are older than the policy allows.
    DateStale = "date-stale", StaleDate, Judged;

    /// The certificate is not available.
    CertificateUnavailable = "certificate-unavailable", BadInfo, Unjudged;
    /// The content behind the certificate URL is not a certificate chain.
    CertificateUnparsable = "certificate-unparsable", BadInfo, Unjudged;
    /// A certificate of the chain is malformed or not of version 3.
    CertificateMalformed = "certificate-malformed", UnsupportedCredential, Judged;
    /// No trust anchor issued the certificate.
    UntrustedIssuer = "untrusted-issuer", UnsupportedCredential, Forged;
    /// A signature in the certificate chain is wrong.
    ChainSignatureInvalid = "chain-signature-invalid", UnsupportedCredential, Forged;
    /// A certificate is signed with an unsupported algorithm.
    ChainAlgorithmUnsupported = "chain-algorithm-unsupported", UnsupportedCredential, Judged;
    /// A certificate has an unknown critical extension.
    CriticalExtension = "critical-extension", UnsupportedCredential, Judged;
    /// The signing certificate is a certification authority.
    LeafIsAuthority = "leaf-is-authority", UnsupportedCredential, Judged;
    /// A certificate of the chain was not permitted to issue the next certificate.
    ChainNotPermitted = "chain-not-permitted", UnsupportedCredential, Judged;
    /// A TNAuthList of the chain does not lie within the TNAuthList above it.
    ChainNotEncompassed = "chain-not-encompassed", UnsupportedCredential, Judged;
    /// A certificate of the chain has expired.
    CertificateExpired = "certificate-expired", UnsupportedCredential, Judged;
    /// A certificate of the chain is not valid yet.
    CertificateNotYetValid = "certificate-not-yet-valid", UnsupportedCredential, Judged;
    /// A certificate of the chain is revoked.
    CertificateRevoked = "certificate-revoked", UnsupportedCredential, Judged;
    /// The revocation lists are out of date, and the policy requires fresh lists.
    RevocationUnknown = "revocation-unknown", UnsupportedCredential, Judged;
    /// The certificate's key is not a P-256 key.
    KeyUnsupported = "key-unsupported", UnsupportedCredential, Judged;
    /// The certificate's key usage does not allow signatures.
    KeyUsage = "key-usage", UnsupportedCredential, Judged;
    /// The certificate has no TNAuthList.
    TnAuthListMissing = "tn-auth-list-missing", UnsupportedCredential, Judged;
    /// The certificate's TNAuthList is malformed.
    TnAuthListMalformed = "tn-auth-list-malformed", UnsupportedCredential, Judged;
    /// The certificate's claim constraints are malformed.
    ConstraintsMalformed = "constraints-malformed", UnsupportedCredential, Judged;
    /// The claims violate the certificate's claim constraints.
    ConstraintsViolated = "constraints-violated", InvalidIdentity, Judged;
    /// The certificate names numbers, but not the identity in `orig`, or in `div` for a diversion.
    NumberNotCovered = "number-not-covered", UnsupportedCredential, Judged;
    /// A `shaken` PASSporT is signed with a certificate that names no service provider.
    ProviderMissing = "provider-missing", UnsupportedCredential, Judged;
    /// The certificate's key did not make the signature of the token.
    SignatureInvalid = "signature-invalid", InvalidIdentity, Forged;
}

impl Reason {
    /// The SIP status of a response that rejects a request for this reason: 403, 428, 436, 437 or 438.
    pub fn code(self) -> u16 {
        self.row().0.status().0
    }

    /// The reason phrase of that response.
    pub fn phrase(self) -> &'static str {
        self.row().0.status().1
    }

    /// The reported result for the caller number.
    pub fn verstat(self, profile: VerstatProfile) -> Verstat {
        let failed = match (self.row().1, profile) {
            (Weight::Unjudged, _) => false,
            (Weight::Judged, VerstatProfile::Ts24229) => true,
            (Weight::Judged, VerstatProfile::Atis1000082) => false,
            (Weight::Forged, _) => true,
        };
        if failed { Verstat::TnValidationFailed } else { Verstat::NoTnValidation }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn words_are_kebab_case_and_unique() {
        let words: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        for word in words {
            assert!(
                word.bytes()
                    .all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-')
            );
        }
    }

    #[test]
    fn the_profiles_differ_if_nothing_was_forged() {
        for (reason, ts24229, atis) in [
            (Reason::NoIdentity, Verstat::NoTnValidation, Verstat::NoTnValidation),
            (Reason::CertificateUnavailable, Verstat::NoTnValidation, Verstat::NoTnValidation),
            (Reason::IatStale, Verstat::TnValidationFailed, Verstat::NoTnValidation),
            (Reason::X5uMismatch, Verstat::TnValidationFailed, Verstat::NoTnValidation),
            (Reason::SignatureInvalid, Verstat::TnValidationFailed, Verstat::TnValidationFailed),
            (Reason::UntrustedIssuer, Verstat::TnValidationFailed, Verstat::TnValidationFailed),
        ] {
            assert_eq!(reason.verstat(VerstatProfile::Ts24229), ts24229, "{reason}");
            assert_eq!(reason.verstat(VerstatProfile::Atis1000082), atis, "{reason}");
        }
    }
}
