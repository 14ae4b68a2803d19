use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::lex;
use crate::param::Params;
use crate::parse;

/// The value of `Event` (RFC 6665 section 8.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event<'a> {
    package: &'a [u8],
    params: Params<'a>,
}

impl<'a> Event<'a> {
    /// Reads the value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (package, params) = parse::read(value, parse::token_params)?;
        Ok(Self { package, params })
    }

    /// The event package with its templates. Packages are compared with case.
    pub fn package(&self) -> &'a [u8] {
        self.package
    }

    /// The `id` parameter, which distinguishes the subscriptions of one dialog.
    pub fn id(&self) -> Option<&'a [u8]> {
        self.params.value("id")
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", lex::text(self.package), self.params)
    }
}

/// The value of `Subscription-State` (RFC 6665 section 8.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubscriptionState<'a> {
    state: &'a [u8],
    params: Params<'a>,
}

impl<'a> SubscriptionState<'a> {
    /// Reads the value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (state, params) = parse::read(value, parse::token_params)?;
        Ok(Self { state, params })
    }

    /// The state: `active`, `pending`, `terminated` or another token.
    pub fn state(&self) -> &'a [u8] {
        self.state
    }

    /// Whether the subscription has ended.
    pub fn is_terminated(&self) -> bool {
        self.state.eq_ignore_ascii_case(b"terminated")
    }

    /// The reason for which the subscription ended.
    pub fn reason(&self) -> Option<&'a [u8]> {
        self.params.value("reason")
    }

    /// The remaining time of the subscription, in seconds.
    pub fn expires(&self) -> Option<u32> {
        lex::number(self.params.value("expires")?)
    }

    /// The time to wait before a new subscription, in seconds.
    pub fn retry_after(&self) -> Option<u32> {
        lex::number(self.params.value("retry-after")?)
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

impl fmt::Display for SubscriptionState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", lex::text(self.state), self.params)
    }
}

typed!(Event<'a>, SubscriptionState<'a>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_and_state() {
        let event = Event::parse(b"presence.winfo;id=7").unwrap();
        assert_eq!((event.package(), event.id()), (&b"presence.winfo"[..], Some(&b"7"[..])));
        let state = SubscriptionState::parse(b"terminated;reason=probation;retry-after=30").unwrap();
        assert!(state.is_terminated());
        assert_eq!((state.reason(), state.retry_after()), (Some(&b"probation"[..]), Some(30)));
        assert_eq!(SubscriptionState::parse(b"active;expires=600").unwrap().expires(), Some(600));
        assert!(Event::parse(b"").is_err() && SubscriptionState::parse(b"a b").is_err());
    }
}
