//! The additional claims of a type, compared with the request: `rph`, `msg`, `rcd`, and `mky` of any type.

use std::collections::BTreeSet;

use crate::digest::Algorithm;
use crate::json::{JsonError, Kind, Scanner};
use crate::passport::ppt::Ppt;
use crate::reason::Reason;
use crate::verify::facts::Facts;
use crate::verify::passport::Passport;

impl Passport<'_> {
    /// Checks all claims other than `attest`, `dest`, `iat`, `orig` and `origid`.
    pub(super) fn check_extensions(&self, ppt: Ppt, facts: &Facts<'_>) -> Result<(), Reason> {
        match ppt {
            Ppt::Div if self.claims.json("opt").is_some() => return Err(Reason::DivWithOpt),
            Ppt::Rph => self.check_priority(facts)?,
            Ppt::Msg => self.check_message(facts)?,
            Ppt::Rcd | Ppt::Base | Ppt::Shaken | Ppt::Div | Ppt::DivO => {}
        }
        self.check_rich_call_data(ppt)?;
        self.check_fingerprints(facts)
    }

    /// Checks `rph` and `sph`. `auth` must contain each value of Resource-Priority (RFC 8443 section 4.2). `sph` must equal the
    /// Priority, and is allowed only if `auth` has an `esnet` value (RFC 9027 section 4).
    fn check_priority(&self, facts: &Facts<'_>) -> Result<(), Reason> {
        let rph = self.claims.json("rph").ok_or(Reason::ExtensionInvalid)?;
        let allowed = strings_in(rph, "auth").ok_or(Reason::ExtensionInvalid)?;
        // The sender chooses the length of both lists, so the search uses an ordered set.
        let allowed: BTreeSet<String> = allowed.iter().map(|own| own.to_ascii_lowercase()).collect();
        if facts.resource_priority.iter().any(|value| !allowed.contains(&value.to_ascii_lowercase())) {
            return Err(Reason::PriorityMismatch);
        }
        match self.claims.value("sph") {
            None => Ok(()),
            Some(sph)
                if sph == "psap-callback"
                    && facts.priority.is_some_and(|priority| priority.eq_ignore_ascii_case(&sph))
                    && allowed.iter().any(|own| own.starts_with("esnet.")) =>
            {
                Ok(())
            }
            Some(_) => Err(Reason::PriorityMismatch),
        }
    }

    /// Checks `msgi` (RFC 9475 section 3.2).
    fn check_message(&self, facts: &Facts<'_>) -> Result<(), Reason> {
        let (Some(msgi), Some(body)) = (self.claims.value("msgi"), facts.body) else { return Ok(()) };
        if is_digest(&msgi, body) { Ok(()) } else { Err(Reason::MsgiMismatch) }
    }

    /// Checks `rcd` and `rcdi` (RFC 9795 sections 5 and 6). `rcd` must have a `nam` and at most one of `jcd` and `jcl`, and
    /// `rcdi` requires `rcd`. Digests of values inside the token are checked here. A caller that fetches linked resources must
    /// check their digests.
    fn check_rich_call_data(&self, ppt: Ppt) -> Result<(), Reason> {
        let Some(rcd) = self.claims.json("rcd") else {
            let wanted = ppt == Ppt::Rcd || self.claims.json("rcdi").is_some();
            return if wanted { Err(Reason::ExtensionInvalid) } else { Ok(()) };
        };
        let named = string_in(rcd, "nam").is_some();
        if !named || (member(rcd, "jcd").is_some() && member(rcd, "jcl").is_some()) {
            return Err(Reason::ExtensionInvalid);
        }
        let Some(rcdi) = self.claims.json("rcdi") else { return Ok(()) };
        for (pointer, digest) in strings_of(rcdi).ok_or(Reason::ExtensionInvalid)? {
            let inside = match pointer.as_str() {
                "/nam" => member(rcd, "nam"),
                "/jcd" => member(rcd, "jcd"),
                _ => continue,
            };
            // The digest requires canonical text. The received text is canonical if the signer follows RFC 8225 section 9.
            if !inside.is_some_and(|value| is_digest(&digest, value.as_bytes())) {
                return Err(Reason::RcdiMismatch);
            }
        }
        Ok(())
    }

    /// Checks `mky`: the fingerprints must be the same, in any order and spelling (RFC 8225 section 5.2.2).
    fn check_fingerprints(&self, facts: &Facts<'_>) -> Result<(), Reason> {
        let (Some(mky), Some(expected)) = (self.claims.json("mky"), facts.fingerprints) else {
            return Ok(());
        };
        let listed = fingerprints(mky).ok_or(Reason::ExtensionInvalid)?;
        let key = |alg: &str, digest: &str| (alg.to_ascii_lowercase(), digits(digest).collect::<Vec<u8>>());
        let listed: BTreeSet<_> = listed.iter().map(|(alg, digest)| key(alg, digest)).collect();
        let expected: BTreeSet<_> = expected.iter().map(|own| key(own.alg, own.digest)).collect();
        if listed == expected { Ok(()) } else { Err(Reason::MkyMismatch) }
    }
}

/// Whether `claim` is the digest of `octets`: `sha256-`, `sha384-` or `sha512-`, followed by base64 (RFC 9795
/// section 6.1).
fn is_digest(claim: &str, octets: &[u8]) -> bool {
    let Some((algorithm, digest)) = claim.split_once('-') else { return false };
    let algorithm = match algorithm {
        "sha256" => Algorithm::Sha256,
        "sha384" => Algorithm::Sha384,
        "sha512" => Algorithm::Sha512,
        _ => return false,
    };
    let mut decoded = crate::base64url::DecodeBuffer::new();
    crate::base64url::decode_standard(digest.as_bytes(), &mut decoded).is_ok()
        && decoded.as_slice() == algorithm.digest(octets).as_ref()
}

/// The hexadecimal digits of a fingerprint.
fn digits(digest: &str) -> impl Iterator<Item = u8> {
    digest.bytes().filter(|octet| *octet != b':').map(|octet| octet.to_ascii_uppercase())
}

/// The JSON of the member `wanted` of an object.
fn member<'a>(object: &'a str, wanted: &str) -> Option<&'a str> {
    let mut found = None;
    let mut scanner = Scanner::new(object.as_bytes()).ok()?;
    scanner
        .object(|name, value| {
            let value = value.value()?;
            if name.decoded() == wanted {
                found = Some(value);
            }
            Ok(())
        })
        .ok()?;
    found
}

fn string(json: &str) -> Option<String> {
    let mut scanner = Scanner::new(json.as_bytes()).ok()?;
    (scanner.kind() == Ok(Kind::String))
        .then(|| scanner.string().ok())?
        .map(|text| text.decoded().into_owned())
}

fn string_in(object: &str, name: &str) -> Option<String> {
    string(member(object, name)?)
}

/// The strings of the array `name` of an object. `None` if the member is not an array of strings.
fn strings_in(object: &str, name: &str) -> Option<Vec<String>> {
    let mut strings = Vec::new();
    Scanner::new(member(object, name)?.as_bytes())
        .and_then(|mut scanner| {
            scanner.array(|item| {
                strings.push(item.string()?.decoded().into_owned());
                Ok(())
            })
        })
        .ok()?;
    Some(strings)
}

/// The members of an object whose values are all strings. `None` if a value is not a string.
fn strings_of(object: &str) -> Option<Vec<(String, String)>> {
    let mut strings = Vec::new();
    Scanner::new(object.as_bytes())
        .and_then(|mut scanner| {
            scanner.object(|name, value| {
                strings.push((name.decoded().into_owned(), value.string()?.decoded().into_owned()));
                Ok(())
            })
        })
        .ok()?;
    Some(strings)
}

/// The entries of `mky`: algorithm and digest.
fn fingerprints(mky: &str) -> Option<Vec<(String, String)>> {
    let mut entries = Vec::new();
    Scanner::new(mky.as_bytes())
        .and_then(|mut scanner| {
            scanner.array(|item| {
                let entry = item.value()?;
                let pair = string_in(entry, "alg").zip(string_in(entry, "dig"));
                entries.push(pair.ok_or(JsonError::Malformed)?);
                Ok(())
            })
        })
        .ok()?;
    Some(entries)
}
