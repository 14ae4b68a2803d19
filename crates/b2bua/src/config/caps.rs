//! The caps on what one switchboard holds.

use attesta_sip::Limits as ReadingLimits;

/// The caps on what one switchboard holds. Each bounds memory or work that a stranger could otherwise grow.
#[derive(Clone, Debug)]
pub struct Caps {
    /// Calls that live at a time; one more gets a 503 with Retry-After. Default: 50,000.
    pub calls: usize,
    /// Calls that wait for one certificate; one more is treated as if its budget were over. Default: 1,000.
    pub waiting_per_certificate: usize,
    /// Early dialogs that one call may have at a time; provisional responses of further ones are not relayed. Default: 8.
    pub forks: usize,
    /// Answers in dialogs of their own that one INVITE is taken to have; a 2xx in one more is dropped. The first makes the call,
    /// each other is acknowledged and ended. Default: 8.
    pub answers: usize,
    /// Requests in flight within one dialog; one more gets a 500 with Retry-After. Default: 8.
    pub requests_per_dialog: usize,
    /// Targets, over all destinations they resolve to, that one call tries. Default: 8.
    pub attempts: usize,
    /// Targets that are remembered as set aside; at the cap those whose time ends first are tried again. As many are
    /// remembered as heard of late. Default: 4,096.
    pub set_aside: usize,
    /// Octets of an INVITE that leaves, but for its start line and Via; a call whose INVITE grew beyond gets a 513.
    /// Default: 65,000, which leaves room for both in a UDP datagram.
    pub message: usize,
    /// The limits within which a message is read.
    pub messages: ReadingLimits,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            calls: 50_000,
            waiting_per_certificate: 1_000,
            forks: 8,
            answers: 8,
            requests_per_dialog: 8,
            attempts: 8,
            set_aside: 4_096,
            message: 65_000,
            messages: ReadingLimits::default(),
        }
    }
}
