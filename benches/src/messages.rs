//! Two INVITEs in the form that trunks send.

/// About 1.1 kB: 15 header lines and an offer.
pub const INVITE: &[u8] = include_bytes!("invite.sip");

/// About 1.9 kB: the same INVITE with an `Identity` header in full form.
pub const SIGNED_INVITE: &[u8] = include_bytes!("signed_invite.sip");

/// Returns the header block of a message, including the start line.
pub fn head(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|octets| octets == b"\r\n\r\n").map_or(message.len(), |at| at + 4);
    message.get(..end).unwrap_or(message)
}
