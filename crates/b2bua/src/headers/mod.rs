//! Reading header fields, and relaying them from one leg to the other.

pub(crate) mod address;
pub(crate) mod contact;
pub(crate) mod dialog_id;
pub(crate) mod dialog_names;
pub(crate) mod options;
pub(crate) mod relay;
pub(crate) mod reply;
pub(crate) mod session;
pub(crate) mod timer;
