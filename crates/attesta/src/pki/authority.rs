//! The certificates of a throw-away hierarchy: the STI root with the certificates below it, and the separate STI-PA.

use std::error::Error;
use std::fmt;

use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{Certificate, CertificateParams, CertifiedIssuer, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::UnixTime;

use super::crl::{IndirectCrl, Revoked};
use super::der::Name;
use super::profile::{CRL_URL, Profile, Validity, serial_number};
use super::scope::Scope;
use super::trust_list::SignedTrustList;

/// A throw-away STI root with an intermediate, a leaf and a delegate. A separate STI-PA with its own root signs
/// revocation lists and the list of authorities. All keys are P-256 keys. All certificates have the same validity period.
///
/// Each hierarchy has its own keys and names, so that objects of two hierarchies cannot be confused.
pub struct ThrowAwayPki {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
    intermediate_name: Name,
    leaf: Certificate,
    leaf_key: KeyPair,
    leaf_serial: Vec<u8>,
    delegation: Delegation,
    administrator: Administrator,
    validity: Validity,
}

/// The authority of a provider that delegates numbers, and the certificate of a delegate (RFC 9060).
struct Delegation {
    authority: CertifiedIssuer<'static, KeyPair>,
    delegate: Certificate,
    delegate_key: KeyPair,
}

/// The STI-PA. Its PKI is not below the STI root.
struct Administrator {
    root: CertifiedIssuer<'static, KeyPair>,
    crl_signer: Certificate,
    crl_signer_name: Name,
    crl_signer_key: KeyPair,
    crl_signer_key_id: Vec<u8>,
    trust_list_signer: Certificate,
    trust_list_signer_key: KeyPair,
}

impl ThrowAwayPki {
    /// Creates keys and certificates that are valid from `not_before` to `not_after`. The leaf gets `scopes` as its
    /// TNAuthList.
    ///
    /// A service provider's leaf has exactly one [`Scope::Provider`] and nothing else (ATIS-1000080). A delegate has
    /// numbers (RFC 9060): the numbers in `scopes`, or +12155550000 to +12155559999 if there are none.
    ///
    /// # Errors
    /// The times are not in order or end after the year 2049, or the operating system provides no randomness.
    pub fn generate(scopes: &[Scope], not_before: UnixTime, not_after: UnixTime) -> Result<Self, PkiError> {
        let validity = Validity::new(not_before, not_after).ok_or(PkiError(Failure::Validity))?;
        let root_key = new_key()?;
        let suffix = suffix(&root_key);
        let crl_signer_name = Name::new(format!("SHAKEN Throw-away CRL Signer {suffix}"));
        let profile = Profile { validity, crl_issuer: &crl_signer_name };

        let root_params = profile.root(&Name::new(format!("SHAKEN Throw-away Root {suffix}")), &root_key);
        let root = CertifiedIssuer::self_signed(root_params, root_key)?;

        let intermediate_name = Name::new(format!("SHAKEN Throw-away Intermediate {suffix}"));
        let intermediate_key = new_key()?;
        let intermediate_params = profile.intermediate(&intermediate_name, &intermediate_key);
        let intermediate = CertifiedIssuer::signed_by(intermediate_params, intermediate_key, &root)?;

        let leaf_key = new_key()?;
        let leaf_name = match scopes.iter().find_map(Scope::provider_code) {
            Some(code) => Name::new(format!("SHAKEN {code}")),
            None => Name::new("Throw-away Numbers"),
        };
        let leaf_params = profile.leaf(&leaf_name, scopes, &leaf_key);
        let leaf_serial = serial_number(&leaf_params, &leaf_key);
        let leaf = leaf_params.signed_by(&leaf_key, &intermediate)?;

        let delegation = Delegation::new(&profile, &suffix, scopes, &intermediate)?;
        let administrator = Administrator::new(&profile, &suffix)?;
        Ok(Self {
            root,
            intermediate,
            intermediate_name,
            leaf,
            leaf_key,
            leaf_serial,
            delegation,
            administrator,
            validity,
        })
    }

    /// Returns the root certificate as PEM: the anchor of a verifier.
    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// Returns the root's private key as PKCS #8 PEM.
    pub fn root_key_pem(&self) -> String {
        self.root.key().serialize_pem()
    }

    /// Returns the intermediate certificate as PEM.
    pub fn intermediate_pem(&self) -> String {
        self.intermediate.pem()
    }

    /// Returns the intermediate's private key as PKCS #8 PEM.
    pub fn intermediate_key_pem(&self) -> String {
        self.intermediate.key().serialize_pem()
    }

    /// Returns the leaf followed by the intermediate as PEM, for the server at `x5u` (RFC 8555 section 9.1).
    pub fn leaf_chain_pem(&self) -> String {
        format!("{}{}", self.leaf.pem(), self.intermediate.pem())
    }

    /// Returns the leaf's private key as PKCS #8 PEM.
    pub fn leaf_key_pem(&self) -> String {
        self.leaf_key.serialize_pem()
    }

    /// Returns the certificate of the delegating authority as PEM. The certificate is below the intermediate and has a
    /// TNAuthList.
    pub fn delegate_authority_pem(&self) -> String {
        self.delegation.authority.pem()
    }

    /// Returns the private key of the delegating authority as PKCS #8 PEM.
    pub fn delegate_authority_key_pem(&self) -> String {
        self.delegation.authority.key().serialize_pem()
    }

    /// Returns the delegate's certificate, followed by the delegating authority and the intermediate, as PEM. The server at
    /// the `x5u` of the delegate serves this chain (RFC 9060 section 7).
    pub fn delegate_chain_pem(&self) -> String {
        let delegate = self.delegation.delegate.pem();
        format!("{delegate}{}{}", self.delegate_authority_pem(), self.intermediate.pem())
    }

    /// Returns the delegate's private key as PKCS #8 PEM.
    pub fn delegate_key_pem(&self) -> String {
        self.delegation.delegate_key.serialize_pem()
    }

    /// Returns the STI-PA's root as PEM. Only the STI-PA's signers are below it.
    pub fn administrator_root_pem(&self) -> String {
        self.administrator.root.pem()
    }

    /// Returns the private key of the STI-PA's root as PKCS #8 PEM.
    pub fn administrator_root_key_pem(&self) -> String {
        self.administrator.root.key().serialize_pem()
    }

    /// Returns the certificate of the CRL signer as PEM: a verifier's anchor for CRLs.
    pub fn crl_signer_pem(&self) -> String {
        self.administrator.crl_signer.pem()
    }

    /// Returns the CRL signer's private key as PKCS #8 PEM.
    pub fn crl_signer_key_pem(&self) -> String {
        self.administrator.crl_signer_key.serialize_pem()
    }

    /// Returns the certificate of the trust list's signer as PEM.
    pub fn trust_list_signer_pem(&self) -> String {
        self.administrator.trust_list_signer.pem()
    }

    /// Returns the private key of the trust list's signer as PKCS #8 PEM.
    pub fn trust_list_signer_key_pem(&self) -> String {
        self.administrator.trust_list_signer_key.serialize_pem()
    }

    /// Returns the STI-PA's list of authorities, which contains only the root: a JWS in compact form (ATIS-1000084).
    ///
    /// # Errors
    /// The operating system provides no randomness.
    pub fn trust_list(&self) -> Result<String, PkiError> {
        let list = SignedTrustList {
            x5u: TRUST_LIST_SIGNER_URL,
            sequence: 1,
            expires: self.validity.not_after(),
            authorities: &[self.root_pem()],
        };
        Ok(list.signed_by(&self.administrator.trust_list_signer_key)?)
    }

    /// Returns an indirect CRL without entries, as PEM.
    ///
    /// # Errors
    /// The operating system provides no randomness.
    pub fn crl_pem(&self) -> Result<String, PkiError> {
        self.indirect_crl(1, &[])
    }

    /// Returns the indirect CRL that follows the CRL of [`Self::crl_pem`] and revokes the leaf, as PEM.
    ///
    /// # Errors
    /// The operating system provides no randomness.
    pub fn crl_revoking_leaf_pem(&self) -> Result<String, PkiError> {
        self.indirect_crl(2, &[Revoked { issuer: &self.intermediate_name, serial: &self.leaf_serial }])
    }

    /// Returns the list followed by the certificate of its signer. Verifiers that have only the STI-PA's root need that
    /// certificate.
    fn indirect_crl(&self, number: u64, revoked: &[Revoked<'_>]) -> Result<String, PkiError> {
        let list = IndirectCrl {
            issuer: &self.administrator.crl_signer_name,
            issuer_key_id: &self.administrator.crl_signer_key_id,
            url: CRL_URL,
            number,
            this_update: self.validity.not_before_utc(),
            next_update: self.validity.not_after_utc(),
            revoked,
        };
        let der = list.signed_by(&self.administrator.crl_signer_key)?;
        let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
        Ok(pem::encode_config(&Pem::new("X509 CRL", der), config) + &self.crl_signer_pem())
    }
}

impl Delegation {
    /// Creates the authority with the provider's code, if `scopes` has a code, and with the numbers. The delegate gets only
    /// the numbers.
    fn new(
        profile: &Profile<'_>,
        suffix: &str,
        scopes: &[Scope],
        issuer: &Issuer<'_, KeyPair>,
    ) -> Result<Self, PkiError> {
        let mut numbers: Vec<_> =
            scopes.iter().filter(|scope| scope.provider_code().is_none()).cloned().collect();
        if numbers.is_empty() {
            numbers.extend(Scope::numbers(DELEGATED).ok());
        }
        let provider = scopes.iter().filter(|scope| scope.provider_code().is_some());
        let all: Vec<_> = provider.cloned().chain(numbers.iter().cloned()).collect();

        let name = Name::new(format!("SHAKEN Throw-away Delegation {suffix}"));
        let key = new_key()?;
        let params = profile.delegate_authority(&name, &all, &key);
        let authority = CertifiedIssuer::signed_by(params, key, issuer)?;

        let delegate_key = new_key()?;
        let params = profile.leaf(&Name::new("Throw-away Delegate"), &numbers, &delegate_key);
        let delegate = params.signed_by(&delegate_key, &authority)?;
        Ok(Self { authority, delegate, delegate_key })
    }
}

impl Administrator {
    fn new(profile: &Profile<'_>, suffix: &str) -> Result<Self, PkiError> {
        let root_key = new_key()?;
        let root_params = profile.root(&Name::new(format!("STI-PA Throw-away Root {suffix}")), &root_key);
        let root = CertifiedIssuer::self_signed(root_params, root_key)?;

        let crl_signer_key = new_key()?;
        let params = profile.crl_signer(&crl_signer_key);
        let crl_signer_key_id = params.key_identifier(&crl_signer_key);
        let crl_signer = params.signed_by(&crl_signer_key, &root)?;

        let trust_list_signer_key = new_key()?;
        let name = Name::new(format!("STI-PA Throw-away List Signer {suffix}"));
        let params = profile.trust_list_signer(&name, &trust_list_signer_key);
        let trust_list_signer = params.signed_by(&trust_list_signer_key, &root)?;
        let crl_signer_name = profile.crl_issuer.clone();
        Ok(Self {
            root,
            crl_signer,
            crl_signer_name,
            crl_signer_key,
            crl_signer_key_id,
            trust_list_signer,
            trust_list_signer_key,
        })
    }
}

impl fmt::Debug for ThrowAwayPki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrowAwayPki").field("validity", &self.validity).finish_non_exhaustive()
    }
}

fn new_key() -> Result<KeyPair, PkiError> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

/// Returns the first octets of a digest of the root's key. These octets make the names of the hierarchy unique.
fn suffix(key: &KeyPair) -> String {
    let digest = CertificateParams::default().key_identifier(key);
    digest.iter().take(4).map(|octet| format!("{octet:02x}")).collect()
}

/// Reports why no hierarchy could be created.
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
            Failure::Generation(error) => write!(f, "cannot create a throw-away certificate: {error}"),
        }
    }
}

impl Error for PkiError {}

impl From<rcgen::Error> for PkiError {
    fn from(error: rcgen::Error) -> Self {
        Self(Failure::Generation(error))
    }
}

/// The delegated numbers if `scopes` has no numbers.
const DELEGATED: &str = "+1215555....";
/// The URL of the trust list signer's certificate. Nothing is served there: the name is reserved (RFC 2606).
const TRUST_LIST_SIGNER_URL: &str = "https://sti-pa.example/trust-list-signer.pem";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use attesta_stir::cert::{Certificate, CertificateChain, Crl, TrustAnchors, TrustList};
    use attesta_stir::{DEFAULT_PORTS, Signer, SigningKey, X5u};

    use super::super::profile::END_OF_UTC_TIME;
    use super::*;

    const BEGIN: u64 = 1_000_000_000;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn pki() -> ThrowAwayPki {
        ThrowAwayPki::generate(&[Scope::provider("1234").unwrap()], at(BEGIN), at(BEGIN + 86_400)).unwrap()
    }

    fn anchors(pem: String) -> TrustAnchors {
        TrustAnchors::from_pem(pem.as_bytes()).unwrap()
    }

    #[test]
    fn the_leaf_and_the_delegate_can_sign() {
        let pki = pki();
        for (chain, key) in
            [(pki.leaf_chain_pem(), pki.leaf_key_pem()), (pki.delegate_chain_pem(), pki.delegate_key_pem())]
        {
            let chain = CertificateChain::parse(chain.as_bytes()).unwrap();
            let key = SigningKey::from_pem(key.as_bytes()).unwrap();
            let x5u = X5u::parse("https://cr.example.net/leaf.pem", DEFAULT_PORTS).unwrap();
            let signer = Signer::new(key, &chain, x5u, at(BEGIN)).unwrap();
            assert_eq!(signer.validity(), (at(BEGIN), at(BEGIN + 86_400)));
        }
    }

    #[test]
    fn the_delegate_has_numbers_within_those_of_its_authority() {
        let read = |pki: &ThrowAwayPki| {
            let chain = CertificateChain::parse(pki.delegate_chain_pem().as_bytes()).unwrap();
            let lists = chain.certificates().iter().map(|der| {
                let certificate = Certificate::from_der(der).unwrap();
                certificate.tn_auth_list().map(|list| list.unwrap().clone())
            });
            lists.collect::<Vec<_>>()
        };
        let lists = read(&pki());
        let [Some(delegate), Some(authority), None] = lists.as_slice() else { panic!("{lists:?}") };
        assert!(authority.encompasses(delegate) && !delegate.encompasses(authority));
        assert_eq!(delegate.to_string(), "10000 numbers from 12155550000");
        let numbers = [Scope::numbers("+18005551212").unwrap()];
        let lists = read(&ThrowAwayPki::generate(&numbers, at(BEGIN), at(BEGIN + 1)).unwrap());
        let [Some(delegate), Some(authority), None] = lists.as_slice() else { panic!("{lists:?}") };
        assert_eq!((delegate, delegate.to_string().as_str()), (authority, "number 18005551212"));
    }

    #[test]
    fn two_hierarchies_share_no_name_and_no_serial_number() {
        let (one, other) = (pki(), pki());
        let subjects = |pki: &ThrowAwayPki| {
            let anchors = anchors(pki.root_pem());
            anchors.subjects().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_ne!(subjects(&one), subjects(&other));
        assert_ne!(one.leaf_serial, other.leaf_serial);
    }

    #[test]
    fn an_impossible_validity_is_refused() {
        let scope = [Scope::provider("1234").unwrap()];
        assert!(ThrowAwayPki::generate(&scope, at(2), at(1)).is_err());
        assert!(ThrowAwayPki::generate(&scope, at(1), at(END_OF_UTC_TIME)).is_err());
    }

    #[test]
    fn the_lists_verify_with_either_anchor() {
        let pki = pki();
        let leaf = CertificateChain::parse(pki.leaf_chain_pem().as_bytes()).unwrap();
        let leaf = Certificate::from_der(leaf.leaf()).unwrap();
        let signer = CertificateChain::parse(pki.crl_signer_pem().as_bytes()).unwrap();
        for (list, revokes) in [(pki.crl_pem().unwrap(), false), (pki.crl_revoking_leaf_pem().unwrap(), true)]
        {
            for (signers, anchor) in
                [(&[][..], pki.crl_signer_pem()), (signer.certificates(), pki.administrator_root_pem())]
            {
                let list = Crl::read(list.as_bytes(), signers, &anchors(anchor), at(BEGIN)).unwrap();
                assert!(list.is_indirect());
                assert_eq!((list.len(), list.revokes(&leaf)), (usize::from(revokes), revokes));
            }
            let unknown =
                Crl::read(list.as_bytes(), signer.certificates(), &anchors(pki.root_pem()), at(BEGIN));
            assert!(unknown.is_err(), "the STI-PA is not below the STI root");
        }
    }

    #[test]
    fn the_trust_list_names_the_root() {
        let pki = pki();
        let (jws, pinned) = (pki.trust_list().unwrap(), anchors(pki.administrator_root_pem()));
        let signer = CertificateChain::parse(pki.trust_list_signer_pem().as_bytes()).unwrap();
        assert_eq!(TrustList::signer_url(jws.as_bytes()).unwrap(), TRUST_LIST_SIGNER_URL);
        let list = TrustList::read(jws.as_bytes(), signer, &pinned, None, at(BEGIN)).unwrap();
        assert_eq!((list.sequence(), list.expires()), (1, at(BEGIN + 86_400)));
        assert!(list.anchors().subjects().eq(anchors(pki.root_pem()).subjects()));
    }

    #[test]
    fn keys_are_not_shown() {
        let pki = pki();
        assert!(!format!("{pki:?}").contains("key"));
    }
}
