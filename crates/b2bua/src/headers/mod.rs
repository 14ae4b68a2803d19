//! What is read out of header fields, and what crosses from leg to leg.

pub(crate) mod address;
pub(crate) mod dialog_id;
pub(crate) mod relay;
pub(crate) mod reply;
pub(crate) mod session;
