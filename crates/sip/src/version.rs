/// The version in a start line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Version {
    /// `SIP/2.0`, the only existing version.
    Sip2,
    /// A well-formed version with another number; such a request gets 505.
    Other,
}
