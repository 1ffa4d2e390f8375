//! Hashes and encodings as filters, with the results of Python's `hashlib`, `base64` and `urllib.parse`.
//!
//! In: text (its UTF-8), bytes, or an integer (its digits). Out: text. The result of a hash has a known shape, by which
//! names are told apart; who chose the value remains who chose the result.

use std::borrow::Cow;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use md5::Md5;
use minijinja::{Environment, Error, ErrorKind, Value as Jinja, value::ValueKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{
    functions::take,
    view::{as_text, is_integer},
};
use crate::event::surrogate;

/// What `urllib.parse.quote` leaves as it is, besides letters and digits.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~').remove(b'/');

/// The hashes, with the number of hexadecimal digits of their results.
const HASHES: [(&str, u8); 4] = [("md5", 32), ("sha1", 40), ("sha256", 64), ("sha512", 128)];

/// Adds the filters.
pub fn add_to(environment: &mut Environment<'static>) {
    environment.add_filter("md5", hash::<Md5>);
    environment.add_filter("sha1", hash::<Sha1>);
    environment.add_filter("sha256", hash::<Sha256>);
    environment.add_filter("sha512", hash::<Sha512>);
    environment.add_filter("hex", |value: &Jinja| {
        if is_integer(value) {
            let reason = "hex takes text or bytes; the hexadecimal digits of an integer are those of Python's hex()";
            return Err(Error::new(ErrorKind::InvalidOperation, reason));
        }
        let bytes = bytes(value, "hex")?;
        take(2 * bytes.len())?;
        Ok(digits(&bytes))
    });
    environment.add_filter("base64", |value: &Jinja| encode(value, "base64", |bytes| STANDARD.encode(bytes)));
    environment.add_filter("base64url", |value: &Jinja| encode(value, "base64url", |bytes| URL_SAFE.encode(bytes)));
    environment.add_filter("urlencode", |value: &Jinja| {
        encode(value, "urlencode", |bytes| percent_encode(bytes, QUOTED).to_string())
    });
}

/// The number of hexadecimal digits that this expression always gives, if it ends in a hash.
///
/// A filter binds closer than an operator: before the hash there must be a name, with filters or not, or one value in
/// parentheses.
pub fn digest_length(source: &str) -> Option<u8> {
    let (value, filter) = source.trim().rsplit_once('|')?;
    let (_, length) = HASHES.iter().find(|(name, _)| *name == filter.trim())?;
    let value = value.trim();
    let is_name = |word: &str| {
        let word = word.trim();
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
    };
    (value.split('|').all(is_name) || is_in_parentheses(value)).then_some(*length)
}

/// Whether the first parenthesis is closed by the last one. Text with quotes is not examined.
fn is_in_parentheses(value: &str) -> bool {
    let mut depth = 0_usize;
    value.starts_with('(')
        && !value.contains(['"', '\''])
        && value.char_indices().all(|(at, c)| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth > 0 || at + c.len_utf8() == value.len()
        })
        && depth == 0
}

fn hash<D: Digest>(value: &Jinja) -> Result<String, Error> {
    Ok(digits(&D::digest(bytes(value, "a hash")?)))
}

fn encode(value: &Jinja, name: &str, encode: impl FnOnce(&[u8]) -> String) -> Result<String, Error> {
    let bytes = bytes(value, name)?;
    take(3 * bytes.len() + 4)?;
    Ok(encode(&bytes))
}

fn digits(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

fn bytes<'a>(value: &'a Jinja, name: &str) -> Result<Cow<'a, [u8]>, Error> {
    if let Some(text) = as_text(value) {
        let text = surrogate::tighten(text);
        if surrogate::has_lone(&text) {
            let reason = "half of a surrogate pair has no UTF-8 (Python's encode() fails on it, too)";
            return Err(Error::new(ErrorKind::InvalidOperation, reason));
        }
        return Ok(surrogate::lossy(&text).into_owned().into_bytes().into());
    }
    match (value.as_bytes(), value.kind()) {
        (Some(bytes), _) => Ok(bytes.into()),
        (None, ValueKind::Undefined) => Err(ErrorKind::UndefinedError.into()),
        (None, _) if is_integer(value) => Ok(value.to_string().into_bytes().into()),
        (None, kind) => {
            let reason = format!("{name} takes text, bytes or an integer, not {kind}");
            Err(Error::new(ErrorKind::InvalidOperation, reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_of_a_hash_has_a_known_length_if_nothing_else_is_in_the_expression() {
        for (source, length) in [
            ("query.x | sha256", Some(64)),
            (" user.id|md5 ", Some(32)),
            ("query.x | lower | sha1", Some(40)),
            ("(query.a ~ query.b) | sha512", Some(128)),
            ("((query.a) ~ (query.b)) | md5", Some(32)),
            ("query.a ~ query.b | sha256", None),
            ("(query.a) ~ (query.b) | sha256", None),
            ("query.a if query.b else query.c | md5", None),
            ("query.x | sha256 | upper", None),
            ("query.x | base64", None),
            ("'(' ~ query.x ~ ')' | md5", None),
            ("| md5", None),
            ("query.x", None),
        ] {
            assert_eq!(digest_length(source), length, "{source}");
        }
    }
}
