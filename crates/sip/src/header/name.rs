use std::fmt;

/// One row per known header: variant, name, compact form if any, how values occur, source. `list`:
/// several values, separated by commas or on several lines. `lines`: several lines, never combined.
/// `single`: one value.
macro_rules! names {
    ($($variant:ident $name:literal $($compact:literal)? $shape:ident $source:literal;)*) => {
        /// A header name that this crate knows (RFC 3261 section 20 and its extensions).
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Name {
            $(
                #[doc = concat!("`", $name, "`: ", $source, ".")]
                $variant,
            )*
        }

        impl Name {
            /// Every known header.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in its usual case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The one-letter form, if there is one (RFC 3261 section 7.3.3).
            pub const fn compact(self) -> Option<char> {
                match self { $(Self::$variant => names!(@compact $($compact)?)),* }
            }

            /// How many values the header may have, and how they are separated.
            pub const fn shape(self) -> Shape {
                match self { $(Self::$variant => names!(@shape $shape)),* }
            }
        }
    };
    (@compact) => { None };
    (@compact $letter:literal) => { Some($letter) };
    (@shape list) => { Shape::List };
    (@shape lines) => { Shape::Lines };
    (@shape single) => { Shape::Single };
}

/// How many values a header may have, and how they are separated (RFC 3261 section 7.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shape {
    /// One value in the whole message.
    Single,
    /// Several values, on several lines or separated by commas.
    List,
    /// Several lines, each with one value. A comma does not separate values.
    Lines,
}

names! {
    Accept "Accept" list "RFC 3261 section 20.1";
    AcceptContact "Accept-Contact" 'a' list "RFC 3841 section 9.2";
    AcceptEncoding "Accept-Encoding" list "RFC 3261 section 20.2";
    AcceptLanguage "Accept-Language" list "RFC 3261 section 20.3";
    AlertInfo "Alert-Info" list "RFC 3261 section 20.4";
    Allow "Allow" list "RFC 3261 section 20.5";
    AllowEvents "Allow-Events" 'u' list "RFC 6665 section 8.2.2";
    AuthenticationInfo "Authentication-Info" lines "RFC 3261 section 20.6";
    Authorization "Authorization" lines "RFC 3261 section 20.7";
    CallId "Call-ID" 'i' single "RFC 3261 section 20.8";
    CallInfo "Call-Info" list "RFC 3261 section 20.9";
    Contact "Contact" 'm' list "RFC 3261 section 20.10";
    ContentDisposition "Content-Disposition" single "RFC 3261 section 20.11";
    ContentEncoding "Content-Encoding" 'e' list "RFC 3261 section 20.12";
    ContentLanguage "Content-Language" list "RFC 3261 section 20.13";
    ContentLength "Content-Length" 'l' single "RFC 3261 section 20.14";
    ContentType "Content-Type" 'c' single "RFC 3261 section 20.15";
    CSeq "CSeq" single "RFC 3261 section 20.16";
    Date "Date" single "RFC 3261 section 20.17";
    Diversion "Diversion" list "RFC 5806 section 5";
    ErrorInfo "Error-Info" list "RFC 3261 section 20.18";
    Event "Event" 'o' single "RFC 6665 section 8.2.1";
    Expires "Expires" single "RFC 3261 section 20.19";
    FeatureCaps "Feature-Caps" list "RFC 6809 section 6.1";
    From "From" 'f' single "RFC 3261 section 20.20";
    Geolocation "Geolocation" list "RFC 6442 section 4.1";
    GeolocationError "Geolocation-Error" single "RFC 6442 section 4.3";
    GeolocationRouting "Geolocation-Routing" single "RFC 6442 section 4.2";
    HistoryInfo "History-Info" list "RFC 7044 section 5";
    Identity "Identity" 'y' list "RFC 8224 section 4";
    InReplyTo "In-Reply-To" list "RFC 3261 section 20.21";
    InfoPackage "Info-Package" single "RFC 6086 section 7.2";
    Join "Join" single "RFC 3911 section 7.1";
    MaxBreadth "Max-Breadth" single "RFC 5393 section 5.3";
    MaxForwards "Max-Forwards" single "RFC 3261 section 20.22";
    MimeVersion "MIME-Version" single "RFC 3261 section 20.24";
    MinExpires "Min-Expires" single "RFC 3261 section 20.23";
    MinSe "Min-SE" single "RFC 4028 section 5";
    Organization "Organization" single "RFC 3261 section 20.25";
    PAccessNetworkInfo "P-Access-Network-Info" list "RFC 7315 section 4.4";
    PAssertedIdentity "P-Asserted-Identity" list "RFC 3325 section 9.1";
    PAssociatedUri "P-Associated-URI" list "RFC 7315 section 4.1";
    PCalledPartyId "P-Called-Party-ID" single "RFC 7315 section 4.2";
    PChargingVector "P-Charging-Vector" single "RFC 7315 section 4.6";
    PEarlyMedia "P-Early-Media" list "RFC 5009 section 8";
    PPreferredIdentity "P-Preferred-Identity" list "RFC 3325 section 9.2";
    Path "Path" list "RFC 3327 section 4";
    Priority "Priority" single "RFC 3261 section 20.26";
    Privacy "Privacy" list "RFC 3323 section 4.2";
    ProxyAuthenticate "Proxy-Authenticate" lines "RFC 3261 section 20.27";
    ProxyAuthorization "Proxy-Authorization" lines "RFC 3261 section 20.28";
    ProxyRequire "Proxy-Require" list "RFC 3261 section 20.29";
    RAck "RAck" single "RFC 3262 section 7.2";
    Reason "Reason" list "RFC 3326 section 2";
    RecordRoute "Record-Route" list "RFC 3261 section 20.30";
    RecvInfo "Recv-Info" list "RFC 6086 section 7.3";
    ReferSub "Refer-Sub" single "RFC 4488 section 4";
    ReferTo "Refer-To" 'r' single "RFC 3515 section 2.1";
    ReferredBy "Referred-By" 'b' single "RFC 3892 section 3";
    RejectContact "Reject-Contact" 'j' list "RFC 3841 section 9.2";
    Replaces "Replaces" single "RFC 3891 section 6.1";
    ReplyTo "Reply-To" single "RFC 3261 section 20.31";
    RequestDisposition "Request-Disposition" 'd' list "RFC 3841 section 9.1";
    Require "Require" list "RFC 3261 section 20.32";
    ResourcePriority "Resource-Priority" list "RFC 4412 section 3.1";
    RetryAfter "Retry-After" single "RFC 3261 section 20.33";
    Route "Route" list "RFC 3261 section 20.34";
    RSeq "RSeq" single "RFC 3262 section 7.1";
    Server "Server" single "RFC 3261 section 20.35";
    ServiceRoute "Service-Route" list "RFC 3608 section 5";
    SessionExpires "Session-Expires" 'x' single "RFC 4028 section 4";
    SessionId "Session-ID" single "RFC 7989 section 5";
    SipEtag "SIP-ETag" single "RFC 3903 section 11.3.1";
    SipIfMatch "SIP-If-Match" single "RFC 3903 section 11.3.2";
    Subject "Subject" 's' single "RFC 3261 section 20.36";
    SubscriptionState "Subscription-State" single "RFC 6665 section 8.2.3";
    Supported "Supported" 'k' list "RFC 3261 section 20.37";
    TargetDialog "Target-Dialog" single "RFC 4538 section 7";
    Timestamp "Timestamp" single "RFC 3261 section 20.38";
    To "To" 't' single "RFC 3261 section 20.39";
    Unsupported "Unsupported" list "RFC 3261 section 20.40";
    UserAgent "User-Agent" single "RFC 3261 section 20.41";
    UserToUser "User-to-User" list "RFC 7433 section 4.1";
    Via "Via" 'v' list "RFC 3261 section 20.42";
    Warning "Warning" list "RFC 3261 section 20.43";
    WwwAuthenticate "WWW-Authenticate" lines "RFC 3261 section 20.44";
}

impl Name {
    /// Finds a header by its name or compact form, ignoring case; `None` for unknown names.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let mut text = [b':'; WINDOW];
        if name.len() > LONGEST || name.contains(&b':') {
            return None;
        }
        text.iter_mut().zip(name).for_each(|(slot, octet)| *slot = *octet);
        Self::before_colon(&text).map(|(name, _)| name)
    }

    /// The known header name at the start of a line and its length in octets; `None` if no known
    /// name comes directly before the first colon.
    #[inline]
    pub(crate) fn before_colon(start: &[u8; WINDOW]) -> Option<(Self, usize)> {
        let key = Key::before_colon(start)?;
        if key.length == 1 {
            let letter = start.first().filter(|octet| octet.is_ascii_alphabetic())?;
            return TABLE.compact.get(usize::from(letter & 0x1f)).copied().flatten().map(|name| (name, 1));
        }
        let mut next = TABLE.heads.get(key.bucket()).copied().flatten();
        while let Some(candidate) = next {
            if TABLE.keys.get(candidate as usize) == Some(&key) {
                return Some((candidate, key.length));
            }
            next = TABLE.chain.get(candidate as usize).copied().flatten();
        }
        None
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Length in octets of the longest name that the table can find.
const LONGEST: usize = WINDOW - 1;

/// Octets at the start of a line in which the lookup expects a name and its colon.
pub(crate) const WINDOW: usize = 24;

/// A name in lower case, eight octets per word, padded with zeros.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    words: [u64; 3],
    length: usize,
}

impl Key {
    const EMPTY: Self = Self { words: [0; 3], length: 0 };

    /// The octets before the first colon.
    #[inline]
    const fn before_colon(start: &[u8; WINDOW]) -> Option<Self> {
        let Some((one, rest)) = start.split_first_chunk::<8>() else { return None };
        let Some((two, rest)) = rest.split_first_chunk::<8>() else { return None };
        let Some(three) = rest.first_chunk::<8>() else { return None };
        let (one, end) = word(one);
        if let Some(length) = end {
            return Some(Self { words: [one, 0, 0], length });
        }
        let (two, end) = word(two);
        if let Some(length) = end {
            return Some(Self { words: [one, two, 0], length: length + 8 });
        }
        let (three, end) = word(three);
        match end {
            Some(length) => Some(Self { words: [one, two, three], length: length + 16 }),
            None => None,
        }
    }

    #[inline]
    const fn bucket(&self) -> usize {
        let [one, two, three] = self.words;
        let mixed = one ^ two.rotate_left(23) ^ three.rotate_left(41) ^ self.length as u64;
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55) as usize
    }
}

/// Eight octets in lower case, up to a colon, and the position of the colon.
#[inline]
const fn word(octets: &[u8; 8]) -> (u64, Option<usize>) {
    let word = u64::from_le_bytes(*octets);
    // Letters have bit 6 set, and bit 5 makes them lower case. Other octets with bit 6 do not
    // become letters.
    let lower = word | (word & 0x4040_4040_4040_4040) >> 1;
    // The lowest bit that is set in `colons` is the highest bit of the first octet that is a colon.
    let other = word ^ 0x3a3a_3a3a_3a3a_3a3a;
    let colons = other.wrapping_sub(0x0101_0101_0101_0101) & !other & 0x8080_8080_8080_8080;
    if colons == 0 {
        return (lower, None);
    }
    let before = (colons & colons.wrapping_neg()) >> 7;
    (lower & (before - 1), Some(colons.trailing_zeros() as usize / 8))
}

/// A hash table of names by their key. Names in the same bucket form a chain.
struct Table {
    heads: [Option<Name>; 512],
    chain: [Option<Name>; Name::ALL.len()],
    keys: [Key; Name::ALL.len()],
    compact: [Option<Name>; 32],
}

static TABLE: Table = table();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, within the arrays")]
const fn table() -> Table {
    let mut table = Table {
        heads: [None; 512],
        chain: [None; Name::ALL.len()],
        keys: [Key::EMPTY; Name::ALL.len()],
        compact: [None; 32],
    };
    let mut at = Name::ALL.len();
    while at > 0 {
        at -= 1;
        let name = Name::ALL[at];
        let text = name.as_str().as_bytes();
        let mut octets = [b':'; WINDOW];
        let mut octet = 0;
        while octet < text.len() {
            octets[octet] = text[octet];
            octet += 1;
        }
        if let Some(key) = Key::before_colon(&octets) {
            table.keys[at] = key;
            table.chain[at] = table.heads[key.bucket()];
            table.heads[key.bucket()] = Some(name);
        }
        if let Some(letter) = name.compact() {
            table.compact[(letter as usize) & 0x1f] = Some(name);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_form() {
        for &name in Name::ALL {
            assert_eq!(Name::parse(name.as_str().as_bytes()), Some(name));
            assert_eq!(Name::parse(name.as_str().to_uppercase().as_bytes()), Some(name));
            assert_eq!(Name::parse(name.as_str().to_lowercase().as_bytes()), Some(name));
            if let Some(letter) = name.compact() {
                assert_eq!(Name::parse(&[letter as u8]), Some(name));
                assert_eq!(Name::parse(&[letter.to_ascii_uppercase() as u8]), Some(name));
            }
        }
    }

    #[test]
    fn unknown_names_and_the_retired_compact_form_are_not_found() {
        let unknown = [
            "",
            "n",
            "Identity-Info",
            "Vja",
            "X-Customer",
            "\u{6}rom",
            "1",
            "z",
            "Call\rID",
            "To\0",
            "Vi",
            "Viaa",
            "X-A-Name-Longer-Than-Any-Known-One",
        ];
        for other in unknown {
            assert_eq!(Name::parse(other.as_bytes()), None, "{other}");
        }
    }
}
