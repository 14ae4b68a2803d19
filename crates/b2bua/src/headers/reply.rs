//! Our own responses.

use attesta_sip::{Name, Request, Response, Status};
use attesta_transaction::Tag;

use crate::headers::address::{tag, tagged};

/// A response to a request. If the request has no To tag, the response gets the tag `own`, except a 100.
pub(crate) fn reply_tagged(request: &Request, status: Status, own: &Tag) -> Response {
    let mut response = Response::to_request(request, status);
    let to = request.headers().get(Name::To).unwrap_or_default();
    if status != Status::TRYING && tag(to).is_none() {
        response.headers_mut().set(Name::To, tagged(to, own));
    }
    response
}
