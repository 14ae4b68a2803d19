//! Revocation lists: their entries, signers and ages, and lists that cannot be used.

use attesta_stir::cert::Certificate;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::case::{Case, World};
use super::lists::{ListIssuer, extension, indirect, issuer_of, read, subject_of};
use super::support::{NOW, Pki, authority};

/// The entries of a list. Each entry has the name of an issuer, a flag that is true if the entry contains this name, and the
/// certificate whose serial number is revoked.
type Entries<'a> = Vec<(&'a [u8], bool, &'a Certificate)>;

pub(super) fn cases() -> Vec<Case> {
    let (world, lists) = (World::new(), ListIssuer::new());
    let own = subject_of(&lists.signer);
    let (leaf, intermediate, root) =
        (read(&world.bundle), read(&world.pki.intermediate_pem), read(&world.pki.root_pem));
    let (above_leaf, above_all) = (issuer_of(&world.bundle), issuer_of(&world.pki.intermediate_pem));
    let signer = pem::encode(&pem::Pem::new("CERTIFICATE", lists.signer.to_vec()));
    let anchors = lists.root_pem.clone();
    // The list in PEM, followed by its signer's certificate.
    let bundled = |list: Vec<u8>| pem::encode(&pem::Pem::new("X509 CRL", list)) + &signer;
    let listed = |name: &str, list: String| {
        world.call(name).file("--crl", list).file("--crl-anchors", anchors.clone())
    };
    let revoked = "Failed 437 certificate-revoked";
    #[rustfmt::skip]
    let entries: [(&str, Entries<'_>, &'static str); 8] = [
        ("a list that revokes nothing", vec![], "Passed A"),
        ("a list that revokes the leaf", vec![(&above_leaf, true, &leaf)], revoked),
        ("a list that revokes the intermediate", vec![(&above_all, true, &intermediate)], revoked),
        (
            "an entry without an issuer uses the issuer of the entry before it",
            vec![(&above_leaf, true, &root), (&[], false, &leaf)],
            revoked,
        ),
        (
            "two entries after the one that names the issuer",
            vec![(&above_leaf, true, &root), (&[], false, &root), (&[], false, &leaf)],
            revoked,
        ),
        ("a first entry without an issuer uses the list's issuer", vec![(&[], false, &leaf)], "Passed A"),
        ("the serial number of the leaf under another issuer", vec![(&own, true, &leaf)], "Passed A"),
        (
            "an entry names another issuer before the serial number of the leaf",
            vec![(&above_leaf, true, &root), (&own, true, &root), (&[], false, &leaf)],
            "Passed A",
        ),
    ];
    let mut cases: Vec<_> = entries
        .iter()
        .map(|(name, entries, expected)| {
            listed(name, bundled(lists.list(entries, &[indirect()], &own))).expect(expected)
        })
        .collect();
    let empty = lists.list(&[], &[indirect()], &own);
    let full = lists.list(&[(&above_leaf[..], true, &leaf)], &[indirect()], &own);
    let not_indirect = lists.list(&[(&above_leaf[..], true, &leaf)], &[], &own);
    let late = |case: Case| case.at(NOW + 7200);
    let fresh = |name: &str, list: String| {
        let case = listed(name, list);
        case.lines(&[later(&world)])
    };
    let mut altered = full.clone();
    *altered.last_mut().unwrap() ^= 1;
    let unknown = ListIssuer::new();
    let delta = lists.list(&[], &[extension(27, true, &[2, 1, 1])], &own);
    let strange = lists.list(&[], &[extension(99, true, &[5, 0])], &own);
    cases.extend([
        listed("a direct list applies only to its own issuer", bundled(not_indirect)).expect("Passed A"),
        listed("two lists, of which the second revokes", bundled(empty.clone()))
            .file("--crl", bundled(full.clone()))
            .expect(revoked),
        world
            .call("a list in DER, with its signer as the trust anchor")
            .file("--crl", full.clone())
            .file("--crl-anchors", signer.clone())
            .expect(revoked),
        late(fresh("a stale list, soft", bundled(empty.clone()))).expect("Passed A"),
        late(fresh("a stale list still revokes", bundled(full.clone()))).expect(revoked),
        late(fresh("a stale list, hard", bundled(empty.clone())))
            .arg("--crl-stale=hard")
            .expect("Failed 437 revocation-unknown"),
        listed("a list that is not stale, hard", bundled(empty.clone()))
            .arg("--crl-stale=hard")
            .expect("Passed A"),
        world.call("no list, hard").arg("--crl-stale=hard").expect("Failed 437 revocation-unknown"),
        listed("a list with a wrong signature", bundled(altered))
            .expect("Refused the signature of the revocation list is wrong"),
        listed("a list without its signer", pem::encode(&pem::Pem::new("X509 CRL", full.clone())))
            .expect("Refused the signer of the revocation list has no path"),
        world
            .call("a list of an unknown authority")
            .file("--crl", bundled(full.clone()))
            .file("--crl-anchors", unknown.root_pem)
            .expect("Refused the signer of the revocation list has no path"),
        world
            .call("a list below the wrong root")
            .file("--crl", bundled(full))
            .expect("Refused the signer of the revocation list has no path"),
        listed("a delta list", bundled(delta)).expect("Refused a critical extension that is not understood"),
        listed("a list with an unknown critical extension", bundled(strange))
            .expect("Refused a critical extension that is not understood"),
        listed("a file that is not a list", "nothing".to_owned()).expect("Refused neither PEM nor DER"),
        listed("a list from the future", bundled(empty)).at(NOW - 7200).expect("Refused dated in the future"),
    ]);
    cases.extend(direct());
    cases
}

/// Returns the ordinary token, signed two hours later.
fn later(world: &World) -> String {
    let payload = super::forge::payload().replace(&NOW.to_string(), &(NOW + 7200).to_string());
    let token = super::forge::token(&world.key, &super::forge::header(), &payload);
    format!("Identity: {}", super::case::value(&token, "shaken"))
}

/// Lists that an authority issues for its own certificates, below the STI root.
fn direct() -> Vec<Case> {
    let mut world = World::new();
    let (intermediate_pem, root_pem) = (world.pki.intermediate_pem.clone(), world.pki.root_pem.clone());
    let leaf = read(&world.bundle);
    // The authority signs its lists with the same key as its certificates.
    let spare = Pki::with(authority("SHAKEN ROOT"), authority("SHAKEN Intermediate"));
    let signer = CertificateDer::from_pem_slice(intermediate_pem.as_bytes()).unwrap();
    let own = subject_of(&signer);
    let intermediate = std::mem::replace(&mut world.pki.intermediate, spare.intermediate);
    let lists =
        ListIssuer { anchors: world.pki.anchors(), root_pem: root_pem.clone(), issuer: intermediate, signer };
    let list = |entries: &[(&[u8], bool, &_)]| {
        pem::encode(&pem::Pem::new("X509 CRL", lists.list(entries, &[], &own))) + &intermediate_pem
    };
    let unsigned_below = list(&[(&[], false, &leaf)]);
    vec![
        world.call("a direct list that revokes nothing").file("--crl", list(&[])).expect("Passed A"),
        world
            .call("a direct list that revokes the leaf")
            .file("--crl", unsigned_below.clone())
            .expect("Failed 437 certificate-revoked"),
        world
            .call("a direct list, with its root given by --crl-anchors")
            .file("--crl", unsigned_below)
            .file("--crl-anchors", root_pem)
            .expect("Failed 437 certificate-revoked"),
    ]
}
