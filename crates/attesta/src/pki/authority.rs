//! Root, intermediate, leaf and CRL signer, with the names and extensions that the SHAKEN certificate profile
//! (ATIS-1000080) asks for.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, CustomExtension, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber, date_time_ymd,
};
use rustls::pki_types::UnixTime;
use yasna::Tag;
use yasna::models::{ObjectIdentifier, UTCTime};

use super::crl::{IndirectCrl, Revoked};
use super::der::{Name, write_directory_name, write_distribution_point_name};
use super::scope::{Scope, tn_auth_list};

/// A throw-away STI root, intermediate, leaf and CRL signer, all P-256, all valid for the same time.
///
/// Each value has keys and names of its own: nothing in one hierarchy is taken for anything in another.
pub struct ThrowAwayPki {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
    intermediate_name: Name,
    leaf: Certificate,
    leaf_key: KeyPair,
    leaf_serial: Vec<u8>,
    crl_signer: CertifiedIssuer<'static, KeyPair>,
    crl_signer_name: Name,
    crl_signer_key_id: Vec<u8>,
    validity: Validity,
}

impl ThrowAwayPki {
    /// Makes keys and certificates that are valid from `not_before` to `not_after`; the leaf vouches for `scopes`.
    ///
    /// A leaf of a service provider has exactly one [`Scope::Provider`] and nothing else (ATIS-1000080); a delegate's
    /// has numbers (RFC 9060).
    ///
    /// # Errors
    /// The times are not in order or end after the year 2049, or the system gives no randomness.
    pub fn generate(scopes: &[Scope], not_before: UnixTime, not_after: UnixTime) -> Result<Self, PkiError> {
        let validity = Validity::new(not_before, not_after)?;
        let root_key = new_key()?;
        let mark = mark(&root_key);
        let crl_signer_name = Name::new(format!("SHAKEN Throw-away CRL Signer {mark}"));
        let profile = Profile { validity, crl_issuer: &crl_signer_name };

        let root_params = profile.root(&Name::new(format!("SHAKEN Throw-away Root {mark}")), &root_key);
        let root = CertifiedIssuer::self_signed(root_params, root_key)?;

        let intermediate_name = Name::new(format!("SHAKEN Throw-away Intermediate {mark}"));
        let intermediate_key = new_key()?;
        let intermediate_params = profile.intermediate(&intermediate_name, &intermediate_key);
        let intermediate = CertifiedIssuer::signed_by(intermediate_params, intermediate_key, &root)?;

        let leaf_key = new_key()?;
        let leaf_params = profile.leaf(scopes, &leaf_key);
        let leaf_serial = serial_number(&leaf_params, &leaf_key);
        let leaf = leaf_params.signed_by(&leaf_key, &intermediate)?;

        let crl_signer_key = new_key()?;
        let crl_signer_params = profile.crl_signer(&crl_signer_key);
        let crl_signer_key_id = crl_signer_params.key_identifier(&crl_signer_key);
        let crl_signer = CertifiedIssuer::self_signed(crl_signer_params, crl_signer_key)?;

        Ok(Self {
            root,
            intermediate,
            intermediate_name,
            leaf,
            leaf_key,
            leaf_serial,
            crl_signer,
            crl_signer_name,
            crl_signer_key_id,
            validity,
        })
    }

    /// The root certificate, PEM: what a verifier takes as its anchor.
    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// The root's private key, PKCS #8 PEM.
    pub fn root_key_pem(&self) -> String {
        self.root.key().serialize_pem()
    }

    /// The intermediate certificate, PEM.
    pub fn intermediate_pem(&self) -> String {
        self.intermediate.pem()
    }

    /// The intermediate's private key, PKCS #8 PEM.
    pub fn intermediate_key_pem(&self) -> String {
        self.intermediate.key().serialize_pem()
    }

    /// The leaf, then the intermediate, PEM: what `x5u` serves (RFC 8555 section 9.1).
    pub fn leaf_chain_pem(&self) -> String {
        format!("{}{}", self.leaf.pem(), self.intermediate.pem())
    }

    /// The leaf's private key, PKCS #8 PEM.
    pub fn leaf_key_pem(&self) -> String {
        self.leaf_key.serialize_pem()
    }

    /// The certificate of the CRL signer, self-signed, PEM: what a verifier takes as its anchor for CRLs.
    pub fn crl_signer_pem(&self) -> String {
        self.crl_signer.pem()
    }

    /// The CRL signer's private key, PKCS #8 PEM.
    pub fn crl_signer_key_pem(&self) -> String {
        self.crl_signer.key().serialize_pem()
    }

    /// An indirect CRL that revokes nothing, PEM.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn crl_pem(&self) -> Result<String, PkiError> {
        self.indirect_crl(1, &[])
    }

    /// The indirect CRL that follows the one of [`Self::crl_pem`] and revokes the leaf, PEM.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn crl_revoking_leaf_pem(&self) -> Result<String, PkiError> {
        self.indirect_crl(2, &[Revoked { issuer: &self.intermediate_name, serial: &self.leaf_serial }])
    }

    fn indirect_crl(&self, number: u64, revoked: &[Revoked<'_>]) -> Result<String, PkiError> {
        let list = IndirectCrl {
            issuer: &self.crl_signer_name,
            issuer_key_id: &self.crl_signer_key_id,
            url: CRL_URL,
            number,
            this_update: self.validity.not_before_utc(),
            next_update: self.validity.not_after_utc(),
            revoked,
        };
        let der = list.signed_by(self.crl_signer.key())?;
        Ok(pem::encode_config(
            &Pem::new("X509 CRL", der),
            EncodeConfig::new().set_line_ending(LineEnding::LF),
        ))
    }
}

impl fmt::Debug for ThrowAwayPki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrowAwayPki").field("validity", &self.validity).finish_non_exhaustive()
    }
}

/// Seconds since the epoch, in order, and within what `UTCTime` can say (RFC 5280 section 4.1.2.5.1).
#[derive(Clone, Copy, Debug)]
struct Validity {
    not_before: Duration,
    not_after: Duration,
}

impl Validity {
    fn new(not_before: UnixTime, not_after: UnixTime) -> Result<Self, PkiError> {
        let (not_before, not_after) = (not_before.as_secs(), not_after.as_secs());
        if not_before >= not_after || not_after >= END_OF_UTC_TIME {
            return Err(PkiError(Failure::Validity));
        }
        Ok(Self { not_before: Duration::from_secs(not_before), not_after: Duration::from_secs(not_after) })
    }

    fn not_before_utc(self) -> UTCTime {
        UTCTime::from_datetime(date_time_ymd(1970, 1, 1) + self.not_before)
    }

    fn not_after_utc(self) -> UTCTime {
        UTCTime::from_datetime(date_time_ymd(1970, 1, 1) + self.not_after)
    }
}

/// The certificate profile: one function per role.
struct Profile<'a> {
    validity: Validity,
    crl_issuer: &'a Name,
}

impl Profile<'_> {
    fn root(&self, name: &Name, key: &KeyPair) -> CertificateParams {
        let mut params = self.common(name, key);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    }

    fn intermediate(&self, name: &Name, key: &KeyPair) -> CertificateParams {
        let mut params = self.common(name, key);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = vec![certificate_policy(), self.crl_distribution_point()];
        params
    }

    fn leaf(&self, scopes: &[Scope], key: &KeyPair) -> CertificateParams {
        let name = match scopes.iter().find_map(Scope::provider_code) {
            Some(code) => Name::new(format!("SHAKEN {code}")),
            None => Name::new("Throw-away Delegate"),
        };
        let mut params = self.common(&name, key);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = vec![
            certificate_policy(),
            self.crl_distribution_point(),
            CustomExtension::from_oid_content(OID_TN_AUTH_LIST, tn_auth_list(scopes)),
        ];
        params
    }

    /// The STI-PA's own PKI is not below the STI root, so the signer of its CRLs stands alone.
    fn crl_signer(&self, key: &KeyPair) -> CertificateParams {
        let mut params = self.common(self.crl_issuer, key);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
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

    /// One distribution point, with the name of the CRL's issuer, since the list is indirect.
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

fn new_key() -> Result<KeyPair, PkiError> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

/// What tells the names of one hierarchy from those of another: the start of a digest of the root's key.
fn mark(key: &KeyPair) -> String {
    let digest = CertificateParams::default().key_identifier(key);
    digest.iter().take(4).map(|octet| format!("{octet:02x}")).collect()
}

/// A positive number of 159 bits that nobody can foresee: a digest of the public key, which is random itself.
fn serial_number(params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
    let mut serial = params.key_identifier(key);
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    serial
}

/// Why no hierarchy could be made.
#[derive(Debug)]
pub struct PkiError(Failure);

#[derive(Debug)]
enum Failure {
    Validity,
    Generation(rcgen::Error),
}

impl fmt::Display for PkiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Failure::Validity => {
                f.write_str("a certificate's validity must end after it begins, and before 2050")
            }
            Failure::Generation(error) => write!(f, "no throw-away certificate could be made: {error}"),
        }
    }
}

impl Error for PkiError {}

impl From<rcgen::Error> for PkiError {
    fn from(error: rcgen::Error) -> Self {
        Self(Failure::Generation(error))
    }
}

/// 2050-01-01T00:00:00Z, in seconds since the epoch.
const END_OF_UTC_TIME: u64 = 2_524_608_000;
/// Where the CRL would be had. Nothing is served there: the name is reserved (RFC 2606).
const CRL_URL: &str = "https://sti-pa.example/crl";
const OID_TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];
const OID_CRL_DISTRIBUTION_POINTS: &[u64] = &[2, 5, 29, 31];
const OID_CERTIFICATE_POLICIES: &[u64] = &[2, 5, 29, 32];
/// The SHAKEN certificate policy of the United States, version 1.4.
const OID_SHAKEN_POLICY: &[u64] = &[2, 16, 840, 1, 114569, 1, 1, 4];

#[cfg(test)]
mod tests {
    use attesta_stir::cert::{CertificateChain, TrustAnchors};
    use attesta_stir::{DEFAULT_PORTS, Signer, SigningKey, X5u};

    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn pki() -> ThrowAwayPki {
        ThrowAwayPki::generate(&[Scope::provider("1234").unwrap()], at(1_000_000_000), at(1_000_086_400))
            .unwrap()
    }

    #[test]
    fn the_leaf_is_fit_to_sign() {
        let pki = pki();
        let chain = CertificateChain::parse(pki.leaf_chain_pem().as_bytes()).unwrap();
        let key = SigningKey::from_pem(pki.leaf_key_pem().as_bytes()).unwrap();
        let x5u = X5u::parse("https://cr.example.net/leaf.pem", DEFAULT_PORTS).unwrap();
        let signer = Signer::new(key, &chain, x5u, at(1_000_000_000)).unwrap();
        assert_eq!(signer.validity(), (at(1_000_000_000), at(1_000_086_400)));
    }

    #[test]
    fn two_hierarchies_share_no_name_and_no_number() {
        let (one, other) = (pki(), pki());
        let subjects = |pki: &ThrowAwayPki| {
            let anchors = TrustAnchors::from_pem(pki.root_pem().as_bytes()).unwrap();
            anchors.subjects().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_ne!(subjects(&one), subjects(&other));
        assert_ne!(one.leaf_serial, other.leaf_serial);
    }

    #[test]
    fn a_validity_that_makes_no_sense_is_refused() {
        let scope = [Scope::provider("1234").unwrap()];
        assert!(ThrowAwayPki::generate(&scope, at(2), at(1)).is_err());
        assert!(ThrowAwayPki::generate(&scope, at(1), at(END_OF_UTC_TIME)).is_err());
    }

    #[test]
    fn the_lists_are_signed_and_tell_the_leaf_s_number() {
        let pki = pki();
        let der = |pem: String| pem::parse(pem).unwrap().into_contents();
        let (empty, full) = (der(pki.crl_pem().unwrap()), der(pki.crl_revoking_leaf_pem().unwrap()));
        let names_leaf =
            |list: &[u8]| list.windows(pki.leaf_serial.len()).any(|octets| octets == pki.leaf_serial);
        assert!(!names_leaf(&empty) && names_leaf(&full));
    }

    #[test]
    fn keys_are_not_shown() {
        let pki = pki();
        assert!(!format!("{pki:?}").contains("key"));
    }
}
