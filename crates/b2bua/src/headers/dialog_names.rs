//! Header fields that name another dialog: Replaces (RFC 3891), Join (RFC 3911) and Target-Dialog (RFC 4538), and the URI of a
//! Refer-To that contains them (RFC 3515 section 2.1, RFC 3261 section 19.1.5).

use std::fmt::Write as _;

use attesta_sip::{Headers, Method, Name, NameAddr, Params, Request, Uri, unescape};
use attesta_transaction::WorkerPlace;
use bytes::Bytes;

use crate::headers::address::{owned, pieces};

/// The name of a dialog in a header field: a Call-ID and two tags.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DialogName {
    /// The Call-ID.
    pub call_id: Bytes,
    /// The tag of the side that receives the header field: `to-tag`, or `local-tag` in a Target-Dialog.
    pub to_tag: Bytes,
    /// The tag of the other side: `from-tag`, or `remote-tag` in a Target-Dialog.
    pub from_tag: Bytes,
}

/// The answer to a [`DialogName`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Mapping {
    /// No tag of ours: the name stays as it is.
    Foreign,
    /// The name of the dialog on the other leg.
    To(DialogName),
    /// A dialog of ours that does not exist.
    Unknown,
    /// The worker of this place knows the dialog.
    Elsewhere(WorkerPlace),
}

/// Why the names in a request are not mapped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unmapped {
    /// The header fields cannot be read, or contradict each other.
    Malformed,
    /// The Refer-To is longer than [`MAX_REFER_TO`].
    TooLong,
    /// A header field names a dialog of ours that does not exist.
    Unknown,
    /// The worker of this place must be asked.
    Ask(WorkerPlace, DialogName),
}

impl DialogName {
    /// Reads the value of the header field `field`. `None` if there is no Call-ID, or if a tag is missing or comes twice.
    pub(crate) fn parse(field: Name, value: &[u8]) -> Option<Self> {
        let (call_id, params) = split(value);
        Params::parse(params).ok()?;
        let (to, from) = tags_of(field);
        let (mut to_tag, mut from_tag) = (None, None);
        for (name, tag) in pieces(params).map(name_and_value) {
            let slot = if name.eq_ignore_ascii_case(to) {
                &mut to_tag
            } else if name.eq_ignore_ascii_case(from) {
                &mut from_tag
            } else {
                continue;
            };
            if tag.is_empty() || slot.replace(owned(tag)).is_some() {
                return None;
            }
        }
        let is_call_id = !call_id.is_empty() && !call_id.contains(&b' ');
        is_call_id.then_some(Self { call_id: owned(call_id), to_tag: to_tag?, from_tag: from_tag? })
    }

    /// The place of the worker of this instance that made one of the tags.
    pub(crate) fn place(&self, instance: u16) -> Option<WorkerPlace> {
        let is_ours = |place: &WorkerPlace| place.instance == instance;
        let [to, from] = [&self.to_tag, &self.from_tag].map(|tag| WorkerPlace::of(tag).filter(is_ours));
        to.or(from)
    }

    /// The value of the header field `field` with this name, and with the other parameters of `value`.
    fn print(&self, field: Name, value: &[u8]) -> Vec<u8> {
        let (to, from) = tags_of(field);
        let mut text = self.call_id.to_vec();
        for (name, tag) in [(to, &self.to_tag), (from, &self.from_tag)] {
            text.extend_from_slice(&[b";", name, b"=", tag].concat());
        }
        for piece in pieces(split(value).1) {
            let (name, _) = name_and_value(piece);
            if !name.eq_ignore_ascii_case(to) && !name.eq_ignore_ascii_case(from) {
                text.push(b';');
                text.extend_from_slice(piece.trim_ascii());
            }
        }
        text
    }
}

/// True if a header field of the request may name another dialog.
pub(crate) fn names_dialogs(headers: &Headers) -> bool {
    let names = |name| matches!(name, Some(Name::Replaces | Name::Join | Name::TargetDialog | Name::ReferTo));
    headers.iter().any(|field| names(field.name()))
}

/// Replaces the dialog names in a request by those that `mapping` gives. On an error, the request is unchanged.
pub(crate) fn map_names(
    request: &mut Request,
    mapping: &mut dyn FnMut(Name, &DialogName) -> Mapping,
) -> Result<(), Unmapped> {
    check(request)?;
    let mut changes = Vec::new();
    for field in FIELDS {
        if let Some(value) = request.headers().get(field)
            && let Some(mapped) = map_value(field, value, mapping)?
        {
            changes.push((field, mapped));
        }
    }
    if let Some(value) = request.headers().get(Name::ReferTo)
        && let Some(mapped) = map_refer_to(value, mapping)?
    {
        changes.push((Name::ReferTo, mapped));
    }
    for (field, value) in changes {
        request.headers_mut().set(field, value);
    }
    Ok(())
}

/// RFC 3891 section 3 and RFC 3911 section 4: one line, in an INVITE only, and not both of them.
fn check(request: &Request) -> Result<(), Unmapped> {
    let headers = request.headers();
    let [target, replaces, join] = FIELDS.map(|field| headers.count(field));
    let is_invite = *request.method() == Method::Invite;
    let is_sound = target <= 1 && replaces + join <= 1 && (is_invite || replaces + join == 0);
    let refer_to = headers.all(Name::ReferTo).map(<[u8]>::len).max().unwrap_or_default();
    if !is_sound || headers.count(Name::ReferTo) > 1 {
        return Err(Unmapped::Malformed);
    }
    if refer_to > MAX_REFER_TO {
        return Err(Unmapped::TooLong);
    }
    Ok(())
}

/// The new value, or `None` if the value stays as it is.
fn map_value(
    field: Name,
    value: &[u8],
    mapping: &mut dyn FnMut(Name, &DialogName) -> Mapping,
) -> Result<Option<Vec<u8>>, Unmapped> {
    let name = DialogName::parse(field, value).ok_or(Unmapped::Malformed)?;
    match mapping(field, &name) {
        Mapping::Foreign => Ok(None),
        Mapping::To(mapped) if mapped == name => Ok(None),
        Mapping::To(mapped) => Ok(Some(mapped.print(field, value))),
        Mapping::Unknown => Err(Unmapped::Unknown),
        Mapping::Elsewhere(place) => Err(Unmapped::Ask(place, name)),
    }
}

/// The new Refer-To, or `None` if it stays as it is.
fn map_refer_to(
    value: &[u8],
    mapping: &mut dyn FnMut(Name, &DialogName) -> Mapping,
) -> Result<Option<Vec<u8>>, Unmapped> {
    let Ok(address) = NameAddr::parse(value) else { return Ok(None) };
    let Uri::Sip(uri) = address.uri() else { return Ok(None) };
    if uri.headers_raw().is_empty() {
        return Ok(None);
    }
    let (mut embedded, mut is_changed) = (Vec::new(), false);
    for (count, (name, raw)) in uri.headers().enumerate() {
        if count >= MAX_EMBEDDED {
            return Err(Unmapped::Malformed);
        }
        let field = Name::parse(&unescape(name)).filter(|field| FIELDS.contains(field));
        let mapped = match field {
            Some(field) => map_value(field, &unescape(raw), mapping)?,
            None => None,
        };
        is_changed |= mapped.is_some();
        embedded.extend_from_slice(if embedded.is_empty() { b"" } else { b"&" });
        embedded.extend_from_slice(&[name, b"="].concat());
        match mapped {
            Some(mapped) => embedded.extend_from_slice(escaped(&mapped).as_bytes()),
            None => embedded.extend_from_slice(raw),
        }
    }
    if !is_changed {
        return Ok(None);
    }
    let mut text = Vec::with_capacity(value.len() + 64);
    address.with_params(Params::default()).write_to(&mut text);
    let before = text.strip_suffix(b">").and_then(|text| text.strip_suffix(uri.headers_raw()));
    let before = before.ok_or(Unmapped::Malformed)?;
    Ok(Some([before, &embedded, b">", address.params().as_bytes()].concat()))
}

/// The text as the value of a header in a URI (RFC 3261 section 25.1, `hvalue`).
fn escaped(text: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for octet in text {
        if octet.is_ascii_alphanumeric() || b"[]/?:+$-_.!~*'()".contains(octet) {
            escaped.push(char::from(*octet));
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{octet:02X}");
        }
    }
    escaped
}

/// The Call-ID and the parameters.
fn split(value: &[u8]) -> (&[u8], &[u8]) {
    let end = value.iter().position(|octet| *octet == b';').unwrap_or(value.len());
    let (call_id, params) = value.split_at(end);
    (call_id.trim_ascii(), params)
}

fn name_and_value(piece: &[u8]) -> (&[u8], &[u8]) {
    let end = piece.iter().position(|octet| *octet == b'=').unwrap_or(piece.len());
    let (name, value) = piece.split_at(end);
    (name.trim_ascii(), value.strip_prefix(b"=").unwrap_or_default().trim_ascii())
}

/// The parameters for the tag of the receiver and for the tag of the other side.
fn tags_of(field: Name) -> (&'static [u8], &'static [u8]) {
    if field == Name::TargetDialog { (b"local-tag", b"remote-tag") } else { (b"to-tag", b"from-tag") }
}

/// The header fields that name another dialog.
const FIELDS: [Name; 3] = [Name::TargetDialog, Name::Replaces, Name::Join];

/// The longest Refer-To that is relayed, in octets. A longer Refer-To gets a 400.
const MAX_REFER_TO: usize = 4096;

/// The most header fields in the URI of a Refer-To. A Refer-To with more gets a 400.
const MAX_EMBEDDED: usize = 32;

#[cfg(test)]
mod tests;
