//! Each fault of the leaf, of its chain and of the content at its URL, and the deviations that are accepted.

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CustomExtension, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P384_SHA384,
    PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm,
};

use super::case::{Case, World};
use super::support::{NOW, Pki, TN_AUTH_LIST, authority, date, leaf, spc};

pub(super) fn cases() -> Vec<Case> {
    let world = World::new();
    let mut cases = Vec::new();
    for (name, edit, expected) in LEAVES {
        let mut params = ordinary();
        edit(&mut params);
        cases.push(world.call(*name).served(&world.pki.bundle(&params, &world.key)).expect(expected));
    }
    for (name, list, expected) in LISTS {
        let bundle = world.pki.bundle(&leaf("SHAKEN 1234", list), &world.key);
        cases.push(world.call(*name).served(&bundle).expect(expected));
    }
    for (name, edit, expected) in AUTHORITIES {
        let mut params = authority("SHAKEN Intermediate");
        edit(&mut params);
        let pki = Pki::with(authority("SHAKEN ROOT"), params);
        let bundle = pki.bundle(&ordinary(), &world.key);
        cases.push(world.call(*name).anchors(&pki.root_pem).served(&bundle).expect(expected));
    }
    cases.extend(keys(&world));
    cases.extend(bundles(&world));
    cases.extend(paths(&world));
    cases
}

fn ordinary() -> CertificateParams {
    leaf("SHAKEN 1234", &spc("1234"))
}

fn critical(oid: &[u64], content: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(true);
    extension
}

/// A name, the change to an ordinary certificate, and the result of the call.
type Edit = (&'static str, fn(&mut CertificateParams), &'static str);

#[rustfmt::skip]
const LEAVES: &[Edit] = &[
    ("an ordinary leaf", |_| {}, "Passed A"),
    ("leaf without key usage", |leaf| leaf.key_usages.clear(), "Passed A"),
    ("leaf without basic constraints", |leaf| leaf.is_ca = IsCa::NoCa, "Passed A"),
    ("leaf with a further key usage", |leaf| leaf.key_usages.push(KeyUsagePurpose::ContentCommitment), "Passed A"),
    ("leaf with an extended key usage, which means nothing here", |leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth], "Passed A"),
    ("leaf with critical certificate policies", |leaf| leaf.custom_extensions.push(critical(POLICIES, POLICY)), "Passed A"),
    ("leaf with a critical TNAuthList", |leaf| leaf.custom_extensions = vec![critical(TN_AUTH_LIST, &spc("1234"))], "Passed A"),
    ("leaf with an unknown extension", |leaf| leaf.custom_extensions.push(CustomExtension::from_oid_content(UNKNOWN, vec![5, 0])), "Passed A"),
    ("leaf that expires now", |leaf| leaf.not_after = date(NOW), "Passed A"),
    ("leaf that begins now", |leaf| leaf.not_before = date(NOW), "Passed A"),
    ("leaf expired a second ago", |leaf| leaf.not_after = date(NOW - 1), "Failed 437 certificate-expired"),
    ("leaf valid in a second", |leaf| leaf.not_before = date(NOW + 1), "Failed 437 certificate-not-yet-valid"),
    ("leaf without a TNAuthList", |leaf| leaf.custom_extensions.clear(), "Failed 437 tn-auth-list-missing"),
    ("leaf that is an authority", |leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), "Failed 437 leaf-is-authority"),
    ("leaf for key agreement", |leaf| leaf.key_usages = vec![KeyUsagePurpose::KeyAgreement], "Failed 437 key-usage"),
    ("leaf for signing certificates", |leaf| leaf.key_usages = vec![KeyUsagePurpose::KeyCertSign], "Failed 437 key-usage"),
    ("leaf with an unknown critical extension", |leaf| leaf.custom_extensions.push(critical(UNKNOWN, &[5, 0])), "Failed 437 critical-extension"),
    ("leaf with two TNAuthLists", |leaf| leaf.custom_extensions.push(CustomExtension::from_oid_content(TN_AUTH_LIST, spc("5678"))), "None 436 certificate-unparsable"),
];

/// A TNAuthList in DER, and the result.
#[rustfmt::skip]
const LISTS: &[(&str, &[u8], &str)] = &[
    ("TNAuthList without entries", &[0x30, 0], "Failed 437 tn-auth-list-malformed"),
    ("TNAuthList with implicit tags", &[0x30, 6, 0x80, 4, b'1', b'2', b'3', b'4'], "Failed 437 tn-auth-list-malformed"),
    ("TNAuthList that is NULL", &[5, 0], "Failed 437 tn-auth-list-malformed"),
    ("TNAuthList without octets", &[], "Failed 437 tn-auth-list-malformed"),
    ("TNAuthList of an unknown kind of entry", &[0x30, 6, 0xa7, 4, 0x16, 2, b'1', b'2'], "Failed 437 tn-auth-list-malformed"),
    ("TNAuthList with an empty code", &[0x30, 4, 0xa0, 2, 0x16, 0], "Failed 437 tn-auth-list-malformed"),
    ("TNAuthList with a letter in a number", &[0x30, 7, 0xa2, 5, 0x16, 3, b'1', b'2', b'x'], "Failed 437 tn-auth-list-malformed"),
    ("TNAuthList with a range of one", &[0x30, 12, 0xa1, 10, 0x30, 8, 0x16, 3, b'1', b'2', b'1', 2, 1, 1], "Failed 437 tn-auth-list-malformed"),
    ("TNAuthList with a range past its length", &[0x30, 12, 0xa1, 10, 0x30, 8, 0x16, 3, b'9', b'9', b'9', 2, 1, 5], "Failed 437 tn-auth-list-malformed"),
    ("TNAuthList followed by octets", &[0x30, 8, 0xa0, 6, 0x16, 4, b'1', b'2', b'3', b'4', 0], "Failed 437 tn-auth-list-malformed"),
    ("TNAuthList in BER", &[0x30, 0x81, 8, 0xa0, 6, 0x16, 4, b'1', b'2', b'3', b'4'], "Failed 437 tn-auth-list-malformed"),
    ("TNAuthList of two providers", &[0x30, 16, 0xa0, 6, 0x16, 4, b'1', b'2', b'3', b'4', 0xa0, 6, 0x16, 4, b'5', b'6', b'7', b'8'], "Passed A"),
];

#[rustfmt::skip]
const AUTHORITIES: &[Edit] = &[
    ("an ordinary authority", |_| {}, "Passed A"),
    ("authority with critical certificate policies", |own| own.custom_extensions.push(critical(POLICIES, POLICY)), "Passed A"),
    ("authority with the code of its leaf", |own| own.custom_extensions.push(CustomExtension::from_oid_content(TN_AUTH_LIST, spc("1234"))), "Passed A"),
    ("authority with another code than its leaf", |own| own.custom_extensions.push(CustomExtension::from_oid_content(TN_AUTH_LIST, spc("9999"))), "Failed 437 chain-not-encompassed"),
    ("authority of path length 0", |own| own.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)), "Passed A"),
    ("authority expired a second ago", |own| own.not_after = date(NOW - 1), "Failed 437 certificate-expired"),
    ("authority valid in a second", |own| own.not_before = date(NOW + 1), "Failed 437 certificate-not-yet-valid"),
    ("authority without the CA flag", |own| own.is_ca = IsCa::ExplicitNoCa, "Failed 437 chain-not-permitted"),
    ("authority without basic constraints", |own| own.is_ca = IsCa::NoCa, "Failed 437 chain-not-permitted"),
    ("authority with an unknown critical extension", |own| own.custom_extensions.push(critical(UNKNOWN, &[5, 0])), "Failed 437 critical-extension"),
    ("authority for other names", |own| own.name_constraints = Some(elsewhere()), "Passed A"),
];

/// Constraints that do not apply to the kinds of names in STI certificates.
fn elsewhere() -> NameConstraints {
    let subnet = GeneralSubtree::IpAddress(CidrSubnet::V4([192, 0, 2, 0], [255, 255, 255, 0]));
    NameConstraints { permitted_subtrees: vec![subnet], excluded_subtrees: Vec::new() }
}

/// Leaves and authorities with keys of other types.
fn keys(world: &World) -> Vec<Case> {
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let with_p384 = world.pki.bundle(&ordinary(), &p384);
    let with_rsa = world.pki.bundle(&ordinary(), &RsaKey::new());
    let above = |algorithm| {
        let (root, key) = (authority("SHAKEN ROOT"), KeyPair::generate_for(algorithm).unwrap());
        let pem = root.self_signed(&key).unwrap().pem();
        let leaf = ordinary().signed_by(&world.key, &Issuer::new(root, key)).unwrap().pem();
        (pem, leaf)
    };
    let (p384_root, below_p384) = above(&PKCS_ECDSA_P384_SHA384);
    let (ed25519_root, below_ed25519) = above(&PKCS_ED25519);
    vec![
        world.call("leaf with a P-384 key").served(&with_p384).expect("Failed 437 key-unsupported"),
        world.call("leaf with an RSA key").served(&with_rsa).expect("Failed 437 key-unsupported"),
        world.call("root with a P-384 key").anchors(&p384_root).served(&below_p384).expect("Passed A"),
        world
            .call("root with an Ed25519 key")
            .anchors(&ed25519_root)
            .served(&below_ed25519)
            .expect("Failed 437 chain-algorithm-unsupported"),
    ]
}

/// The content at the URL.
fn bundles(world: &World) -> Vec<Case> {
    let alone = world.bundle.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    let intermediate = world.pki.intermediate_pem.as_str();
    let crlf = world.bundle.replace('\n', "\r\n");
    let explained =
        format!("Here is our leaf:\n{alone}\nand the certificates above it:\n\n{intermediate}the end");
    let cut = world.bundle.get(..world.bundle.len() / 3).unwrap();
    let many = world.bundle.repeat(4);
    let forged = alone.to_owned() + &Pki::new().intermediate_pem;
    let another = Pki::with(authority("ANOTHER ROOT"), authority("ANOTHER Intermediate"));
    let version_1 = first_version(alone) + intermediate;
    #[rustfmt::skip]
    let table: &[(&str, &str, &str)] = &[
        ("bundle with the root", &(world.bundle.clone() + &world.pki.root_pem), "Passed A"),
        ("bundle with CRLF", &crlf, "Passed A"),
        ("bundle without its last line end", world.bundle.trim_end(), "Passed A"),
        ("bundle with text around its certificates", &explained, "Passed A"),
        ("bundle with an unrelated certificate", &(world.bundle.clone() + &another.intermediate_pem), "Passed A"),
        ("bundle without the intermediate", alone, "Failed 437 untrusted-issuer"),
        ("bundle with another intermediate", &(alone.to_owned() + &another.intermediate_pem), "Failed 437 untrusted-issuer"),
        ("bundle with a forged intermediate", &forged, "Failed 437 chain-signature-invalid"),
        ("bundle in the wrong order", &(intermediate.to_owned() + alone), "Failed 437 leaf-is-authority"),
        ("bundle of eight certificates", &many, "None 436 certificate-unparsable"),
        ("bundle that is empty", "", "None 436 certificate-unparsable"),
        ("bundle that is a web page", "<html>404</html>", "None 436 certificate-unparsable"),
        ("bundle that breaks off", cut, "None 436 certificate-unparsable"),
        ("bundle of a certificate of version 1", &version_1, "Failed 437 certificate-malformed"),
    ];
    let case = |(name, bundle, expected): &(&str, &str, &'static str)| {
        world.call(*name).served(bundle).expect(expected)
    };
    table.iter().map(case).collect()
}

/// Roots and longer paths.
fn paths(world: &World) -> Vec<Case> {
    let unknown = Pki::with(authority("ANOTHER ROOT"), authority("SHAKEN Intermediate"));
    let both = world.pki.root_pem.clone() + &unknown.root_pem;
    let below = |above: CertificateParams| {
        let pki = Pki::with(authority("SHAKEN ROOT"), above);
        let (params, key) = (authority("SHAKEN Subordinate"), KeyPair::generate().unwrap());
        let subordinate = params.signed_by(&key, &pki.intermediate).unwrap().pem();
        let leaf = ordinary().signed_by(&world.key, &Issuer::new(params, key)).unwrap().pem();
        (pki.root_pem, leaf + &subordinate + &pki.intermediate_pem)
    };
    let mut short = authority("SHAKEN Intermediate");
    short.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let (deep_root, deep) = below(authority("SHAKEN Intermediate"));
    let (short_root, too_deep) = below(short);
    vec![
        world.call("an unknown root").anchors(&unknown.root_pem).expect("Failed 437 untrusted-issuer"),
        world.call("one root of two").anchors(&both).expect("Passed A"),
        world.call("the intermediate as the anchor").anchors(&world.pki.intermediate_pem).expect("Passed A"),
        world.call("a path of three").anchors(&deep_root).served(&deep).expect("Passed A"),
        world
            .call("a path longer than its authority allows")
            .anchors(&short_root)
            .served(&too_deep)
            .expect("Failed 437 chain-not-permitted"),
        world
            .call("a chain that is not one at the time of the call")
            .at(NOW + 86_401)
            .expect("Failed 403 date-stale"),
    ]
}

/// Returns the same certificate with another version. Its signature is then wrong too, but the version is checked
/// first.
fn first_version(pem: &str) -> String {
    let mut parsed = pem::parse(pem).unwrap().into_contents();
    let version = parsed.windows(5).position(|octets| octets == [0xa0, 3, 2, 1, 2]).unwrap();
    parsed[version + 4] = 0;
    pem::encode(&pem::Pem::new("CERTIFICATE", parsed))
}

/// A public RSA key of 2048 bits without a private key.
struct RsaKey(Vec<u8>);

impl RsaKey {
    fn new() -> Self {
        let modulus = [&[2, 0x82, 1, 1, 0][..], &[0xc5; 256]].concat();
        Self([&[0x30, 0x82, 1, 10][..], &modulus, &[2, 3, 1, 0, 1]].concat())
    }
}

impl PublicKeyData for RsaKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

const POLICIES: &[u64] = &[2, 5, 29, 32];
/// One policy: 2.16.840.1.114569.1.1.1.
const POLICY: &[u8] = &[0x30, 14, 0x30, 12, 6, 10, 0x60, 0x86, 0x48, 1, 0x86, 0xff, 9, 1, 1, 1];
/// An OID of the arc for documentation (RFC 5612).
const UNKNOWN: &[u64] = &[1, 3, 6, 1, 4, 1, 32473, 1];
