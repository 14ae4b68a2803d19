//! The limits on the state of one switchboard.

use attesta_sip::Limits as ReadingLimits;

/// The limits on the state of one switchboard. Each bounds memory or work that an unknown sender could otherwise
/// increase.
#[derive(Clone, Debug)]
pub struct Caps {
    /// Calls at a time. A further call gets a 503 with Retry-After. Default: 50,000.
    pub calls: usize,
    /// Calls that wait for one certificate. A further call does not wait, and is treated as if its budget had ended.
    /// Default: 1,000.
    pub waiting_per_certificate: usize,
    /// Certificates that calls from one address wait for, and that no other address requested first. A further call
    /// does not wait, and is treated as if its budget had ended. Default: 64.
    pub certificates_per_source: usize,
    /// Early dialogs of one call at a time. Provisional responses of further early dialogs are not relayed. Default: 8.
    pub forks: usize,
    /// Dialogs in which the 2xx responses to one INVITE may arrive. The first dialog becomes the call. Each other
    /// dialog is acknowledged and ended. A 2xx in a dialog beyond the limit is dropped. Default: 8.
    pub answers: usize,
    /// Requests in progress within one dialog. A further request gets a 500 with Retry-After. Default: 8.
    pub requests_per_dialog: usize,
    /// Addresses that one call tries. The addresses of all its targets count together. Default: 8.
    pub attempts: usize,
    /// Targets that are remembered as out of service. At the limit, the targets whose time ends first are tried again.
    /// The same number of targets is remembered as having responded recently. Default: 4,096.
    pub remembered_targets: usize,
    /// Octets of an outgoing INVITE without its start line and Via. A call whose INVITE has grown beyond the limit gets
    /// a 513. Default: 65,000, so that the start line and Via still fit into a UDP datagram.
    pub message: usize,
    /// The limits for parsing a message.
    pub messages: ReadingLimits,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            calls: 50_000,
            waiting_per_certificate: 1_000,
            certificates_per_source: 64,
            forks: 8,
            answers: 8,
            requests_per_dialog: 8,
            attempts: 8,
            remembered_targets: 4_096,
            message: 65_000,
            messages: ReadingLimits::default(),
        }
    }
}
