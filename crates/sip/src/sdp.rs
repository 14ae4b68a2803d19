use std::fmt;
use std::net::IpAddr;

use crate::error::{ParseError, ParseErrorKind};
use crate::lex;

/// A session description (RFC 8866). Its lines keep their order. Each line can be read and replaced.
///
/// Unedited lines print octet for octet as received, with their line ends.
///
/// ```
/// use attesta_sip::{Direction, Sdp};
///
/// let mut sdp = Sdp::parse(b"v=0\r\no=- 7 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
///     m=audio 16384 RTP/AVP 0\r\na=sendonly\r\n")?;
/// assert_eq!(sdp.media(0).unwrap().direction(), Direction::SendOnly);
/// sdp.set_connection("192.0.2.9".parse().unwrap());
/// sdp.bump_version();
/// assert!(sdp.to_string().contains("o=- 7 8 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.9\r\n"));
/// # Ok::<(), attesta_sip::ParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Sdp {
    lines: Vec<Line>,
    /// Empty lines after the last line.
    tail: Vec<u8>,
}

/// One line: its type, its value and its received line end.
#[derive(Clone, PartialEq, Eq)]
struct Line {
    kind: u8,
    value: Vec<u8>,
    end: &'static str,
}

impl Sdp {
    /// Reads a description: lines of one letter, `=` and a value, starting with `v=0` (RFC 8866
    /// section 5). A line feed alone is accepted as a line end. Empty lines at the end, which some
    /// phones send, are accepted too.
    pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
        let whole = body;
        let body = without_empty_lines(whole);
        let tail = lex::split(whole, body.len()).1.to_vec();
        let mut lines = Vec::new();
        let mut offset = 0;
        for line in body.split_inclusive(|&octet| octet == b'\n') {
            let (text, end) = match line {
                [text @ .., b'\r', b'\n'] => (text, "\r\n"),
                [text @ .., b'\n'] => (text, "\n"),
                text => (text, ""),
            };
            match text {
                [kind, b'=', value @ ..] if kind.is_ascii_alphabetic() => {
                    lines.push(Line { kind: *kind, value: value.to_vec(), end });
                }
                _ => return Err(ParseError::new(ParseErrorKind::Unexpected, offset)),
            }
            offset += line.len();
        }
        match lines.first() {
            Some(Line { kind: b'v', value, .. }) if value == b"0" => Ok(Self { lines, tail }),
            Some(_) => Err(ParseError::new(ParseErrorKind::Version, 0)),
            None => Err(ParseError::new(ParseErrorKind::UnexpectedEnd, 0)),
        }
    }

    /// The `o=` line.
    pub fn origin(&self) -> Option<Origin<'_>> {
        Origin::parse(self.session_value(b'o')?)
    }

    /// The address of the `c=` line before the first `m=` line.
    pub fn connection(&self) -> Option<IpAddr> {
        address(self.session_value(b'c')?)
    }

    /// The values of the lines before the first `m=` line, each with its letter.
    pub fn session_lines(&self) -> impl Iterator<Item = (char, &[u8])> {
        self.section(0).iter().map(|line| (char::from(line.kind), line.value.as_slice()))
    }

    /// The attributes before the first `m=` line: the name, and the value if present.
    pub fn attributes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        attributes(self.section(0))
    }

    /// The number of `m=` lines.
    pub fn media_count(&self) -> usize {
        self.lines.iter().filter(|line| line.kind == b'm').count()
    }

    /// The media description with this number, counted from 0.
    pub fn media(&self, number: usize) -> Option<Media<'_>> {
        let lines = self.section(number.checked_add(1)?);
        Media::new(self, lines)
    }

    /// All media descriptions in order.
    pub fn all_media(&self) -> impl Iterator<Item = Media<'_>> {
        let starts = self.lines.iter().enumerate().filter(|(_, line)| line.kind == b'm');
        starts.filter_map(|(start, _)| Media::new(self, section_from(self.lines.get(start..)?)))
    }

    /// Sets the address of every `c=` line; all other lines stay. If there is no `c=` line, adds
    /// one to the session part, after `s=` and the other lines that come first.
    pub fn set_connection(&mut self, address: IpAddr) {
        let family = if address.is_ipv4() { "IP4" } else { "IP6" };
        let value = format!("IN {family} {address}").into_bytes();
        let mut found = false;
        for line in self.lines.iter_mut().filter(|line| line.kind == b'c') {
            line.value.clone_from(&value);
            found = true;
        }
        if !found {
            // RFC 8866 section 5: `c=` follows `v= o= s= i= u= e= p=`.
            let before = |line: &Line| matches!(line.kind, b'v' | b'o' | b's' | b'i' | b'u' | b'e' | b'p');
            let at = self.lines.iter().position(|line| !before(line)).unwrap_or(self.lines.len());
            // The last line of a body may lack a line end.
            if let Some(last) = at.checked_sub(1).and_then(|last| self.lines.get_mut(last))
                && last.end.is_empty()
            {
                last.end = "\r\n";
            }
            self.lines.insert(at, Line { kind: b'c', value, end: "\r\n" });
        }
    }

    /// Sets the port of the `m=` line with this number, counted from 0. Returns whether there is
    /// such a line. Port 0 rejects the media (RFC 3264 section 6).
    pub fn set_port(&mut self, number: usize, port: u16) -> bool {
        let media = self.lines.iter_mut().filter(|line| line.kind == b'm').nth(number);
        let Some(line) = media else { return false };
        let mut words = line.value.split(|&octet| octet == b' ');
        let (kind, old) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let rest = lex::split(&line.value, kind.len() + 1 + old.len()).1;
        line.value = [kind, format!(" {port}").as_bytes(), rest].concat();
        true
    }

    /// Adds one to the version in the `o=` line, as required for a changed description (RFC 3264
    /// section 8). Returns whether the line could be read.
    pub fn bump_version(&mut self) -> bool {
        let Some(line) = self.lines.iter_mut().find(|line| line.kind == b'o') else { return false };
        let Some(origin) = Origin::parse(&line.value) else { return false };
        let version = origin.version.wrapping_add(1);
        let mut words: Vec<_> = line.value.split(|&octet| octet == b' ').map(<[u8]>::to_vec).collect();
        if let Some(word) = words.get_mut(2) {
            *word = version.to_string().into_bytes();
        }
        line.value = words.join(&b' ');
        true
    }

    /// Keeps the attributes of the whole description for which `keep` returns true. Returns the
    /// number of removed attributes.
    pub fn retain_attributes(&mut self, mut keep: impl FnMut(&[u8], Option<&[u8]>) -> bool) -> usize {
        let before = self.lines.len();
        self.lines.retain(|line| {
            line.kind != b'a' || {
                let (name, value) = attribute(&line.value);
                keep(name, value)
            }
        });
        before - self.lines.len()
    }

    /// Appends the octets.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        for line in &self.lines {
            out.extend_from_slice(&[line.kind, b'=']);
            out.extend_from_slice(&line.value);
            out.extend_from_slice(line.end.as_bytes());
        }
        out.extend_from_slice(&self.tail);
    }

    /// The octets.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_to(&mut out);
        out
    }

    fn session_value(&self, kind: u8) -> Option<&[u8]> {
        self.section(0).iter().find(|line| line.kind == kind).map(|line| line.value.as_slice())
    }

    /// The lines of the session (0) or of a media description (from 1).
    fn section(&self, number: usize) -> &[Line] {
        let start = match number.checked_sub(1) {
            None => Some(0),
            Some(media) => {
                let mut starts = self.lines.iter().enumerate().filter(|(_, line)| line.kind == b'm');
                starts.nth(media).map(|(start, _)| start)
            }
        };
        start.and_then(|start| self.lines.get(start..)).map_or(&[], section_from)
    }
}

impl fmt::Display for Sdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&lex::text(&self.to_vec()))
    }
}

/// Shows only the letters of the lines, because addresses and keys must not appear in logs.
impl fmt::Debug for Sdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: String = self.lines.iter().map(|line| char::from(line.kind)).collect();
        write!(f, "Sdp({kinds})")
    }
}

/// The `o=` line (RFC 8866 section 5.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The user name; `-` if there is none.
    pub username: &'a [u8],
    /// The session number.
    pub session: u64,
    /// The version of the description; each change increases the version.
    pub version: u64,
    /// The network type, address type and address, as received.
    pub address: &'a [u8],
}

impl<'a> Origin<'a> {
    fn parse(value: &'a [u8]) -> Option<Self> {
        let (username, rest) = lex::split_once(value, b' ')?;
        let (session, rest) = lex::split_once(rest, b' ')?;
        let (version, address) = lex::split_once(rest, b' ')?;
        let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
        Some(Self { username, session: number(session)?, version: number(version)?, address })
    }
}

/// Shows only the numbers, because names and addresses must not appear in logs.
impl fmt::Debug for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({} {})", self.session, self.version)
    }
}

/// The direction of media, seen from the describing side (RFC 8866 section 6.7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// Both directions; also the default without an attribute.
    SendRecv,
    /// Away from the describing side.
    SendOnly,
    /// Towards the describing side.
    RecvOnly,
    /// No media.
    Inactive,
}

/// One media description: an `m=` line and the lines up to the next `m=` line.
#[derive(Clone, Copy)]
pub struct Media<'a> {
    session: &'a Sdp,
    kind: &'a [u8],
    port: u16,
    protocol: &'a [u8],
    formats: &'a [u8],
    lines: &'a [Line],
}

impl<'a> Media<'a> {
    fn new(session: &'a Sdp, lines: &'a [Line]) -> Option<Self> {
        let (first, _) = lines.split_first()?;
        let (kind, rest) = lex::split_once(&first.value, b' ')?;
        let (port, rest) = lex::split_once(rest, b' ')?;
        let (protocol, formats) = lex::split_once(rest, b' ').unwrap_or((rest, &[]));
        // A slash and the number of ports may follow.
        let port = port.split(|&octet| octet == b'/').next().and_then(lex::number)?;
        Some(Self { session, kind, port: u16::try_from(port).ok()?, protocol, formats, lines })
    }

    /// The kind: `audio`, `video`, `image` or another token.
    pub fn kind(&self) -> &'a [u8] {
        self.kind
    }

    /// The port; 0 if the media is rejected.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The protocol: `RTP/AVP`, `RTP/SAVP`, `UDP/TLS/RTP/SAVPF` and others.
    pub fn protocol(&self) -> &'a [u8] {
        self.protocol
    }

    /// The formats; for RTP, the payload types.
    pub fn formats(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.formats.split(|&octet| octet == b' ').filter(|format| !format.is_empty())
    }

    /// The address of the media `c=` line, or of the session `c=` line if there is none.
    pub fn connection(&self) -> Option<IpAddr> {
        let line = self.lines.iter().find(|line| line.kind == b'c');
        line.map_or_else(|| self.session.connection(), |line| address(&line.value))
    }

    /// The attributes of this media: the name, and the value if present.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        attributes(self.lines)
    }

    /// The value of the first attribute with this name, in this media or else in the session.
    pub fn attribute(&self, name: &str) -> Option<&'a [u8]> {
        let session = attributes(self.session.section(0));
        attributes(self.lines)
            .chain(session)
            .find(|(found, _)| *found == name.as_bytes())
            .and_then(|(_, value)| value)
    }

    /// The direction, from the attribute of this media or else of the session.
    pub fn direction(&self) -> Direction {
        let direction = |(name, _): (&[u8], Option<&[u8]>)| match name {
            b"sendrecv" => Some(Direction::SendRecv),
            b"sendonly" => Some(Direction::SendOnly),
            b"recvonly" => Some(Direction::RecvOnly),
            b"inactive" => Some(Direction::Inactive),
            _ => None,
        };
        let session = attributes(self.session.section(0));
        attributes(self.lines).chain(session).find_map(direction).unwrap_or(Direction::SendRecv)
    }

    /// The values of the `fingerprint` attributes of this media, or of the session if this media
    /// has none (RFC 8122 section 5).
    pub fn fingerprints(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let own = attributes(self.lines).any(|(name, _)| name == b"fingerprint");
        let lines = if own { self.lines } else { self.session.section(0) };
        attributes(lines).filter(|(name, _)| *name == b"fingerprint").filter_map(|(_, value)| value)
    }

    /// The `setup` role of DTLS (RFC 5763 section 5), of this media or else of the session.
    pub fn setup(&self) -> Option<&'a [u8]> {
        self.attribute("setup")
    }
}

impl fmt::Debug for Media<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Media({} {} {})", lex::text(self.kind), self.port, lex::text(self.protocol))
    }
}

/// The text without the empty lines at the end.
fn without_empty_lines(mut body: &[u8]) -> &[u8] {
    while let Some(before) = body.strip_suffix(b"\r\n").or(body.strip_suffix(b"\n"))
        && before.ends_with(b"\n")
    {
        body = before;
    }
    body
}

/// The lines up to the next `m=` line.
fn section_from(lines: &[Line]) -> &[Line] {
    let length = lines.iter().skip(1).position(|line| line.kind == b'm').map_or(lines.len(), |at| at + 1);
    lines.get(..length).unwrap_or(lines)
}

fn attributes(lines: &[Line]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    lines.iter().filter(|line| line.kind == b'a').map(|line| attribute(&line.value))
}

fn attribute(value: &[u8]) -> (&[u8], Option<&[u8]>) {
    lex::split_once(value, b':').map_or((value, None), |(name, value)| (name, Some(value)))
}

/// The address of a `c=` value, without multicast suffixes.
fn address(value: &[u8]) -> Option<IpAddr> {
    let address = value.split(|&octet| octet == b' ').nth(2)?;
    let address = address.split(|&octet| octet == b'/').next()?;
    std::str::from_utf8(address).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &[u8] = b"v=0\r\no=alice 2890844526 18446744073709551615 IN IP4 host.example.com\r\ns=\r\n\
        c=IN IP4 192.0.2.1\r\nt=0 0\r\na=inactive\r\na=fingerprint:sha-256 AA\r\na=setup:actpass\r\n\
        m=audio 49170/2 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\na=x\xff\r\n\
        m=video 0 UDP/TLS/RTP/SAVPF 31\r\nc=IN IP6 2001:db8::1\r\na=fingerprint:sha-256 BB\r\n";

    #[test]
    fn an_unedited_description_prints_as_received() {
        for body in [OFFER, b"v=0\no=- 1 1 IN IP4 a\ns=-\nt=0 0\n", b"v=0\r\ns=-", b"v=0\r\n\r\n\n"] {
            assert_eq!(Sdp::parse(body).unwrap().to_vec(), body);
        }
        for bad in [
            &b""[..],
            b"v=1\r\n",
            b"o=- 1 1 IN IP4 a\r\nv=0\r\n",
            b"v=0\r\n\r\ns=-",
            b"v=0\r\n\r",
            b"\r\n\r\n",
        ] {
            assert!(Sdp::parse(bad).is_err(), "{}", lex::text(bad));
        }
    }

    #[test]
    fn media_inherit_from_the_session() {
        let sdp = Sdp::parse(OFFER).unwrap();
        assert_eq!((sdp.media_count(), sdp.all_media().count()), (2, 2));
        assert_eq!(sdp.origin().unwrap().session, 2_890_844_526);
        let (audio, video) = (sdp.media(0).unwrap(), sdp.media(1).unwrap());
        assert_eq!((audio.kind(), audio.port(), audio.protocol()), (&b"audio"[..], 49_170, &b"RTP/AVP"[..]));
        assert_eq!(audio.formats().collect::<Vec<_>>(), [b"0", b"8"]);
        assert_eq!((audio.direction(), video.direction()), (Direction::SendRecv, Direction::Inactive));
        assert_eq!(audio.connection().unwrap().to_string(), "192.0.2.1");
        assert_eq!(video.connection().unwrap().to_string(), "2001:db8::1");
        assert_eq!(audio.fingerprints().collect::<Vec<_>>(), [b"sha-256 AA"]);
        assert_eq!(video.fingerprints().collect::<Vec<_>>(), [b"sha-256 BB"]);
        assert_eq!(
            (audio.setup(), audio.attribute("rtpmap")),
            (Some(&b"actpass"[..]), Some(&b"0 PCMU/8000"[..]))
        );
        assert!(sdp.media(2).is_none());
    }

    #[test]
    fn an_edit_leaves_the_other_lines_alone() {
        let mut sdp = Sdp::parse(OFFER).unwrap();
        sdp.set_connection("2001:db8::9".parse().unwrap());
        assert!(sdp.set_port(0, 5004) && !sdp.set_port(2, 1));
        assert!(sdp.bump_version());
        assert_eq!(sdp.retain_attributes(|name, _| name != b"fingerprint"), 2);
        let expected: &[u8] = b"v=0\r\no=alice 2890844526 0 IN IP4 host.example.com\r\ns=\r\n\
            c=IN IP6 2001:db8::9\r\nt=0 0\r\na=inactive\r\na=setup:actpass\r\n\
            m=audio 5004 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\na=x\xff\r\n\
            m=video 0 UDP/TLS/RTP/SAVPF 31\r\nc=IN IP6 2001:db8::9\r\n";
        assert_eq!(lex::text(&sdp.to_vec()), lex::text(expected));
        let mut short = Sdp::parse(b"v=0\r\ns=-").unwrap();
        short.set_connection("192.0.2.1".parse().unwrap());
        assert_eq!(short.to_string(), "v=0\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n");
        let mut bare = Sdp::parse(b"v=0\r\ns=-\r\nt=0 0\r\n").unwrap();
        bare.set_connection("192.0.2.1".parse().unwrap());
        assert_eq!(bare.to_string(), "v=0\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n");
    }
}
