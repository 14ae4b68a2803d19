//! Certificates with numbers (RFC 9060), and claim constraints (RFC 8226 section 8, RFC 9118).

use rcgen::{CustomExtension, Issuer, KeyPair};

use super::case::{Case, World, value};
use super::forge;
use super::support::{TN_AUTH_LIST, authority, leaf, spc};

pub(super) fn cases() -> Vec<Case> {
    let world = World::new();
    let mut cases: Vec<_> = NUMBERS
        .iter()
        .map(|(name, list, expected)| {
            let bundle = world.pki.bundle(&leaf("Delegate", &der(list)), &world.key);
            world.bearing(*name, &base(&world)).served(&bundle).expect(expected)
        })
        .collect();
    cases.extend(CHAINS.iter().map(|(name, above, below, expected)| {
        let mut params = authority("SHAKEN Delegation");
        params.custom_extensions = vec![CustomExtension::from_oid_content(TN_AUTH_LIST, der(above))];
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &world.pki.intermediate).unwrap().pem();
        let own =
            leaf("Delegate", &der(below)).signed_by(&world.key, &Issuer::new(params, key)).unwrap().pem();
        let bundle = own + &pem + &world.pki.intermediate_pem;
        world.bearing(*name, &base(&world)).served(&bundle).expect(expected)
    }));
    cases.extend(CONSTRAINTS.iter().map(|(name, extension, content, expected)| {
        let mut params = leaf("SHAKEN 1234", &spc("1234"));
        let oid = [1, 3, 6, 1, 5, 5, 7, 1, *extension];
        params.custom_extensions.push(CustomExtension::from_oid_content(&oid, constraints(content)));
        world.call(*name).served(&world.pki.bundle(&params, &world.key)).expect(expected)
    }));
    let numbers = leaf("Delegate", &der("12155551212"));
    cases.push(
        world
            .call("a delegate that signs shaken, which the profile has not")
            .served(&world.pki.bundle(&numbers, &world.key))
            .expect("Failed 437 provider-missing"),
    );
    let mut both = leaf("SHAKEN 1234", &spc("1234"));
    for oid in [JWT_CLAIM_CONSTRAINTS, ENHANCED] {
        let content = constraints("0:attest");
        both.custom_extensions
            .push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, oid], content));
    }
    cases.push(
        world
            .call("both kinds of constraints")
            .served(&world.pki.bundle(&both, &world.key))
            .expect("Failed 437 constraints-malformed"),
    );
    cases
}

/// Returns a PASSporT without a type, as delegates sign it.
fn base(world: &World) -> String {
    let header = forge::header().replace(r#""ppt":"shaken","#, "");
    let payload = r#"{"dest":{"tn":["12155551213"]},"iat":1800000000,"orig":{"tn":"12155551212"}}"#;
    value(&forge::token(&world.key, &header, payload), "").replace(";ppt=", "")
}

/// The leaf's TNAuthList, and the result of a call from 12155551212.
#[rustfmt::skip]
const NUMBERS: &[(&str, &str, &str)] = &[
    ("delegate of the number", "12155551212", "Passed"),
    ("delegate of another number", "12155551211", "Failed 437 number-not-covered"),
    ("delegate of a range with the number", "12155551200+100", "Passed"),
    ("delegate of a range that begins with it", "12155551212+2", "Passed"),
    ("delegate of a range that ends with it", "12155551200+13", "Passed"),
    ("delegate of a range that ends before it", "12155551200+12", "Failed 437 number-not-covered"),
    ("delegate of a range above the number", "12155551213+100", "Failed 437 number-not-covered"),
    ("delegate of a shorter number", "1215555121", "Failed 437 number-not-covered"),
    ("delegate of two ranges", "12155550000+100 12155551200+100", "Passed"),
    ("delegate of a code and another number", "SPC:1234 12155559999", "Passed"),
];

/// The TNAuthLists of the authority and of the leaf below it.
#[rustfmt::skip]
const CHAINS: &[(&str, &str, &str, &str)] = &[
    ("a delegate within its authority", "12155551000+1000", "12155551212", "Passed"),
    ("a delegate of all that its authority has", "12155551000+1000", "12155551000+1000", "Passed"),
    ("a delegate across two ranges of its authority", "12155551000+200 12155551200+100", "12155551190+30", "Passed"),
    ("a delegate beyond its authority", "12155551000+1000", "12155551000+1001", "Failed 437 chain-not-encompassed"),
    ("a delegate of other numbers than its authority", "12155559000+1000", "12155551212", "Failed 437 chain-not-encompassed"),
    ("a delegate of a provider", "SPC:1234", "12155551212", "Passed"),
    ("a delegate with a code that its authority has not", "12155551000+1000", "SPC:1234", "Failed 437 chain-not-encompassed"),
];

/// The extension, its content, and the result of a call with attestation A.
#[rustfmt::skip]
const CONSTRAINTS: &[(&str, u64, &str, &str)] = &[
    ("a claim that must be there and is", JWT_CLAIM_CONSTRAINTS, "0:attest", "Passed A"),
    ("a claim that must be there and is not", JWT_CLAIM_CONSTRAINTS, "0:confidence", "Failed 438 constraints-violated"),
    ("a permitted value", JWT_CLAIM_CONSTRAINTS, "1:attest=A,B", "Passed A"),
    ("a value that is not permitted", JWT_CLAIM_CONSTRAINTS, "1:attest=B,C", "Failed 438 constraints-violated"),
    ("a permitted value of a claim that is not there", JWT_CLAIM_CONSTRAINTS, "1:confidence=high", "Passed A"),
    ("a permitted object", JWT_CLAIM_CONSTRAINTS, "1:orig={\"tn\":\"12155551212\"}", "Passed A"),
    ("a caller that is not permitted", JWT_CLAIM_CONSTRAINTS, "1:orig={\"tn\":\"12155551219\"}", "Failed 438 constraints-violated"),
    ("an excluded claim in the older extension", JWT_CLAIM_CONSTRAINTS, "2:rcd", "Failed 437 constraints-malformed"),
    ("constraints that constrain nothing", JWT_CLAIM_CONSTRAINTS, "", "Failed 437 constraints-malformed"),
    ("enhanced: a claim that must not be there and is not", ENHANCED, "2:rcd", "Passed A"),
    ("enhanced: a claim that must not be there and is", ENHANCED, "2:attest", "Failed 438 constraints-violated"),
    ("enhanced: a claim that must be there and is not", ENHANCED, "0:confidence", "Failed 438 constraints-violated"),
    ("enhanced: void, since it excludes iat", ENHANCED, "2:iat", "Passed A"),
];

const JWT_CLAIM_CONSTRAINTS: u64 = 27;
const ENHANCED: u64 = 33;

/// Returns the DER of a TNAuthList for a text: codes, numbers and ranges, separated by spaces.
fn der(list: &str) -> Vec<u8> {
    let entries = list.split(' ').flat_map(|entry| {
        if let Some(code) = entry.strip_prefix("SPC:") {
            return wrap(0xa0, &wrap(0x16, code.as_bytes()));
        }
        match entry.split_once('+') {
            None => wrap(0xa2, &wrap(0x16, entry.as_bytes())),
            Some((start, count)) => {
                let count: u16 = count.parse().unwrap();
                let number = [&[2, 3, 0][..], &count.to_be_bytes()].concat();
                let number = if count < 0x80 {
                    vec![2, 1, count as u8]
                } else if count < 0x8000 {
                    wrap(2, &shortest(count))
                } else {
                    number
                };
                wrap(0xa1, &wrap(0x30, &[wrap(0x16, start.as_bytes()), number].concat()))
            }
        }
    });
    wrap(0x30, &entries.collect::<Vec<_>>())
}

/// Returns the DER content of a positive integer of more than seven bits, in the fewest octets.
fn shortest(count: u16) -> Vec<u8> {
    let [high, low] = count.to_be_bytes();
    if high == 0 { vec![0, low] } else { vec![high, low] }
}

/// Returns claim constraints for a text such as `0:attest` or `1:attest=A,B`: the tag of the list, the claim and its
/// values.
fn constraints(text: &str) -> Vec<u8> {
    let Some((tag, claim)) = text.split_once(':') else { return wrap(0x30, &[]) };
    let (name, values) = claim.split_once('=').unwrap_or((claim, ""));
    let name = wrap(0x16, name.as_bytes());
    let item = if values.is_empty() {
        name
    } else {
        let separator = if values.starts_with('{') { '\0' } else { ',' };
        let values: Vec<u8> =
            values.split(separator).flat_map(|value| wrap(0x0c, value.as_bytes())).collect();
        wrap(0x30, &[name, wrap(0x30, &values)].concat())
    };
    wrap(0x30, &wrap(0xa0 + tag.parse::<u8>().unwrap(), &wrap(0x30, &item)))
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let mut der = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    der.extend(content);
    der
}
