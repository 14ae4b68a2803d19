//! What this element would answer to one message alone.

use attesta_sip::{Message, Method, Rules, Status};

/// The rules of a back-to-back user agent: what it answers itself, and what it would send on.
pub(super) fn rules() -> Rules {
    let methods = [
        Method::Invite,
        Method::Ack,
        Method::Bye,
        Method::Cancel,
        Method::Options,
        Method::Prack,
        Method::Update,
        Method::Info,
        Method::Message,
        Method::Refer,
        Method::Notify,
    ];
    Rules::default()
        .methods(methods)
        .schemes(["sip", "sips", "tel", "urn"])
        .extensions(["100rel"])
        .forwards(true)
}

/// The final response to `message` outside any dialog; `None` if it gets none at once.
pub(super) fn answer(rules: &Rules, message: &Message) -> Option<Status> {
    rules.check(message).err()?.answer()
}
