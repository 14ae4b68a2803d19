//! SIPp's message log (`-trace_msg`), read without any code of Attesta.

use std::path::Path;

/// The direction of a message, from the viewpoint of SIPp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// SIPp received it.
    Received,
    /// SIPp sent it.
    Sent,
}

/// One SIP message in a log.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The direction of the message.
    pub direction: Direction,
    /// The time of the message, in seconds since midnight of the machine's time zone.
    pub at: f64,
    /// The text of the message. Octets that are not UTF-8 are replaced.
    pub text: String,
}

impl Seen {
    /// The first line.
    #[must_use]
    pub fn start_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The method of a request.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.start_line().strip_suffix(" SIP/2.0")?.split(' ').next()
    }

    /// The status of a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.start_line().strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// Returns the values of the header field `name` in order, as written in the message.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.lines().skip(1).filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found.trim_end().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The first value of the header field `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }
}

/// Reads the message log at `path`. A missing file counts as an empty log.
#[must_use]
pub fn read_log(path: &Path) -> Vec<Seen> {
    let octets = std::fs::read(path).unwrap_or_default();
    let mut rest = octets.as_slice();
    let mut seen = Vec::new();
    while let Some((one, after)) = entry(rest) {
        seen.push(one);
        rest = after;
    }
    seen
}

/// Reads one entry: a rule with the date and time, a line with the direction and the length, an empty line, and the message.
fn entry(octets: &[u8]) -> Option<(Seen, &[u8])> {
    let begin = octets.windows(RULE.len()).position(|window| window == RULE)?;
    let (stamp, rest) = line(octets.get(begin + RULE.len()..)?)?;
    let (what, rest) = line(rest)?;
    let (_empty, rest) = line(rest)?;
    let direction = if what.contains("received") { Direction::Received } else { Direction::Sent };
    let length: usize =
        what.split(|c: char| !c.is_ascii_digit()).rfind(|digits| !digits.is_empty())?.parse().ok()?;
    let (message, rest) = rest.split_at_checked(length)?;
    let text = String::from_utf8_lossy(message).into_owned();
    Some((Seen { direction, at: seconds(&stamp)?, text }, rest))
}

fn line(octets: &[u8]) -> Option<(String, &[u8])> {
    let end = octets.iter().position(|&octet| octet == b'\n')?;
    let (line, rest) = octets.split_at_checked(end)?;
    Some((String::from_utf8_lossy(line).into_owned(), rest.get(1..)?))
}

/// Converts a time such as `2026-11-22 11:54:55.644791` to seconds since midnight.
fn seconds(stamp: &str) -> Option<f64> {
    let time = stamp.split_ascii_whitespace().nth(1)?;
    time.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))
}

/// The text that SIPp writes before the time of each entry.
const RULE: &[u8] = b"----------------------------------------------- ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_entries_one_with_a_body() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("messages.log");
        let invite = "INVITE sip:a@b SIP/2.0\r\nVia: one\r\nvia : two\r\nContent-Length: 3\r\n\r\nv=0";
        let busy = "SIP/2.0 486 Busy Here\r\nVia: one\r\n\r\n";
        let log = format!(
            "----------------------------------------------- 2026-11-22 01:00:02.500000\nUDP message received [{}] bytes :\n\n{invite}\n\
             ----------------------------------------------- 2026-11-22 01:00:03.000000\nUDP message sent ({} bytes):\n\n{busy}\n",
            invite.len(),
            busy.len()
        );
        std::fs::write(&file, log).unwrap();
        let seen = read_log(&file);
        assert_eq!(seen.len(), 2);
        assert_eq!(
            (seen[0].method(), seen[0].status(), seen[0].direction),
            (Some("INVITE"), None, Direction::Received)
        );
        assert_eq!(seen[0].headers("Via").collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(
            (seen[1].method(), seen[1].status(), seen[1].direction),
            (None, Some(486), Direction::Sent)
        );
        assert!((seen[1].at - seen[0].at - 0.5).abs() < 1e-6);
    }
}
