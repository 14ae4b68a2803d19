//! A request that waits for a dialog of another worker.

use std::time::Instant;

use attesta_sip::Request;
use attesta_transaction::{Flow, ServerId};

use crate::headers::dialog_names::DialogName;
use crate::token::Token;

/// A request in a dialog, with a header field that names a dialog of another worker.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) id: ServerId,
    pub(super) request: Request,
    pub(super) flow: Flow,
    /// The dialogs that other workers know, by the name in the request.
    pub(super) answers: Answers,
    /// The dialog that was asked for last.
    pub(super) asked: DialogName,
    /// The token of the question, once it is asked.
    pub(super) token: Option<Token>,
    /// When the request gets a 481.
    pub(super) until: Instant,
    pub(super) alarm: Option<Instant>,
}

/// The answers of other workers. `None`: there is no such dialog.
pub(super) type Answers = Vec<(DialogName, Option<DialogName>)>;
