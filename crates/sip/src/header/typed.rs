use crate::error::ParseError;
use crate::header::headers::Headers;
use crate::header::name::{Name, Shape};
use crate::header::values::Values;

/// A header value that can be parsed from octets.
pub trait Typed<'a>: Sized {
    /// The header of this value.
    const NAME: Name;

    /// Reads one value.
    fn parse(value: &'a [u8]) -> Result<Self, ParseError>;
}

impl Headers {
    /// Reads the first value on the first line of a header; `None` if there is no line, or if the
    /// line is an empty list.
    ///
    /// ```
    /// use attesta_sip::{CSeq, Headers, Method, Name};
    ///
    /// let mut headers = Headers::new();
    /// headers.push(Name::CSeq, "314159 INVITE");
    /// let cseq: CSeq = headers.read().unwrap()?;
    /// assert_eq!((cseq.number(), cseq.method()), (314_159, &Method::Invite));
    /// # Ok::<(), attesta_sip::ParseError>(())
    /// ```
    pub fn read<'a, T: Typed<'a>>(&'a self) -> Option<Result<T, ParseError>> {
        let line = self.get(T::NAME)?;
        let list = matches!(T::NAME.shape(), Shape::List);
        let value = if list { Values::list(line).next()? } else { line };
        Some(T::parse(value))
    }

    /// Reads each value of a header.
    pub fn read_all<'a, T: Typed<'a>>(&'a self) -> impl Iterator<Item = Result<T, ParseError>> {
        self.values(T::NAME).map(T::parse)
    }
}

/// Implements [`Typed`] through the `parse` function of each type.
macro_rules! typed {
    ($($type:ident $(<$life:lifetime>)?),+ $(,)?) => {$(
        impl<'a> $crate::header::typed::Typed<'a> for $type $(<$life>)? {
            const NAME: $crate::header::name::Name = $crate::header::name::Name::$type;

            fn parse(value: &'a [u8]) -> Result<Self, $crate::error::ParseError> {
                Self::parse(value)
            }
        }
    )+};
}
pub(crate) use typed;
