//! Dialogs: RFC 3261 section 12.

use attesta_sip::{CSeq, Method, Name, NameAddr, Request, Response};
use attesta_transaction::Tag;
use bytes::Bytes;

use crate::headers::address::{address_uri, contact, owned, sequence, tag, tagged};
use crate::headers::dialog_id::DialogId;
use crate::headers::dialog_names::DialogName;
use crate::owners::{Owner, Owners};
use crate::trunk::target::Target;

/// Our state of one dialog (RFC 3261 section 12): its identifiers, its remote target, its route set, and the sequence numbers
/// of both directions.
///
/// The values are copies, so that a long call does not keep received datagrams in memory.
#[derive(Debug)]
pub(crate) struct Dialog {
    call_id: Bytes,
    local: Party,
    remote: Party,
    local_seq: u32,
    remote_seq: Option<u32>,
    target: Bytes,
    route_set: Vec<Bytes>,
    /// True if the dialog requires TLS on every hop: the Request-URI of the INVITE is a `sips` URI, or its first Record-Route,
    /// or its Contact if it has no Record-Route (RFC 3261 section 12.1.1).
    secure: bool,
}

/// One party of a dialog: its From or To value with the tag, and the tag alone.
#[derive(Debug)]
struct Party {
    address: Bytes,
    tag: Bytes,
}

/// The error if a message lacks a header field that a dialog needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoDialog;

/// The error if the CSeq number of the peer's request is lower than an earlier number (RFC 3261 section 12.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OutOfOrder;

impl Dialog {
    /// Creates the dialog of our response to `request` (RFC 3261 section 12.1.1). The response has the tag `local_tag`. If To
    /// already has a tag, that tag stays (RFC 3261 section 8.2.6.2). If the peer sends no Contact, `fallback` is the remote
    /// target.
    pub(crate) fn answering(
        request: &Request,
        local_tag: &Tag,
        fallback: impl FnOnce() -> Bytes,
    ) -> Result<Self, NoDialog> {
        let headers = request.headers();
        let to = headers.get(Name::To).ok_or(NoDialog)?;
        let from = headers.get(Name::From).ok_or(NoDialog)?;
        let cseq = headers.get(Name::CSeq).and_then(|value| CSeq::parse(value).ok()).ok_or(NoDialog)?;
        let local = match tag(to) {
            Some(tag) => Party { address: owned(to), tag },
            None => Party { address: tagged(to, local_tag), tag: owned(local_tag.as_bytes()) },
        };
        Ok(Self {
            call_id: owned(headers.get(Name::CallId).ok_or(NoDialog)?),
            local,
            remote: Party { address: owned(from), tag: tag(from).unwrap_or_default() },
            local_seq: FIRST_SEQ - 1,
            remote_seq: Some(cseq.number()),
            target: contact(headers).unwrap_or_else(fallback),
            route_set: headers.values(Name::RecordRoute).map(owned).collect(),
            secure: is_sips(request.uri())
                || headers
                    .values(Name::RecordRoute)
                    .chain(headers.values(Name::Contact))
                    .next()
                    .is_some_and(is_sips_address),
        })
    }

    /// Creates the dialog of a `response` to our request (RFC 3261 section 12.1.2). The request is not needed, because the
    /// response repeats our From, Call-ID and CSeq. If the peer sends no Contact, `fallback` is the remote target. `uri` is the
    /// Request-URI of our request.
    pub(crate) fn calling(
        response: &Response,
        uri: &[u8],
        fallback: impl FnOnce() -> Bytes,
    ) -> Result<Self, NoDialog> {
        let headers = response.headers();
        let from = headers.get(Name::From).ok_or(NoDialog)?;
        let to = headers.get(Name::To).ok_or(NoDialog)?;
        let cseq = headers.get(Name::CSeq).and_then(|value| CSeq::parse(value).ok()).ok_or(NoDialog)?;
        let mut route_set: Vec<_> = headers.values(Name::RecordRoute).map(owned).collect();
        route_set.reverse();
        Ok(Self {
            call_id: owned(headers.get(Name::CallId).ok_or(NoDialog)?),
            local: Party { address: owned(from), tag: tag(from).ok_or(NoDialog)? },
            remote: Party { address: owned(to), tag: tag(to).unwrap_or_default() },
            local_seq: cseq.number(),
            remote_seq: None,
            target: contact(headers).unwrap_or_else(fallback),
            route_set,
            secure: is_sips(uri),
        })
    }

    /// Gives the dialog to this owner.
    pub(crate) fn is_owned_by(&self, owner: Owner, owners: &mut Owners) {
        owners.own_dialog(self.id(), &self.call_id, owner);
    }

    /// Takes the route set and the remote target of an early dialog from the 2xx (RFC 3261 sections 12.1.2 and 13.2.2.4).
    /// Returns true if either has changed.
    pub(crate) fn confirm(&mut self, response: &Response) -> bool {
        let mut route_set: Vec<_> = response.headers().values(Name::RecordRoute).map(owned).collect();
        route_set.reverse();
        let has_new_routes = self.route_set != route_set;
        self.route_set = route_set;
        let has_new_target = contact(response.headers()).is_some_and(|contact| self.refresh(contact));
        has_new_routes || has_new_target
    }

    pub(crate) fn id(&self) -> DialogId {
        DialogId { local: self.local.tag.clone(), remote: self.remote.tag.clone() }
    }

    /// The name of the dialog in a header field that the peer receives.
    pub(crate) fn name(&self) -> DialogName {
        let (call_id, to_tag, from_tag) = (self.call_id.clone(), &self.remote.tag, &self.local.tag);
        DialogName { call_id, to_tag: to_tag.clone(), from_tag: from_tag.clone() }
    }

    /// The peer's From or To value, with the tag.
    pub(crate) const fn remote_address(&self) -> &Bytes {
        &self.remote.address
    }

    /// True if the dialog requires TLS on every hop.
    pub(crate) const fn is_secure(&self) -> bool {
        self.secure
    }

    /// True if our requests must use TLS: the remote target is a `sips` URI (RFC 3261 section 26.2.2).
    pub(crate) fn needs_tls(&self) -> bool {
        is_sips(&self.target)
    }

    /// Returns the CSeq number of our last request.
    pub(crate) const fn local_seq(&self) -> u32 {
        self.local_seq
    }

    /// True if `id` identifies this dialog.
    pub(crate) fn has_id(&self, id: &DialogId) -> bool {
        self.local.tag == id.local && self.remote.tag == id.remote
    }

    /// Returns our From or To value, with the tag.
    pub(crate) fn local_address(&self) -> &Bytes {
        &self.local.address
    }

    /// Builds a new request with the header fields that the dialog determines (RFC 3261 section 12.2.1.1): Request-URI, Route,
    /// From, To, Call-ID and CSeq.
    pub(crate) fn request(&mut self, method: Method) -> (Request, u32) {
        self.local_seq += 1;
        (self.compose(method, self.local_seq), self.local_seq)
    }

    /// Builds the ACK of a 2xx to our INVITE with this CSeq number (RFC 3261 section 13.2.2.4).
    pub(crate) fn ack(&self, invite: u32) -> Request {
        self.compose(Method::Ack, invite)
    }

    fn compose(&self, method: Method, seq: u32) -> Request {
        let (uri, routes) = self.uri_and_routes();
        let cseq = format!("{seq} {method}");
        let mut request = Request::new(method, uri);
        let headers = request.headers_mut();
        for route in routes {
            headers.push(Name::Route, route);
        }
        headers.push(Name::From, self.local.address.clone());
        headers.push(Name::To, self.remote.address.clone());
        headers.push(Name::CallId, self.call_id.clone());
        headers.push(Name::CSeq, cseq);
        request
    }

    /// Returns the Request-URI and the Route header fields (RFC 3261 section 12.2.1.1). A first route without `lr` is a strict
    /// router. Its URI becomes the Request-URI, and the remote target becomes the last Route.
    fn uri_and_routes(&self) -> (Bytes, Vec<Bytes>) {
        match self.route_set.split_first() {
            Some((first, rest)) if !is_loose(first) => {
                let uri = address_uri(first).unwrap_or_else(|| self.target.clone());
                let target = Bytes::from([b"<", &self.target[..], b">"].concat());
                (uri, rest.iter().cloned().chain([target]).collect())
            }
            Some(_) | None => (self.target.clone(), self.route_set.clone()),
        }
    }

    /// Returns the target of the next request: the first route, or the remote target if there is no route. If the remote target
    /// requires TLS, the route does too (RFC 5630 section 5.1.1).
    pub(crate) fn next_hop(&self) -> Option<Target> {
        let target = match self.route_set.first() {
            Some(route) => Target::of(&address_uri(route)?),
            None => Target::of(&self.target),
        }?;
        Some(Target { secure: target.secure || self.needs_tls(), ..target })
    }

    /// Records the CSeq of a request from the peer (RFC 3261 section 12.2.2). Gaps are allowed.
    pub(crate) fn receive(&mut self, request: &Request) -> Result<(), OutOfOrder> {
        let seq = sequence(request).ok_or(OutOfOrder)?;
        if self.remote_seq.is_some_and(|last| seq < last) {
            return Err(OutOfOrder);
        }
        self.remote_seq = Some(seq);
        Ok(())
    }

    /// Sets the remote target from a target refresh request (RFC 3261 section 12.2.1.2). Returns true if the remote target has
    /// changed.
    pub(crate) fn refresh(&mut self, contact: Bytes) -> bool {
        let changed = self.target != contact;
        self.target = contact;
        changed
    }
}

/// True for a `sips` URI.
pub(crate) fn is_sips(uri: &[u8]) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"))
}

fn is_sips_address(address: &[u8]) -> bool {
    NameAddr::parse(address).is_ok_and(|address| is_sips(address.uri().as_bytes()))
}

fn is_loose(route: &[u8]) -> bool {
    let Ok(route) = NameAddr::parse(route) else { return true };
    route.uri().as_sip().is_none_or(|uri| uri.is_loose_router())
}

/// The CSeq number of our first request in a dialog. RFC 3261 section 8.1.1.5 allows any number.
pub(crate) const FIRST_SEQ: u32 = 1;
