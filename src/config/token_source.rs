//! The places of a request where a token may be, as written in `sources`.

/// A place where a credential may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// `query:NAME`: a parameter of the query string; of several, the last, as in Django.
    Query(String),
    /// A header with a scheme and a token.
    Header(TokenHeader),
    /// `cookie:NAME`: a cookie; later duplicates win, as in Django.
    Cookie(String),
    /// `subprotocol`: `["access_token", "<jwt>"]`, `["Bearer", "<jwt>"]`, `access_token.<jwt>` or a bare `"<jwt>"`.
    Subprotocol,
    /// `subprotocol:NAME`: `["NAME", "<token>"]` or `NAME.<token>`.
    NamedSubprotocol(String),
}

/// A header with a token.
///
/// `header` is simplejwt's default, `Authorization: Bearer <token>`; `header:JWT` has another scheme
/// (`AUTH_HEADER_TYPES`), `header:X-Access-Token` another name (`AUTH_HEADER_NAME`), `header:X-Access-Token:JWT` both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHeader {
    /// Its name, in small letters; `None`: `authorization`.
    pub name: Option<String>,
    /// The word before the token.
    pub scheme: String,
    /// Whether the token may stand there alone, as other servers than Django have it in headers of their own.
    pub bare: bool,
}

impl Default for TokenHeader {
    fn default() -> Self {
        Self { name: None, scheme: "Bearer".to_owned(), bare: false }
    }
}

/// The valid forms, for errors.
const FORMS: &str =
    "query:NAME, header, header:SCHEME, header:NAME-OF-HEADER, cookie:NAME, subprotocol, subprotocol:NAME";

impl TokenSource {
    /// Parses one entry of a `sources` list. The error names the entry and the valid forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name)));
        let is_word = |name: &str| !name.is_empty() && name.bytes().all(is_token_byte);
        match (kind, name) {
            ("query" | "cookie", None | Some("")) => Err(format!("{text:?} needs a name, as in \"{kind}:token\"")),
            ("header" | "subprotocol", Some("")) => Err(format!("{text:?} has an empty name; write \"{kind}\"")),
            ("query", Some(name)) => Ok(Self::Query(name.to_owned())),
            ("header", None) => Ok(Self::Header(TokenHeader::default())),
            ("header", Some(name)) if name.split(':').all(is_word) && name.split(':').count() <= 2 => {
                Ok(Self::Header(header(name)))
            }
            ("cookie", Some(name)) if is_word(name) => Ok(Self::Cookie(name.to_owned())),
            ("subprotocol", None) => Ok(Self::Subprotocol),
            ("subprotocol", Some(name)) if is_word(name) => Ok(Self::NamedSubprotocol(name.to_owned())),
            ("header" | "cookie" | "subprotocol", Some(_)) => {
                Err(format!("{text:?}: the name after ':' has a character that cannot be in a {kind}"))
            }
            _ => Err(format!("unknown source {text:?}; known: {FORMS}")),
        }
    }
}

/// `NAME:SCHEME`, or one of the two: a scheme is one word, and the name of a header of one's own has a hyphen.
fn header(text: &str) -> TokenHeader {
    if let Some((name, scheme)) = text.split_once(':') {
        return TokenHeader { name: Some(header_name(name)), scheme: scheme.to_owned(), bare: false };
    }
    let name = header_name(text);
    match name == "authorization" || name.contains('-') {
        true => TokenHeader { name: Some(name), bare: true, ..TokenHeader::default() },
        false => TokenHeader { scheme: text.to_owned(), ..TokenHeader::default() },
    }
}

/// A header's name in small letters, also from Django's spelling `HTTP_X_ACCESS_TOKEN`.
fn header_name(text: &str) -> String {
    match text.strip_prefix("HTTP_") {
        Some(name) => name.replace('_', "-").to_ascii_lowercase(),
        None => text.to_ascii_lowercase(),
    }
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_parsed_or_refused_with_the_valid_forms() {
        assert_eq!(TokenSource::parse("query:token"), Ok(TokenSource::Query("token".into())));
        assert_eq!(TokenSource::parse("subprotocol:app.token"), Ok(TokenSource::NamedSubprotocol("app.token".into())));
        for bad in ["", "query", "query:", "cookie", "header:", "subprotocol:", "cookie:a b", "cookies:x", "Query:x"] {
            let error = TokenSource::parse(bad).unwrap_err();
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
        for bad in ["header:a b", "header::", "header:X-A:", "header:X-A:B:C", "header:X-A B"] {
            assert!(TokenSource::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_header_has_a_scheme_or_a_name_of_its_own_as_simplejwt_has_both() {
        let read = |text: &str| match TokenSource::parse(text) {
            Ok(TokenSource::Header(TokenHeader { name, scheme, bare })) => (name, scheme, bare),
            other => panic!("{text}: {other:?}"),
        };
        let named = |name: &str, scheme: &str, bare| (Some(name.to_owned()), scheme.to_owned(), bare);
        assert_eq!(read("header"), (None, "Bearer".to_owned(), false));
        assert_eq!(read("header:JWT"), (None, "JWT".to_owned(), false));
        assert_eq!(read("header:X-Access-Token"), named("x-access-token", "Bearer", true));
        assert_eq!(read("header:HTTP_X_ACCESS_TOKEN"), named("x-access-token", "Bearer", true));
        assert_eq!(read("header:Authorization"), named("authorization", "Bearer", true));
        assert_eq!(read("header:Token:JWT"), named("token", "JWT", false));
    }
}
