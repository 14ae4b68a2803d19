//! The certificate profile of SHAKEN (ATIS-1000080), one function for each role in the hierarchy.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, IsCa, KeyPair, KeyUsagePurpose, SerialNumber,
    date_time_ymd,
};
use rustls::pki_types::UnixTime;
use yasna::Tag;
use yasna::models::{ObjectIdentifier, UTCTime};

use super::der::{Name, write_directory_name, write_distribution_point_name};
use super::scope::{Scope, tn_auth_list};

/// A validity period: seconds since the epoch, in order, within the range of `UTCTime` (RFC 5280 section 4.1.2.5.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    not_before: Duration,
    not_after: Duration,
}

impl Validity {
    /// Returns `None` if the times are not in order or end after the year 2049.
    pub(super) fn new(not_before: UnixTime, not_after: UnixTime) -> Option<Self> {
        let (not_before, not_after) = (not_before.as_secs(), not_after.as_secs());
        if not_before >= not_after || not_after >= END_OF_UTC_TIME {
            return None;
        }
        Some(Self { not_before: Duration::from_secs(not_before), not_after: Duration::from_secs(not_after) })
    }

    pub(super) fn not_before_utc(self) -> UTCTime {
        UTCTime::from_datetime(date_time_ymd(1970, 1, 1) + self.not_before)
    }

    pub(super) fn not_after_utc(self) -> UTCTime {
        UTCTime::from_datetime(date_time_ymd(1970, 1, 1) + self.not_after)
    }

    /// Returns seconds since the epoch.
    pub(super) fn not_after(self) -> u64 {
        self.not_after.as_secs()
    }
}

/// The certificate profile, with one function for each role.
pub(super) struct Profile<'a> {
    pub(super) validity: Validity,
    pub(super) crl_issuer: &'a Name,
}

impl Profile<'_> {
    /// Returns the parameters of a root: the STI root or the STI-PA's root.
    pub(super) fn root(&self, name: &Name, key: &KeyPair) -> CertificateParams {
        let mut params = self.common(name, key);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    }

    /// Returns the parameters of an STI-CA's intermediate. Below it are leaves and delegating authorities.
    pub(super) fn intermediate(&self, name: &Name, key: &KeyPair) -> CertificateParams {
        let mut params = self.authority(name, key, 1);
        params.custom_extensions = vec![certificate_policy(), self.crl_distribution_point()];
        params
    }

    /// Returns the parameters of the subordinate authority of a provider that delegates numbers. Its TNAuthList limits
    /// the certificates below it (RFC 9060 section 4).
    pub(super) fn delegate_authority(
        &self,
        name: &Name,
        scopes: &[Scope],
        key: &KeyPair,
    ) -> CertificateParams {
        let mut params = self.authority(name, key, 0);
        params.custom_extensions =
            vec![certificate_policy(), self.crl_distribution_point(), tn_auth_list_extension(scopes)];
        params
    }

    /// Returns the parameters of a certificate that signs PASSporTs.
    pub(super) fn leaf(&self, name: &Name, scopes: &[Scope], key: &KeyPair) -> CertificateParams {
        let mut params = self.end_entity(name, key, KeyUsagePurpose::DigitalSignature);
        params.custom_extensions =
            vec![certificate_policy(), self.crl_distribution_point(), tn_auth_list_extension(scopes)];
        params
    }

    /// Returns the parameters of the certificate that signs the STI-PA's revocation lists.
    pub(super) fn crl_signer(&self, key: &KeyPair) -> CertificateParams {
        self.end_entity(self.crl_issuer, key, KeyUsagePurpose::CrlSign)
    }

    /// Returns the parameters of the certificate that signs the STI-PA's list of authorities.
    pub(super) fn trust_list_signer(&self, name: &Name, key: &KeyPair) -> CertificateParams {
        self.end_entity(name, key, KeyUsagePurpose::DigitalSignature)
    }

    fn authority(&self, name: &Name, key: &KeyPair, path_length: u8) -> CertificateParams {
        let mut params = self.common(name, key);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.use_authority_key_identifier_extension = true;
        params
    }

    fn end_entity(&self, name: &Name, key: &KeyPair, usage: KeyUsagePurpose) -> CertificateParams {
        let mut params = self.common(name, key);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        params
    }

    fn common(&self, name: &Name, key: &KeyPair) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = name.distinguished_name();
        params.not_before = *self.validity.not_before_utc().datetime();
        params.not_after = *self.validity.not_after_utc().datetime();
        params.serial_number = Some(SerialNumber::from_slice(&serial_number(&params, key)));
        params
    }

    /// Returns one distribution point with the name of the CRL's issuer, which an indirect list requires.
    fn crl_distribution_point(&self) -> CustomExtension {
        let points = yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_sequence(|writer| {
                    write_distribution_point_name(writer.next(), CRL_URL);
                    writer.next().write_tagged_implicit(Tag::context(2), |writer| {
                        write_directory_name(writer, self.crl_issuer)
                    });
                });
            });
        });
        CustomExtension::from_oid_content(OID_CRL_DISTRIBUTION_POINTS, points)
    }
}

/// Returns an unpredictable positive number of 159 bits: a digest of the public key, which is random.
pub(super) fn serial_number(params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
    let mut serial = params.key_identifier(key);
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    serial
}

fn certificate_policy() -> CustomExtension {
    let policies = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&ObjectIdentifier::from_slice(OID_SHAKEN_POLICY));
            });
        });
    });
    CustomExtension::from_oid_content(OID_CERTIFICATE_POLICIES, policies)
}

fn tn_auth_list_extension(scopes: &[Scope]) -> CustomExtension {
    CustomExtension::from_oid_content(OID_TN_AUTH_LIST, tn_auth_list(scopes))
}

/// 2050-01-01T00:00:00Z, in seconds since the epoch.
pub(super) const END_OF_UTC_TIME: u64 = 2_524_608_000;
/// The URL of the CRL. Nothing is served there: the name is reserved (RFC 2606).
pub(super) const CRL_URL: &str = "https://sti-pa.example/crl";
const OID_TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];
const OID_CRL_DISTRIBUTION_POINTS: &[u64] = &[2, 5, 29, 31];
const OID_CERTIFICATE_POLICIES: &[u64] = &[2, 5, 29, 32];
/// The SHAKEN certificate policy of the United States, version 1.4.
const OID_SHAKEN_POLICY: &[u64] = &[2, 16, 840, 1, 114569, 1, 1, 4];
