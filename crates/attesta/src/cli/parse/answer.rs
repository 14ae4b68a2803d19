//! The response of the edge to a single message outside a dialog.

use attesta_b2bua::answer_alone;
use attesta_sip::{Invalid, Message, Status};

/// Returns the final response to `message`, or `None` if the edge sends no immediate response. `fault` is the fault in the
/// message, if there is one.
pub(super) fn answer(message: &Message, fault: Option<&Invalid>) -> Option<Status> {
    match (fault, message) {
        (Some(fault), _) => fault.answer(),
        (None, Message::Request(request)) => answer_alone(request),
        (None, Message::Response(_)) => None,
    }
}
