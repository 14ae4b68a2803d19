use std::borrow::Cow;
use std::fmt;

use crate::error::{ParseError, ParseErrorKind};
use crate::header::name::Name;
use crate::header::typed::Typed;
use crate::lex::{self, Cursor};
use crate::mask::Masked;
use crate::param::{Params, unquote};
use crate::uri::Uri;

/// An address with an optional display name and parameters: the value of `From`, `To`, `Contact`
/// and similar headers (`name-addr` / `addr-spec`, RFC 3261 section 20.10).
///
/// If the URI has no angle brackets, the parameters after the URI belong to the header, and the URI
/// must not contain `?` or `,`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NameAddr<'a> {
    display: DisplayName<'a>,
    uri: Uri<'a>,
    params: Params<'a>,
    tag: Option<&'a [u8]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DisplayName<'a> {
    None,
    /// Tokens and the white space between them.
    Plain(&'a [u8]),
    /// The content of a quoted string, with its escapes.
    Quoted(&'a [u8]),
    /// Text that is escaped when the address prints.
    Text(&'a str),
}

impl<'a> NameAddr<'a> {
    /// An address without display name and parameters.
    pub fn new(uri: Uri<'a>) -> Self {
        Self { display: DisplayName::None, uri, params: Params::default(), tag: None }
    }

    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let (display, start, uri) = read_before_params(&mut cursor)?;
        let uri = Uri::parse(uri).map_err(|error| error.shifted(start))?;
        let (params, tag) = read_params(&mut cursor)?;
        Ok(Self { display, uri, params, tag })
    }

    /// The `tag` parameter of a value. The URI is not checked, which saves most of the time that
    /// [`parse`](Self::parse) takes.
    pub fn tag_of(value: &'a [u8]) -> Option<&'a [u8]> {
        let mut cursor = Cursor::new(value);
        read_before_params(&mut cursor).ok()?;
        read_params(&mut cursor).ok()?.1
    }

    /// The same address with this display name, which prints quoted; `None` if the name holds
    /// control characters.
    pub fn with_display(mut self, name: &'a str) -> Option<Self> {
        if name.chars().any(char::is_control) {
            return None;
        }
        self.display = DisplayName::Text(name);
        Some(self)
    }

    /// The same address with these parameters instead of its own.
    #[must_use]
    pub fn with_params(mut self, params: Params<'a>) -> Self {
        self.params = params;
        self.tag = params.value("tag");
        self
    }

    /// The display name without quotes and escapes. The octets may be invalid UTF-8.
    pub fn display_name(&self) -> Option<Cow<'a, [u8]>> {
        match self.display {
            DisplayName::None => None,
            DisplayName::Plain(text) => Some(Cow::Borrowed(text)),
            DisplayName::Quoted(content) => Some(unquote(content)),
            DisplayName::Text(text) => Some(Cow::Borrowed(text.as_bytes())),
        }
    }

    /// The URI.
    pub fn uri(&self) -> Uri<'a> {
        self.uri
    }

    /// The header parameters, without the URI parameters inside the angle brackets.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.tag
    }

    /// Appends the value in its wire form, including octets that are not UTF-8.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self.display {
            DisplayName::None => {}
            DisplayName::Plain(text) => {
                out.extend_from_slice(text);
                out.push(b' ');
            }
            DisplayName::Quoted(content) => {
                out.push(b'"');
                out.extend_from_slice(content);
                out.extend_from_slice(b"\" ");
            }
            DisplayName::Text(text) => {
                out.push(b'"');
                for octet in text.bytes() {
                    if matches!(octet, b'"' | b'\\') {
                        out.push(b'\\');
                    }
                    out.push(octet);
                }
                out.extend_from_slice(b"\" ");
            }
        }
        out.push(b'<');
        out.extend_from_slice(self.uri.as_bytes());
        out.push(b'>');
        out.extend_from_slice(self.params.as_bytes());
    }
}

impl fmt::Display for NameAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write_to(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

impl fmt::Debug for NameAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.display_name() {
            write!(f, "\"{:?}\" ", Masked(&name))?;
        }
        write!(f, "<{:?}>{:?}", self.uri, self.params)
    }
}

/// The display name, and the offset and the octets of the URI.
#[inline]
fn read_before_params<'a>(cursor: &mut Cursor<'a>) -> Result<(DisplayName<'a>, usize, &'a [u8]), ParseError> {
    cursor.skip_lws();
    if let Some(display) = read_display(cursor)? {
        let start = cursor.offset() + 1;
        Ok((display, start, cursor.take_angle()?))
    } else {
        Ok((DisplayName::None, cursor.offset(), read_addr_spec(cursor)?))
    }
}

/// The parameters, and the tag among them.
#[inline]
fn read_params<'a>(cursor: &mut Cursor<'a>) -> Result<(Params<'a>, Option<&'a [u8]>), ParseError> {
    let mut tag = None;
    let params = Params::read(cursor, |name, value| {
        if tag.is_none() && name.eq_ignore_ascii_case(b"tag") {
            tag = value;
        }
    })?;
    Ok((params, tag))
}

/// The display name before a `<`; `None` if the value is a URI without angle brackets.
#[inline]
fn read_display<'a>(cursor: &mut Cursor<'a>) -> Result<Option<DisplayName<'a>>, ParseError> {
    match cursor.rest().first() {
        Some(b'<') => return Ok(Some(DisplayName::None)),
        Some(b'"') => {
            let content = cursor.take_quoted()?;
            cursor.skip_lws();
            return if cursor.rest().first() == Some(&b'<') {
                Ok(Some(DisplayName::Quoted(content)))
            } else {
                Err(cursor.unexpected())
            };
        }
        Some(_) | None => {}
    }
    // A scheme and its colon start a URI. No display name holds a colon.
    if cursor.rest().get(lex::span(cursor.rest(), lex::SCHEME)) == Some(&b':') {
        return Ok(None);
    }
    let text = cursor.rest();
    loop {
        cursor.take_all(lex::DISPLAY);
        match cursor.rest().first() {
            Some(b' ' | b'\t' | b'\r' | b'\n') => cursor.skip_lws(),
            // Some phones write `\"` where a plain quote is required.
            Some(b'\\') => {
                cursor.take(2);
            }
            Some(b'<') => {
                let length = text.len() - cursor.rest().len();
                return Ok(Some(DisplayName::Plain(lex::split(text, length).0.trim_ascii_end())));
            }
            Some(_) | None => return Err(cursor.unexpected()),
        }
    }
}

/// Reads a URI without angle brackets, up to white space or the parameters.
#[inline]
fn read_addr_spec<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], ParseError> {
    let rest = cursor.rest();
    let ends = |octet: &u8| matches!(octet, b';' | b' ' | b'\t' | b'\r' | b'\n' | b',' | b'?' | b'>');
    // A user part that holds ';', '?' or ',' requires brackets (RFC 3261 section 20.10).
    let uri = cursor.take(rest.iter().position(ends).unwrap_or(rest.len()));
    match cursor.rest().first() {
        Some(b',' | b'?' | b'>') => Err(cursor.error(ParseErrorKind::Unexpected)),
        Some(_) | None => Ok(uri),
    }
}

/// Defines headers whose value is one address: newtypes of [`NameAddr`].
macro_rules! addresses {
    ($($type:ident $source:literal;)*) => {$(
        #[doc = concat!("A value of [`Name::", stringify!($type), "`] (", $source, ").")]
        ///
        /// All methods of [`NameAddr`] are available through `Deref`.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $type<'a>(NameAddr<'a>);

        impl<'a> $type<'a> {
            /// Reads one value.
            pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                NameAddr::parse(value).map(Self)
            }

            /// The address.
            pub fn address(&self) -> NameAddr<'a> {
                self.0
            }
        }

        impl<'a> Typed<'a> for $type<'a> {
            const NAME: Name = Name::$type;

            fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                Self::parse(value)
            }
        }

        impl<'a> std::ops::Deref for $type<'a> {
            type Target = NameAddr<'a>;

            fn deref(&self) -> &NameAddr<'a> {
                &self.0
            }
        }

        impl fmt::Display for $type<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

addresses! {
    From "RFC 3261 section 20.20";
    To "RFC 3261 section 20.39";
    Route "RFC 3261 section 20.34";
    RecordRoute "RFC 3261 section 20.30";
    PAssertedIdentity "RFC 3325 section 9.1";
    PPreferredIdentity "RFC 3325 section 9.2";
    ReferTo "RFC 3515 section 2.1";
    ReferredBy "RFC 3892 section 3";
    ReplyTo "RFC 3261 section 20.31";
    Path "RFC 3327 section 4";
    ServiceRoute "RFC 3608 section 5";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_in_all_their_forms() {
        let name = |text: &'static [u8]| NameAddr::parse(text).unwrap().display_name().map(Cow::into_owned);
        assert_eq!(
            name(b"\"J Rosenberg \\\\\\\"\"       <sip:a@b>;tag=1"),
            Some(b"J Rosenberg \\\"".to_vec())
        );
        assert_eq!(name(b"caller<sip:caller@example.com>"), Some(b"caller".to_vec()));
        assert_eq!(name(b"Mr.  Watson <sip:a@b>"), Some(b"Mr.  Watson".to_vec()));
        assert_eq!(name(b"\"A, <l>;\\\"ice\" <sip:a@b>"), Some(b"A, <l>;\"ice".to_vec()));
        assert_eq!(name(b"\"\xff\xfe\" <sip:a@b>"), Some(b"\xff\xfe".to_vec()));
        assert_eq!(name(b"\\\"arik\\\" <sip:a@b>"), Some(b"\\\"arik\\\"".to_vec()));
        assert_eq!(name(b"<sip:a@b>"), None);
        assert_eq!(name(b"sip:a@b"), None);
    }

    #[test]
    fn parameters_belong_to_the_header_unless_in_brackets() {
        let bare = NameAddr::parse(b"\r\n sip:a@example.com ;   tag    = 1918181833n").unwrap();
        assert_eq!(bare.tag(), Some(&b"1918181833n"[..]));
        assert_eq!(bare.uri().as_bytes(), b"sip:a@example.com");
        let bracketed = NameAddr::parse(b"<sip:a@example.com;user=phone>").unwrap();
        assert!(bracketed.params().is_empty());
        assert_eq!(bracketed.uri().params().value("user"), Some(&b"phone"[..]));
    }

    #[test]
    fn the_tag_is_read_without_the_uri() {
        for text in [
            "<sip:a@b;tag=uri>;x=\";tag=quoted\";TAG=1",
            "\"A <b>;tag=name\" <sip:a@b?c=d>;tag=1;tag=2",
            "sip:a@b;tag=1",
            "sip:a@b ; tag = 1",
        ] {
            assert_eq!(NameAddr::tag_of(text.as_bytes()), Some(&b"1"[..]), "{text}");
            assert_eq!(NameAddr::parse(text.as_bytes()).unwrap().tag(), Some(&b"1"[..]), "{text}");
        }
        for text in ["<sip:a@b>", "<sip:a@b;tag=1>", "<sip:a@b>;tag", "<sip:a@b;tag=1", "\"A\" sip:a@b;tag=1"]
        {
            assert_eq!(NameAddr::tag_of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn an_address_prints_as_read() {
        for text in ["\"A \\\"B\\\"\" <sip:a@b>;tag=1;x", "Bob <tel:+1215>", "<urn:service:sos>"] {
            assert_eq!(NameAddr::parse(text.as_bytes()).unwrap().to_string(), text);
        }
        let address = NameAddr::new(Uri::parse(b"sip:a@b").unwrap()).with_display("a\"b").unwrap();
        assert_eq!(address.to_string(), "\"a\\\"b\" <sip:a@b>");
        assert!(address.with_display("a\r\nb").is_none());
    }

    #[test]
    fn broken_addresses_are_refused() {
        for bad in [
            "",
            "Bell, Alexander <sip:a@b>",
            "\"Watson, Thomas\" < sip:a@b >",
            "\"Joe <sip:a@b>",
            "<sip:a@b",
            "sip:a@b?Route=%3Csip:c%3E",
            "\"Joe\" <sip:a@b>;;",
            "\"Joe\" sip:a@b",
            "<sip:a@b> x",
            "sip:a@b, sip:c@d",
        ] {
            assert!(NameAddr::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_masks_the_display_name_and_the_user() {
        let from = From::parse(b"\"Alice Smith\" <sip:alice@example.com>;tag=1").unwrap();
        assert_eq!(format!("{from:?}"), "From(\"Alice S****\" <sip:a****@example.com>[\"tag\"])");
    }
}
