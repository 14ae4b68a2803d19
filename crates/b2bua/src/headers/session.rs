//! Session descriptions in bodies.

use attesta_sip::{Headers, Name};

/// The media type of a session description (RFC 8866 section 8.1).
pub(crate) const SDP: &str = "application/sdp";

/// True if the Content-Type is that of a session description without other parts.
pub(crate) fn is_session_alone(headers: &Headers) -> bool {
    is_of(headers, SDP)
}

/// True if the body is a session description, or has a part that is a session description (RFC 5621 section 3.1).
pub(crate) fn has_session(headers: &Headers, body: &[u8]) -> bool {
    let in_a_part = || {
        let lines = body.split(|octet| *octet == b'\n');
        lines.map(<[u8]>::trim_ascii).any(|line| line.to_ascii_lowercase().ends_with(SDP.as_bytes()))
    };
    !body.is_empty() && (is_of(headers, SDP) || (is_of(headers, MULTIPART) && in_a_part()))
}

/// True if the Content-Type begins with this text.
fn is_of(headers: &Headers, kind: &str) -> bool {
    let value = headers.get(Name::ContentType).unwrap_or_default();
    value.get(..kind.len()).is_some_and(|head| head.eq_ignore_ascii_case(kind.as_bytes()))
}

const MULTIPART: &str = "multipart/";

#[cfg(test)]
mod tests {
    use super::*;

    fn found(kind: &str, body: &str) -> bool {
        let mut headers = Headers::new();
        headers.push(Name::ContentType, kind);
        has_session(&headers, body.as_bytes())
    }

    #[test]
    fn a_session_is_found_alone_and_in_a_part() {
        assert!(found("Application/SDP;charset=utf-8", "v=0\r\n"));
        assert!(found(
            "multipart/mixed;boundary=x",
            "--x\r\nContent-Type: application/SDP\r\n\r\nv=0\r\n--x--"
        ));
        assert!(!found("application/sdp", ""));
        assert!(!found("text/plain", "application/sdp"));
        assert!(!found("multipart/mixed;boundary=x", "--x\r\n\r\nv=0\r\n--x--"));
    }
}
