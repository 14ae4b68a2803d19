//! Combinators for values that are rarely read. Only this file uses nom.

use nom::branch::alt;
use nom::bytes::complete::{take_while, take_while1};
use nom::combinator::{all_consuming, opt, recognize};
use nom::error::ErrorKind;
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded, separated_pair, terminated};
use nom::{IResult, Parser};

use crate::error::{ParseError, ParseErrorKind};
use crate::lex::{self, Cursor};
use crate::method::Method;
use crate::param::Params;

/// The result of a combinator: the rest and the value.
pub(crate) type Read<'a, T> = IResult<&'a [u8], T, ReadError>;

/// The kind of an error and its position, counted from the end of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ReadError {
    left: usize,
    kind: ParseErrorKind,
}

impl nom::error::ParseError<&[u8]> for ReadError {
    fn from_error_kind(input: &[u8], _: ErrorKind) -> Self {
        let kind = if input.is_empty() { ParseErrorKind::UnexpectedEnd } else { ParseErrorKind::Unexpected };
        Self { left: input.len(), kind }
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Reads a whole value and ignores white space around it.
pub(crate) fn read<'a, T>(
    value: &'a [u8],
    parser: impl Parser<&'a [u8], Output = T, Error = ReadError>,
) -> Result<T, ParseError> {
    let result = all_consuming(delimited(lws, parser, lws)).parse(value);
    let error = match result {
        Ok((_, read)) => return Ok(read),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => error,
        Err(nom::Err::Incomplete(_)) => ReadError { left: 0, kind: ParseErrorKind::UnexpectedEnd },
    };
    Err(ParseError::new(error.kind, value.len().saturating_sub(error.left)))
}

/// `LWS` with folds; possibly empty.
pub(crate) fn lws(input: &[u8]) -> Read<'_, &[u8]> {
    take_while(|octet| lex::is(octet, lex::WHITE)).parse(input)
}

/// `token`.
pub(crate) fn token(input: &[u8]) -> Read<'_, &[u8]> {
    take_while1(|octet| lex::is(octet, lex::TOKEN)).parse(input)
}

/// One octet with `LWS` around it.
pub(crate) fn separator<'a>(octet: u8) -> impl Parser<&'a [u8], Output = &'a [u8], Error = ReadError> {
    delimited(lws, nom::bytes::complete::take_while_m_n(1, 1, move |found| found == octet), lws)
}

/// A 32-bit number.
pub(crate) fn number(input: &[u8]) -> Read<'_, u32> {
    let (rest, digits) = take_while1(|octet| lex::is(octet, lex::DIGIT)).parse(input)?;
    match lex::number(digits) {
        Some(number) => Ok((rest, number)),
        None => Err(nom::Err::Failure(ReadError { left: input.len(), kind: ParseErrorKind::Number })),
    }
}

/// A quoted string. Returns the text between the quotes.
pub(crate) fn quoted(input: &[u8]) -> Read<'_, &[u8]> {
    with_cursor(input, |cursor| cursor.take_quoted())
}

/// `<...>`. Returns the text between the brackets.
pub(crate) fn angle(input: &[u8]) -> Read<'_, &[u8]> {
    with_cursor(input, |cursor| cursor.take_angle())
}

/// `*( SEMI generic-param )` up to the end.
pub(crate) fn params(input: &[u8]) -> Read<'_, Params<'_>> {
    with_cursor(input, |cursor| Params::read(cursor, |_, _| {}))
}

/// `"(" ... ")"`, possibly nested. Returns the text between the outer parentheses (`comment`).
pub(crate) fn comment(input: &[u8]) -> Read<'_, &[u8]> {
    let mut depth = 0u32;
    let mut octets = input.iter().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'(' => depth += 1,
            _ if depth == 0 => break,
            b')' if depth == 1 => {
                let (inside, rest) = lex::split(input, at);
                return Ok((lex::split(rest, 1).1, lex::split(inside, 1).1));
            }
            b')' => depth -= 1,
            b'\\' => drop(octets.next()),
            _ => {}
        }
    }
    Err(nom::Err::Error(nom::error::ParseError::from_error_kind(input, ErrorKind::Char)))
}

/// The name of a method.
pub(crate) fn method(input: &[u8]) -> Read<'_, Method> {
    let (rest, name) = token(input)?;
    let failed = nom::Err::Error(nom::error::ParseError::from_error_kind(input, ErrorKind::Verify));
    Ok((rest, Method::parse(name).ok_or(failed)?))
}

/// A token, then parameters.
pub(crate) fn token_params(input: &[u8]) -> Read<'_, (&[u8], Params<'_>)> {
    (token, params).parse(input)
}

/// A number, then parameters.
pub(crate) fn number_params(input: &[u8]) -> Read<'_, (u32, Params<'_>)> {
    (number, params).parse(input)
}

/// `type "/" subtype`, then parameters.
pub(crate) fn media(input: &[u8]) -> Read<'_, (&[u8], &[u8], Params<'_>)> {
    let (rest, (kind, subtype)) = separated_pair(token, separator(b'/'), token).parse(input)?;
    let (rest, params) = params(rest)?;
    Ok((rest, (kind, subtype, params)))
}

/// `LWS`, at least one octet.
fn lws1(input: &[u8]) -> Read<'_, &[u8]> {
    take_while1(|octet| lex::is(octet, lex::WHITE)).parse(input)
}

/// Digits with an optional dot.
fn decimal(input: &[u8]) -> Read<'_, &[u8]> {
    take_while1(|octet: u8| octet.is_ascii_digit() || octet == b'.').parse(input)
}

/// `number LWS number LWS method` (RFC 3262 section 7.2).
pub(crate) fn acknowledged(input: &[u8]) -> Read<'_, (u32, u32, Method)> {
    let (rest, (response, _, sequence, _, method)) = (number, lws1, number, lws1, method).parse(input)?;
    Ok((rest, (response, sequence, method)))
}

/// Decimal seconds, and optionally white space and a second number (RFC 3261 section 25.1,
/// `Timestamp`).
pub(crate) fn timestamp(input: &[u8]) -> Read<'_, (&[u8], Option<&[u8]>)> {
    (decimal, opt(preceded(lws1, decimal))).parse(input)
}

/// `delta-seconds [ comment ] *( SEMI retry-param )`.
pub(crate) fn retry_after(input: &[u8]) -> Read<'_, (u32, Option<&[u8]>, Params<'_>)> {
    (number, opt(preceded(lws, comment)), params).parse(input)
}

/// `warn-code SP warn-agent SP warn-text`.
pub(crate) fn warning(input: &[u8]) -> Read<'_, (u32, &[u8], &[u8])> {
    let agent = take_while1(|octet| lex::is(octet, lex::VALUE));
    let (rest, (code, _, agent, _, text)) = (number, lws1, agent, lws1, quoted).parse(input)?;
    Ok((rest, (code, agent, text)))
}

/// `<...>`, then parameters.
pub(crate) fn angle_params(input: &[u8]) -> Read<'_, (&[u8], Params<'_>)> {
    (angle, params).parse(input)
}

/// Tokens separated by this octet. Returns all of them as one text.
pub(crate) fn tokens<'a>(octet: u8) -> impl Parser<&'a [u8], Output = &'a [u8], Error = ReadError> {
    recognize(separated_list1(separator(octet), token))
}

/// `scheme name=value, name=value ...`: a challenge or credentials (RFC 3261 section 25.1). Returns
/// the scheme and the checked list as raw text.
pub(crate) fn authentication(input: &[u8]) -> Read<'_, (&[u8], &[u8])> {
    let (list, scheme) = terminated(token, lws).parse(input)?;
    let (rest, _) = separated_list1(separator(b','), authentication_param).parse(list)?;
    Ok((rest, (scheme, lex::split(list, list.len() - rest.len()).0)))
}

/// `name=value`; the value is a token or a quoted string.
pub(crate) fn authentication_param(input: &[u8]) -> Read<'_, (&[u8], &[u8])> {
    let plain = take_while1(|octet| lex::is(octet, lex::VALUE));
    separated_pair(token, separator(b'='), alt((quoted, plain))).parse(input)
}

/// Takes the first parameter and the comma after it from a list that [`authentication`] checked.
pub(crate) fn next_authentication_param<'a>(list: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (rest, param) = authentication_param(list).ok()?;
    *list = opt(separator(b',')).parse(rest).map_or(rest, |(rest, _)| rest);
    Some(param)
}

/// Runs a parser that is written with [`Cursor`].
fn with_cursor<'a, T>(
    input: &'a [u8],
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, ParseError>,
) -> Read<'a, T> {
    let mut cursor = Cursor::new(input);
    match read(&mut cursor) {
        Ok(read) => Ok((cursor.rest(), read)),
        Err(error) => Err(nom::Err::Error(ReadError {
            left: input.len().saturating_sub(error.offset()),
            kind: error.kind(),
        })),
    }
}
