use std::fmt;

use crate::error::{ParseError, ParseErrorKind};
use crate::header::typed::typed;
use crate::lex;
use crate::parse;

/// One value of `Resource-Priority`: a namespace and a priority, both compared without case (RFC
/// 4412 section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResourcePriority<'a> {
    namespace: &'a [u8],
    priority: &'a [u8],
}

impl<'a> ResourcePriority<'a> {
    /// Reads one value: two tokens separated by one dot.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let value = parse::read(value, parse::token)?;
        match lex::split_once(value, b'.') {
            Some((namespace, priority))
                if !namespace.is_empty() && !priority.is_empty() && !priority.contains(&b'.') =>
            {
                Ok(Self { namespace, priority })
            }
            Some(_) | None => Err(ParseError::new(ParseErrorKind::Unexpected, 0)),
        }
    }

    /// The namespace: `ets`, `wps`, `dsn` or another namespace.
    pub fn namespace(&self) -> &'a [u8] {
        self.namespace
    }

    /// The priority within the namespace.
    pub fn priority(&self) -> &'a [u8] {
        self.priority
    }
}

typed!(ResourcePriority<'a>);

impl fmt::Display for ResourcePriority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", lex::text(self.namespace), lex::text(self.priority))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_and_priority() {
        let priority = ResourcePriority::parse(b"dsn.flash").unwrap();
        assert_eq!((priority.namespace(), priority.priority()), (&b"dsn"[..], &b"flash"[..]));
        for bad in ["", "dsn", ".flash", "dsn.", "a.b.c", "dsn . flash"] {
            assert!(ResourcePriority::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
