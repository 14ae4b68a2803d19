//! Our Contact on a leg (RFC 3261 sections 8.1.1.8 and 12.1.1).

use attesta_sip::{Headers, Method, Name, NameAddr, Status};

use crate::headers::address::pieces;

/// Our Contact on a leg. `own` is the address of our listener in angle brackets. `model` has the Contact of the other side.
/// If `relays_params` is true, our Contact gets the user part and the feature tags of that Contact.
pub(crate) fn contact_for(own: String, relays_params: bool, model: &Headers) -> String {
    if relays_params { with_params_of(&own, model).unwrap_or(own) } else { own }
}

/// `None` if the other side has no Contact, if its Contact has no SIP URI, or if our Contact would be longer than
/// [`MAX_CONTACT`].
fn with_params_of(own: &str, model: &Headers) -> Option<String> {
    let address = NameAddr::parse(model.values(Name::Contact).next()?).ok()?;
    let uri = address.uri();
    let user = uri.as_sip()?.user().map(std::str::from_utf8).transpose().ok()?;
    let (scheme, rest) = own.strip_prefix('<')?.split_once(':')?;
    let mut contact = match user {
        Some(user) => format!("<{scheme}:{user}@{rest}"),
        None => own.to_owned(),
    };
    for piece in pieces(address.params().as_bytes()) {
        let piece = std::str::from_utf8(piece).ok()?.trim();
        let name = piece.split('=').next().unwrap_or_default().trim_end();
        if !OF_ONE_HOP.iter().any(|each| name.eq_ignore_ascii_case(each)) {
            contact.push(';');
            contact.push_str(piece);
        }
    }
    (contact.len() <= MAX_CONTACT).then_some(contact)
}

/// True if a request of this method always has a Contact: INVITE (RFC 3261 section 8.1.1.8), UPDATE (RFC 3311 section 5.1),
/// SUBSCRIBE and NOTIFY (RFC 6665 section 8.2), REFER (RFC 3515 section 2.1).
pub(crate) fn is_owed_in_request(method: &Method) -> bool {
    [Method::Invite, Method::Update, Method::Subscribe, Method::Refer, Method::Notify].contains(method)
}

/// True if a response with this status to a request of this method always has a Contact: a response that creates a dialog
/// (RFC 3261 section 12.1.1), or the 2xx to a target refresh request.
pub(crate) fn is_owed_in_response(method: &Method, status: Status) -> bool {
    let refreshes = [Method::Invite, Method::Update, Method::Subscribe, Method::Refer].contains(method);
    (status.is_success() && refreshes)
        || (status.is_provisional() && status != Status::TRYING && *method == Method::Invite)
}

/// The parameters of a Contact that concern one hop or a registrar: RFC 3261 section 20.10, RFC 5626, RFC 5627.
const OF_ONE_HOP: [&str; 7] = ["q", "expires", "tag", "reg-id", "ob", "pub-gruu", "temp-gruu"];

/// The maximum length, in octets, of our Contact with the parameters of the other side. If the Contact would be longer, we send
/// only our address.
const MAX_CONTACT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(relays_params: bool, model: &str) -> String {
        let mut headers = Headers::new();
        headers.push(Name::Contact, model);
        contact_for("<sips:192.0.2.9:5061>".to_owned(), relays_params, &headers)
    }

    #[test]
    fn the_user_part_and_the_feature_tags_cross_if_the_trunk_asks_for_them() {
        let model = "\"Bob\" <sip:bob%40x@192.0.2.1;transport=tcp;lr>;q=0.5;isfocus;+g.3gpp.icsi-ref=\"a;b\";expires=9";
        assert_eq!(contact(false, model), "<sips:192.0.2.9:5061>");
        assert_eq!(contact(true, model), "<sips:bob%40x@192.0.2.9:5061>;isfocus;+g.3gpp.icsi-ref=\"a;b\"");
        assert_eq!(contact(true, "<sip:192.0.2.1>"), "<sips:192.0.2.9:5061>");
    }

    #[test]
    fn a_contact_that_cannot_cross_leaves_our_own() {
        let long = format!("<sip:a@192.0.2.1>;x=\"{}\"", "y".repeat(MAX_CONTACT));
        for model in ["*", "<tel:+1215>", "garbage <", long.as_str()] {
            assert_eq!(contact(true, model), "<sips:192.0.2.9:5061>", "{model}");
        }
    }
}
