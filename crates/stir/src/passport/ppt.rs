//! The types of PASSporTs (RFC 8225 section 8.1).

use std::fmt;

/// The type of a PASSporT: the `ppt` header parameter (RFC 8225 section 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Ppt {
    /// No `ppt`: the base PASSporT of RFC 8225.
    Base,
    /// `shaken`: RFC 8588.
    Shaken,
    /// `div`: a diversion, RFC 8946.
    Div,
    /// `div-o`: a diversion that contains the original PASSporT, RFC 8946 section 5.
    DivO,
    /// `rcd`: rich call data, RFC 9795.
    Rcd,
    /// `rph`: resource priority, RFC 8443.
    Rph,
    /// `msg`: a message, RFC 9475.
    Msg,
}

impl Ppt {
    /// The type with this `ppt` parameter. `None` if the type is unknown.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "shaken" => Self::Shaken,
            "div" => Self::Div,
            "div-o" => Self::DivO,
            "rcd" => Self::Rcd,
            "rph" => Self::Rph,
            "msg" => Self::Msg,
            _ => return None,
        })
    }

    /// The value of the `ppt` parameter, or `base` for the type without a `ppt` parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Shaken => "shaken",
            Self::Div => "div",
            Self::DivO => "div-o",
            Self::Rcd => "rcd",
            Self::Rph => "rph",
            Self::Msg => "msg",
        }
    }
}

impl fmt::Display for Ppt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
