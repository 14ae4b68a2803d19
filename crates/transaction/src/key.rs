//! The keys that match a message to its transaction: RFC 3261 sections 17.1.3, 17.2.3, 9.2 and 8.2.2.2.

use std::fmt;
use std::hash::{Hash, Hasher};

use attesta_sip::{Host, Method, Name, Via};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::id_generator::{IdGenerator, Tag, WorkerPlace};
use crate::match_fields::MatchFields;

/// A keyed 128-bit digest of the fields that identify a transaction.
///
/// The digest replaces the octets of these fields. A peer without the secret cannot find two transactions with the same digest.
/// A random collision needs about 2^64 live transactions. A key always costs 16 octets, regardless of the fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key(u128);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 as u64);
    }
}

/// The secret of the digests.
#[derive(Clone)]
pub(crate) struct Keyring(SipHasher13);

impl Keyring {
    pub(crate) fn new(ids: &mut IdGenerator) -> Self {
        Self(SipHasher13::new_with_keys(ids.number(), ids.number()))
    }

    /// The key of a client transaction: branch and method (RFC 3261 section 17.1.3).
    pub(crate) fn client(&self, branch: &[u8], method: &Method) -> Key {
        self.digest(Use::Client).part(branch).method(method).key()
    }

    /// The key of the server transaction of a request with these fields and this `method` (RFC 3261 section 17.2.3). To find
    /// the INVITE of an ACK or of a CANCEL, `method` is INVITE.
    ///
    /// If the branch is a branch of RFC 3261, the key consists of branch, sent-by and method. Otherwise the key consists of the
    /// fields of RFC 2543, without the To tag, because an ACK has the To tag of the response. A client that reuses From tag,
    /// Call-ID, CSeq number and Via sends the same request.
    pub(crate) fn server(&self, fields: &MatchFields<'_>, uri: &[u8], method: &Method) -> Key {
        match fields.branch() {
            Some(branch) => self.digest(Use::Server).part(branch).sent_by(&fields.via).method(method).key(),
            None => self
                .digest(Use::OldServer)
                .part(uri)
                .request(fields)
                .part(fields.via_text)
                .method(method)
                .key(),
        }
    }

    /// The key that finds the same request on another path (RFC 3261 section 8.2.2.2). `None` within a dialog, because its
    /// requests do not fork.
    pub(crate) fn merged(&self, fields: &MatchFields<'_>, method: &Method) -> Option<Key> {
        fields.tag(Name::To).is_none().then(|| self.digest(Use::Merged).request(fields).method(method).key())
    }

    /// The To tag of a stateless response to a request with this top Via. Each retransmission of the request has the same tag,
    /// and the ACK of an INVITE too (RFC 3261 section 8.2.7).
    pub(crate) fn tag(&self, via: &Via<'_>, place: WorkerPlace) -> Tag {
        let Key(digest) = self.digest(Use::Tag).part(via.branch().unwrap_or_default()).sent_by(via).key();
        Tag::of(place, digest as u64)
    }

    /// Like [`tag`](Self::tag), for a request whose top Via cannot be parsed: the tag depends on the text of the Via.
    pub(crate) fn tag_of_text(&self, via: &[u8], place: WorkerPlace) -> Tag {
        let Key(digest) = self.digest(Use::Tag).part(via).key();
        Tag::of(place, digest as u64)
    }

    fn digest(&self, used: Use) -> Digest {
        let mut hasher = self.0;
        hasher.write_u8(used as u8);
        Digest(hasher)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(..)")
    }
}

/// The purpose of a digest. The same parts give different keys for different purposes.
#[derive(Clone, Copy)]
enum Use {
    Client,
    Server,
    OldServer,
    Merged,
    Tag,
}

/// An unfinished digest. Each part includes its length, so that different lists of parts cannot give the same input.
struct Digest(SipHasher13);

impl Digest {
    fn part(mut self, part: &[u8]) -> Self {
        self.0.write_usize(part.len());
        self.0.write(part);
        self
    }

    fn method(self, method: &Method) -> Self {
        self.part(method.as_str().as_bytes())
    }

    /// The From tag, Call-ID and CSeq number. They are the same for a request on every path.
    fn request(self, fields: &MatchFields<'_>) -> Self {
        self.part(fields.tag(Name::From).unwrap_or_default())
            .part(fields.call_id)
            .part(&fields.cseq.number().to_be_bytes())
    }

    /// Host and port of a Via. Names ignore case; addresses compare by value.
    fn sent_by(self, via: &Via<'_>) -> Self {
        let host = match via.host() {
            Host::V4(address) => self.part(&address.octets()),
            Host::V6(address) => self.part(&address.octets()),
            Host::Name(name) => {
                let Self(mut hasher) = self;
                hasher.write_usize(name.len());
                name.bytes().for_each(|octet| hasher.write_u8(octet.to_ascii_lowercase()));
                Self(hasher)
            }
        };
        host.part(&via.port().unwrap_or_default().to_be_bytes())
    }

    fn key(self) -> Key {
        Key(self.0.finish128().as_u128())
    }
}

#[cfg(test)]
mod tests {
    use attesta_sip::Headers;

    use super::*;
    use crate::id_generator::Seed;

    fn keyring() -> Keyring {
        Keyring::new(&mut IdGenerator::new(WorkerPlace::default(), &Seed::new([0; 32])))
    }

    fn headers(via: &str, to: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push(Name::Via, via);
        headers.push(Name::From, "<sip:a@192.0.2.1>;tag=a");
        headers.push(Name::To, to);
        headers.push(Name::CallId, "key");
        headers.push(Name::CSeq, "1 INVITE");
        headers
    }

    fn server(via: &str, uri: &str, method: &Method) -> Key {
        keyring().server(
            &MatchFields::of(&headers(via, "<sip:b@192.0.2.2>")).unwrap(),
            uri.as_bytes(),
            method,
        )
    }

    #[test]
    fn branch_sent_by_and_method_are_the_server_key() {
        let key = server("SIP/2.0/UDP Pc.example:5070;branch=z9hG4bK1", "sip:b", &Method::Invite);
        let same =
            server("SIP/2.0/TCP pC.EXAMPLE:5070;x;branch=z9hG4bK1;rport", "sip:other", &Method::Invite);
        assert_eq!(key, same);
        for (via, method) in [
            ("SIP/2.0/UDP Pc.example:5070;branch=z9hG4bK2", Method::Invite),
            ("SIP/2.0/UDP Pc.example:5071;branch=z9hG4bK1", Method::Invite),
            ("SIP/2.0/UDP Pc.example;branch=z9hG4bK1", Method::Invite),
            ("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1", Method::Invite),
            ("SIP/2.0/UDP Pc.example:5070;branch=z9hG4bK1", Method::Cancel),
        ] {
            assert_ne!(server(via, "sip:b", &method), key, "{via} {method}");
        }
    }

    #[test]
    fn an_rfc_2543_branch_is_ignored_and_the_request_uri_counts() {
        let old = "SIP/2.0/UDP 192.0.2.1;branch=1";
        assert_eq!(server(old, "sip:b", &Method::Invite), server(old, "sip:b", &Method::Invite));
        assert_ne!(server(old, "sip:b", &Method::Invite), server(old, "sip:c", &Method::Invite));
    }

    #[test]
    fn only_a_request_outside_a_dialog_can_be_merged() {
        let key = |via, to| keyring().merged(&MatchFields::of(&headers(via, to)).unwrap(), &Method::Invite);
        let (one, other) = ("SIP/2.0/UDP a;branch=z9hG4bK1", "SIP/2.0/UDP b;branch=z9hG4bK2");
        assert_eq!(key(one, "<sip:b>"), key(other, "<sip:b>"));
        assert!(key(one, "<sip:b>").is_some());
        assert_eq!(key(one, "<sip:b>;tag=b"), None);
    }
}
