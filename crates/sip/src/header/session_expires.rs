use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::param::Params;
use crate::parse;

/// The side that refreshes a session (RFC 4028 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answered the request.
    Uas,
}

/// The value of `Session-Expires`: the time a session lasts without a refresh (RFC 4028 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionExpires<'a> {
    seconds: u32,
    params: Params<'a>,
}

impl<'a> SessionExpires<'a> {
    /// Reads the value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (seconds, params) = parse::read(value, parse::number_params)?;
        Ok(Self { seconds, params })
    }

    /// The interval in seconds.
    pub fn seconds(&self) -> u32 {
        self.seconds
    }

    /// The side that refreshes, if the parameter names a side.
    pub fn refresher(&self) -> Option<Refresher> {
        match self.params.value("refresher")? {
            side if side.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
            side if side.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
            _ => None,
        }
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

impl fmt::Display for SessionExpires<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.seconds, self.params)
    }
}

/// The value of `Min-SE`: the shortest session interval that is accepted (RFC 4028 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MinSe<'a> {
    seconds: u32,
    params: Params<'a>,
}

impl<'a> MinSe<'a> {
    /// Reads the value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (seconds, params) = parse::read(value, parse::number_params)?;
        Ok(Self { seconds, params })
    }

    /// The interval in seconds.
    pub fn seconds(&self) -> u32 {
        self.seconds
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

impl fmt::Display for MinSe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.seconds, self.params)
    }
}

typed!(SessionExpires<'a>, MinSe<'a>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_and_refresher() {
        let expires = SessionExpires::parse(b"1800 ;refresher=UAC").unwrap();
        assert_eq!((expires.seconds(), expires.refresher()), (1800, Some(Refresher::Uac)));
        assert_eq!(SessionExpires::parse(b"90").unwrap().refresher(), None);
        assert_eq!(MinSe::parse(b"90;x=y").unwrap().to_string(), "90;x=y");
        for bad in ["", "x", "-1", "4294967296", "90;;"] {
            assert!(SessionExpires::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
