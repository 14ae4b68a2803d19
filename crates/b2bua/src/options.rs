//! OPTIONS requests to this edge (RFC 3261 section 11.2).

use attesta_sip::{Name, Request, Status};
use attesta_transaction::ServerId;

use crate::env::Env;
use crate::headers::relay;

/// Answers with the methods, bodies and extensions that the edge supports.
pub(crate) fn answer(id: ServerId, request: &Request, env: &mut Env<'_>) {
    let mut response = env.reply(request, Status::OK);
    let headers = response.headers_mut();
    headers.push(Name::Allow, relay::ALLOW);
    headers.push(Name::Accept, "*/*");
    headers.push(Name::Supported, relay::OPTIONS.join(", "));
    env.respond(id, &response);
}
