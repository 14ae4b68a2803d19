//! The certificate profile of ATIS-1000080 and the US policy. Many deployed certificates violate the profile. These findings
//! are therefore for reports only, and no call is refused because of a finding.

use std::fmt;

use der::Decode;
use der::asn1::ObjectIdentifier;
use x509_cert::Version;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::crl::CrlDistributionPoints;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::name::Name;

use crate::cert::certificate::CertificateError;
use crate::cert::oid::{
    AUTHORITY_KEY_IDENTIFIER, BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, COMMON_NAME, COUNTRY,
    CRL_DISTRIBUTION_POINTS, ECDSA_SHA256, ECDSA_SHA384, KEY_USAGE, ORGANIZATION, P256, P384, SERIAL_NUMBER,
    SUBJECT_KEY_IDENTIFIER, TN_AUTH_LIST,
};
use crate::cert::tn_auth_list::{TnAuthList, TnEntry};

/// The severity of a deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Versions of the profile differ, or the profile allows several choices.
    Note,
    /// The profile forbids the deviation, but verifiers accept it.
    Warning,
    /// Verifiers may refuse the certificate.
    Error,
}

impl Grade {
    /// The word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! lints {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $grade:ident;)+) => {
        /// A deviation from the certificate profile.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Lint {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Lint {
            /// All deviations that [`lint`] checks.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for reports.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The severity of the deviation.
            pub fn grade(self) -> Grade {
                match self {
                    $(Self::$variant => Grade::$grade,)+
                }
            }

            /// A description of the deviation in one sentence.
            pub fn explanation(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+),)+
                }
            }
        }
    };
}

lints! {
    /// The certificate is not of version 3.
    Version = "version", Error;
    /// The serial number is not positive.
    SerialNotPositive = "serial-not-positive", Warning;
    /// The serial number has fewer than 64 bits.
    SerialShort = "serial-short", Warning;
    /// The signature algorithm is not ecdsa-with-SHA256, or for an authority ecdsa-with-SHA384.
    SignatureAlgorithm = "signature-algorithm", Warning;
    /// The key is not a P-256 key, or for an authority a P-384 key.
    KeyAlgorithm = "key-algorithm", Error;
    /// The authority has a P-384 key, which only newer policies allow.
    KeyP384 = "key-p384", Note;
    /// The issuer has no country, organization or common name.
    IssuerName = "issuer-name", Warning;
    /// The subject has no country.
    SubjectWithoutCountry = "subject-without-country", Warning;
    /// The subject has no organization.
    SubjectWithoutOrganization = "subject-without-organization", Warning;
    /// The subject has no common name.
    SubjectWithoutCommonName = "subject-without-common-name", Warning;
    /// The common name is not SHAKEN followed by the service provider code, or an authority's name lacks
    /// SHAKEN or a root's name lacks ROOT.
    SubjectCommonName = "subject-common-name", Warning;
    /// The subject does not have exactly one serial number.
    SubjectSerialNumber = "subject-serial-number", Note;
    /// The subject has other attributes than country, organization, common name and serial number.
    SubjectOther = "subject-other", Note;
    /// There are no basic constraints.
    BasicConstraintsMissing = "basic-constraints-missing", Warning;
    /// Basic constraints are not critical.
    BasicConstraintsNotCritical = "basic-constraints-not-critical", Warning;
    /// There is no key usage.
    KeyUsageMissing = "key-usage-missing", Warning;
    /// Key usage is not critical.
    KeyUsageNotCritical = "key-usage-not-critical", Warning;
    /// Key usage is not only digital signature, or for an authority it does not allow certificate signing.
    KeyUsageWrong = "key-usage-wrong", Warning;
    /// An authority's key may be used for more than signing certificates. Older versions of the profile allow this.
    KeyUsageMore = "key-usage-more", Note;
    /// There is no subject key identifier.
    SubjectKeyIdentifier = "subject-key-identifier", Warning;
    /// There is no authority key identifier, or a root's identifier differs from its own key identifier.
    AuthorityKeyIdentifier = "authority-key-identifier", Warning;
    /// There is no certificate policy.
    PoliciesMissing = "policies-missing", Warning;
    /// Certificate policies are critical.
    PoliciesCritical = "policies-critical", Note;
    /// There is more than one certificate policy.
    PoliciesMultiple = "policies-multiple", Warning;
    /// The certificate policy is not a known SHAKEN policy.
    PoliciesUnknown = "policies-unknown", Warning;
    /// The certificate policy is of a version before 1.4.
    PoliciesOld = "policies-old", Note;
    /// A root has a certificate policy.
    PoliciesInRoot = "policies-in-root", Warning;
    /// There is no distribution point of revocation lists.
    CrlMissing = "crl-missing", Warning;
    /// There is more than one distribution point of revocation lists.
    CrlMultiple = "crl-multiple", Warning;
    /// The distribution point is not an http or https URL.
    CrlNotHttp = "crl-not-http", Warning;
    /// The distribution point is not a known URL of the STI-PA's list.
    CrlElsewhere = "crl-elsewhere", Note;
    /// The distribution point does not name the issuer of the list.
    CrlWithoutIssuer = "crl-without-issuer", Warning;
    /// There is no TNAuthList.
    TnAuthListMissing = "tn-auth-list-missing", Error;
    /// The TNAuthList is malformed.
    TnAuthListMalformed = "tn-auth-list-malformed", Error;
    /// The TNAuthList is not exactly one service provider code.
    TnAuthListNotOneCode = "tn-auth-list-not-one-code", Warning;
    /// The service provider code has other characters than upper-case letters and digits.
    TnAuthListCode = "tn-auth-list-code", Note;
    /// An authority has a TNAuthList. Only authorities of delegate certificates should have a TNAuthList.
    TnAuthListInAuthority = "tn-auth-list-in-authority", Note;
    /// The certificate has an extension that is not in the profile.
    ExtensionUnknown = "extension-unknown", Note;
    /// An extension of the profile is malformed.
    ExtensionMalformed = "extension-malformed", Error;
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Compares a certificate in DER with the profile.
///
/// # Errors
/// If the octets do not have the structure of a certificate.
pub fn lint(der: &[u8]) -> Result<Vec<Lint>, CertificateError> {
    let certificate = x509_cert::Certificate::from_der(der).map_err(|_| CertificateError)?;
    let mut report = Report::new(&certificate);
    report.check_body();
    report.check_names();
    let readable = [
        report.check_usage(),
        report.check_identifiers(),
        report.check_policies(),
        report.check_distribution(),
    ];
    report.add(readable.iter().any(Result::is_err), Lint::ExtensionMalformed);
    report.check_numbers();
    let unknown = report.extensions.iter().any(|extension| !PROFILE.contains(&extension.extn_id));
    report.add(unknown, Lint::ExtensionUnknown);
    Ok(report.found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Root,
    Intermediate,
    Leaf,
}

struct Report<'a> {
    certificate: &'a x509_cert::Certificate,
    extensions: &'a [Extension],
    role: Role,
    found: Vec<Lint>,
}

impl<'a> Report<'a> {
    fn new(certificate: &'a x509_cert::Certificate) -> Self {
        let body = certificate.tbs_certificate();
        let extensions = body.extensions().map(Vec::as_slice).unwrap_or_default();
        let mut report = Self { certificate, extensions, role: Role::Leaf, found: Vec::new() };
        let authority = report
            .decoded::<BasicConstraints>(BASIC_CONSTRAINTS)
            .is_ok_and(|basic| basic.is_some_and(|b| b.ca));
        report.role = match authority {
            true if body.subject() == body.issuer() && !body.subject().is_empty() => Role::Root,
            true => Role::Intermediate,
            false => Role::Leaf,
        };
        report
    }

    fn add(&mut self, condition: bool, lint: Lint) {
        if condition {
            self.found.push(lint);
        }
    }

    fn check_body(&mut self) {
        let body = self.certificate.tbs_certificate();
        self.add(body.version() != Version::V3, Lint::Version);
        let serial = body.serial_number().as_bytes();
        let negative = serial.first().is_none_or(|first| *first >= 0x80);
        self.add(negative || serial.iter().all(|octet| *octet == 0), Lint::SerialNotPositive);
        self.add(serial.iter().skip_while(|octet| **octet == 0).count() < 8, Lint::SerialShort);
        let signature = self.certificate.signature_algorithm().oid;
        let authority = self.role != Role::Leaf;
        self.add(
            signature != ECDSA_SHA256 && !(authority && signature == ECDSA_SHA384),
            Lint::SignatureAlgorithm,
        );
        let key = body.subject_public_key_info();
        let curve =
            key.algorithm.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
        self.add(curve != Some(P256) && !(authority && curve == Some(P384)), Lint::KeyAlgorithm);
        self.add(authority && curve == Some(P384), Lint::KeyP384);
    }

    fn check_names(&mut self) {
        let body = self.certificate.tbs_certificate();
        let (issuer, subject) = (body.issuer(), body.subject());
        let complete =
            [COUNTRY, ORGANIZATION, COMMON_NAME].into_iter().all(|kind| attribute(issuer, kind).is_some());
        self.add(!complete, Lint::IssuerName);
        self.add(attribute(subject, COUNTRY).is_none(), Lint::SubjectWithoutCountry);
        self.add(attribute(subject, ORGANIZATION).is_none(), Lint::SubjectWithoutOrganization);
        let name = attribute(subject, COMMON_NAME);
        let fits = name.as_ref().is_none_or(|name| self.is_fitting_name(name));
        self.add(name.is_none(), Lint::SubjectWithoutCommonName);
        self.add(!fits, Lint::SubjectCommonName);
        let kinds = || subject.iter().map(|attribute| attribute.oid);
        let serials = kinds().filter(|kind| *kind == SERIAL_NUMBER).count();
        self.add(self.role == Role::Leaf && serials != 1, Lint::SubjectSerialNumber);
        let known = [COUNTRY, ORGANIZATION, COMMON_NAME, SERIAL_NUMBER];
        self.add(kinds().any(|kind| !known.contains(&kind)), Lint::SubjectOther);
    }

    fn is_fitting_name(&self, name: &str) -> bool {
        let upper = name.to_uppercase();
        match self.role {
            Role::Root => upper.contains("SHAKEN") && upper.contains("ROOT"),
            Role::Intermediate => upper.contains("SHAKEN"),
            Role::Leaf => {
                let list = self.content(TN_AUTH_LIST).and_then(|der| TnAuthList::from_der(der).ok());
                list.is_none_or(|list| list.spcs().any(|code| name == format!("SHAKEN {code}")))
            }
        }
    }

    fn check_usage(&mut self) -> der::Result<()> {
        let basic = self.decoded::<BasicConstraints>(BASIC_CONSTRAINTS)?;
        self.add(basic.is_none(), Lint::BasicConstraintsMissing);
        self.add(basic.is_some() && !self.is_critical(BASIC_CONSTRAINTS), Lint::BasicConstraintsNotCritical);
        let Some(usage) = self.decoded::<KeyUsage>(KEY_USAGE)? else {
            self.found.push(Lint::KeyUsageMissing);
            return Ok(());
        };
        self.add(!self.is_critical(KEY_USAGE), Lint::KeyUsageNotCritical);
        let older = KeyUsages::KeyCertSign | KeyUsages::DigitalSignature | KeyUsages::CRLSign;
        if self.role == Role::Leaf {
            self.add(usage.0 != KeyUsages::DigitalSignature, Lint::KeyUsageWrong);
        } else {
            let wrong = !usage.0.contains(KeyUsages::KeyCertSign) || !older.contains(usage.0);
            self.add(wrong, Lint::KeyUsageWrong);
            self.add(!wrong && usage.0 != KeyUsages::KeyCertSign, Lint::KeyUsageMore);
        }
        Ok(())
    }

    fn check_identifiers(&mut self) -> der::Result<()> {
        let own = self.decoded::<SubjectKeyIdentifier>(SUBJECT_KEY_IDENTIFIER)?;
        let above = self.decoded::<AuthorityKeyIdentifier>(AUTHORITY_KEY_IDENTIFIER)?;
        let above = above.and_then(|above| above.key_identifier);
        self.add(own.is_none(), Lint::SubjectKeyIdentifier);
        let differs = self.role == Role::Root && above.is_some() && above != own.map(|own| own.0);
        self.add(above.is_none() || differs, Lint::AuthorityKeyIdentifier);
        Ok(())
    }

    fn check_policies(&mut self) -> der::Result<()> {
        let policies = self.decoded::<CertificatePolicies>(CERTIFICATE_POLICIES)?;
        let Some(CertificatePolicies(policies)) = policies else {
            self.add(self.role != Role::Root, Lint::PoliciesMissing);
            return Ok(());
        };
        self.add(self.role == Role::Root, Lint::PoliciesInRoot);
        self.add(self.is_critical(CERTIFICATE_POLICIES), Lint::PoliciesCritical);
        self.add(policies.len() > 1, Lint::PoliciesMultiple);
        let known = |policy: &ObjectIdentifier| {
            let text = policy.to_string();
            KNOWN_POLICIES.iter().any(|prefix| text.starts_with(prefix))
        };
        let unknown = policies.iter().any(|policy| !known(&policy.policy_identifier));
        self.add(unknown, Lint::PoliciesUnknown);
        let old = policies.iter().any(|policy| OLD_POLICIES.contains(&policy.policy_identifier));
        self.add(old, Lint::PoliciesOld);
        Ok(())
    }

    fn check_distribution(&mut self) -> der::Result<()> {
        if self.role == Role::Root {
            return Ok(());
        }
        let Some(CrlDistributionPoints(points)) = self.decoded(CRL_DISTRIBUTION_POINTS)? else {
            self.found.push(Lint::CrlMissing);
            return Ok(());
        };
        let names = |point: &DistributionPoint| match &point.distribution_point {
            Some(DistributionPointName::FullName(names)) => names.len(),
            Some(DistributionPointName::NameRelativeToCRLIssuer(_)) | None => 1,
        };
        self.add(points.iter().map(names).sum::<usize>() > 1, Lint::CrlMultiple);
        let fetchable = |point: &DistributionPoint| match &point.distribution_point {
            Some(DistributionPointName::FullName(names)) => names.iter().all(is_http),
            Some(DistributionPointName::NameRelativeToCRLIssuer(_)) | None => false,
        };
        self.add(!points.iter().all(fetchable), Lint::CrlNotHttp);
        let known = |point: &DistributionPoint| match &point.distribution_point {
            Some(DistributionPointName::FullName(names)) => names.iter().all(is_sti_pa_url),
            Some(DistributionPointName::NameRelativeToCRLIssuer(_)) | None => false,
        };
        self.add(!points.iter().all(known), Lint::CrlElsewhere);
        self.add(points.iter().any(|point| point.crl_issuer.is_none()), Lint::CrlWithoutIssuer);
        Ok(())
    }

    fn check_numbers(&mut self) {
        let Some(content) = self.content(TN_AUTH_LIST) else {
            self.add(self.role == Role::Leaf, Lint::TnAuthListMissing);
            return;
        };
        self.add(self.role != Role::Leaf, Lint::TnAuthListInAuthority);
        match TnAuthList::from_der(content) {
            Err(_) => self.found.push(Lint::TnAuthListMalformed),
            Ok(list) => {
                self.add(!matches!(list.entries(), [TnEntry::Spc(_)]), Lint::TnAuthListNotOneCode);
                let plain = |code: &str| {
                    code.bytes().all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit())
                };
                let odd = list.spcs().any(|code| !plain(code));
                self.add(odd, Lint::TnAuthListCode);
            }
        }
    }

    fn extension(&self, oid: ObjectIdentifier) -> Option<&'a Extension> {
        self.extensions.iter().find(|extension| extension.extn_id == oid)
    }

    fn content(&self, oid: ObjectIdentifier) -> Option<&'a [u8]> {
        self.extension(oid).map(|extension| extension.extn_value.as_bytes())
    }

    fn decoded<T: Decode<'a, Error = der::Error>>(&self, oid: ObjectIdentifier) -> der::Result<Option<T>> {
        self.content(oid).map(T::from_der).transpose()
    }

    fn is_critical(&self, oid: ObjectIdentifier) -> bool {
        self.extension(oid).is_some_and(|extension| extension.critical)
    }
}

/// The text of the first attribute of `kind`.
fn attribute(name: &Name, kind: ObjectIdentifier) -> Option<String> {
    let found = name.iter().find(|attribute| attribute.oid == kind)?;
    Some(String::from_utf8_lossy(found.value.value()).into_owned())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "GeneralName is of another crate, and only one kind matters here"
)]
fn is_http(name: &GeneralName) -> bool {
    match name {
        GeneralName::UniformResourceIdentifier(url) => {
            url.as_str().starts_with("http://") || url.as_str().starts_with("https://")
        }
        _ => false,
    }
}

/// Whether the name is a URL of the STI-PA, for production or for tests.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "GeneralName is of another crate, and only one kind matters here"
)]
fn is_sti_pa_url(name: &GeneralName) -> bool {
    match name {
        GeneralName::UniformResourceIdentifier(url) => {
            let rest = url.as_str().split_once("://").map_or("", |(_, rest)| rest);
            let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
            host.starts_with("authenticate-api") && host.ends_with(".iconectiv.com")
        }
        _ => false,
    }
}

/// Versions 1.1 to 1.3 of the US policy.
const OLD_POLICIES: &[ObjectIdentifier] = &[
    ObjectIdentifier::new_unwrap("2.16.840.1.114569.1.1.1"),
    ObjectIdentifier::new_unwrap("2.16.840.1.114569.1.1.2"),
    ObjectIdentifier::new_unwrap("2.16.840.1.114569.1.1.3"),
];

/// The US policies of every version, and the policies of France.
const KNOWN_POLICIES: &[&str] = &["2.16.840.1.114569.1.1.", "1.2.250.1.695.1.1."];

/// The extensions of the profile.
const PROFILE: &[ObjectIdentifier] = &[
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    SUBJECT_KEY_IDENTIFIER,
    AUTHORITY_KEY_IDENTIFIER,
    CERTIFICATE_POLICIES,
    CRL_DISTRIBUTION_POINTS,
    TN_AUTH_LIST,
];
