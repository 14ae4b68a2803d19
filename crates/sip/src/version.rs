/// The version of a start line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Version {
    /// `SIP/2.0`, the only one there is.
    Sip2,
    /// A well-formed version of another number, which deserves 505.
    Other,
}
