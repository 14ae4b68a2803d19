//! What this element would answer to one message alone.

use attesta_b2bua::answer_alone;
use attesta_sip::{Invalid, Message, Status};

/// The final response to `message`, of which `fault` is what its form lacks; `None` if it gets none at once.
pub(super) fn answer(message: &Message, fault: Option<&Invalid>) -> Option<Status> {
    match (fault, message) {
        (Some(fault), _) => fault.answer(),
        (None, Message::Request(request)) => answer_alone(request),
        (None, Message::Response(_)) => None,
    }
}
