//! Finds a credential in the head of a handshake request, and the subprotocol to echo for it.
//!
//! In: a [`RequestHead`]. Out: a [`Credential`], or nothing. It validates no token, and shows none in `Debug`.

use std::{borrow::Cow, fmt};

use percent_encoding::percent_decode_str;

use super::AuthConfigError;
use crate::config::{TokenHeader, TokenSource};

/// The parts of a handshake request that identify the client.
#[derive(Clone, Default)]
pub struct RequestHead<'a> {
    /// The raw query string, without `?`.
    pub query: &'a str,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The other headers.
    pub headers: Option<&'a dyn Headers>,
    /// The `Cookie` headers, in order.
    pub cookie: Vec<Cow<'a, str>>,
    /// The `Sec-WebSocket-Protocol` header; several joined with `,`.
    pub subprotocols: Cow<'a, str>,
    /// The `Origin` header.
    pub origin: Option<&'a str>,
    /// The `Host` header.
    pub host: Option<&'a str>,
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead").field("origin", &self.origin).field("host", &self.host).finish_non_exhaustive()
    }
}

/// A credential, not verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The token.
    pub token: String,
    /// The subprotocol to echo, if the token came in one: browsers drop a connection that echoes none.
    pub subprotocol: Option<String>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(***)")
    }
}

/// The names that precede a token in the `subprotocol` source.
const MARKERS: [&str; 2] = ["access_token", "Bearer"];

/// Parses a whole `sources` list; `key` is its name in the file.
pub fn parse_sources(key: &str, texts: &[String]) -> Result<Vec<TokenSource>, AuthConfigError> {
    if texts.is_empty() {
        return Err(AuthConfigError::new(key, "lists no source, so no token could be found"));
    }
    let parse = |(index, text): (usize, &String)| {
        TokenSource::parse(text).map_err(|reason| AuthConfigError::new(format!("{key}[{index}]"), reason))
    };
    texts.iter().enumerate().map(parse).collect()
}

/// Headers by name, as the web framework keeps them.
pub trait Headers {
    /// The value of the header with this name in small letters, if it is text.
    fn text(&self, name: &str) -> Option<&str>;
}

impl TokenSource {
    /// The credential in this source, if there is one.
    pub fn find(&self, head: &RequestHead<'_>) -> Option<Credential> {
        let plain = |token: String| Credential { token: without_scheme(token), subprotocol: None };
        match self {
            Self::Query(name) => parameter(head.query, name).map(plain),
            Self::Header(header) => match header.read(head) {
                Authorization::Token(token) => Some(plain(token.to_owned())),
                Authorization::None | Authorization::Malformed => None,
            },
            Self::Cookie(name) => cookie(&head.cookie, name).map(plain),
            Self::Subprotocol => subprotocol(&head.subprotocols, &MARKERS, true),
            Self::NamedSubprotocol(name) => subprotocol(&head.subprotocols, &[name], false),
        }
    }
}

impl TokenHeader {
    /// What this header of a request has.
    pub fn read<'a>(&self, head: &RequestHead<'a>) -> Authorization<'a> {
        let value = match self.name.as_deref() {
            None | Some("authorization") => head.authorization,
            Some(name) => head.headers.and_then(|headers| headers.text(name)),
        };
        match authorization(value, &self.scheme) {
            Authorization::None if self.bare => match value.unwrap_or_default().trim() {
                token if token.is_empty() || token.contains(char::is_whitespace) => Authorization::None,
                token => Authorization::Token(token),
            },
            read => read,
        }
    }
}

/// The names of the headers that sources read besides `Authorization`.
pub fn header_names<'a>(sources: impl IntoIterator<Item = &'a TokenSource>) -> Vec<Box<str>> {
    let named = sources.into_iter().filter_map(|source| match source {
        TokenSource::Header(TokenHeader { name: Some(name), .. }) if name != "authorization" => {
            Some(name.as_str().into())
        }
        _ => None,
    });
    let mut names: Vec<Box<str>> = named.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A token as clients write it outside of headers: alone, or after `Bearer`.
pub fn bare(text: &str) -> &str {
    match authorization(Some(text), "Bearer") {
        Authorization::Token(token) => token,
        Authorization::None | Authorization::Malformed => text.trim(),
    }
}

/// The same for a token that is owned.
fn without_scheme(token: String) -> String {
    match bare(&token) {
        whole if whole.len() == token.len() => token,
        part => part.to_owned(),
    }
}

/// The first credential in any of `sources`, in order.
pub fn find(sources: &[TokenSource], head: &RequestHead<'_>) -> Option<Credential> {
    sources.iter().find_map(|source| source.find(head))
}

/// The content of an `Authorization` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization<'a> {
    /// No header of this scheme.
    None,
    /// The scheme with no token, or with more than one.
    Malformed,
    /// The token.
    Token(&'a str),
}

/// Parses an `Authorization` header of one scheme (RFC 9110 §11.1: schemes ignore case).
pub fn authorization<'a>(header: Option<&'a str>, scheme: &str) -> Authorization<'a> {
    let mut words = header.unwrap_or_default().split_ascii_whitespace();
    if !words.next().is_some_and(|word| word.eq_ignore_ascii_case(scheme)) {
        return Authorization::None;
    }
    match (words.next(), words.next()) {
        (Some(token), None) => Authorization::Token(token),
        _ => Authorization::Malformed,
    }
}

/// The last value of a parameter of the query string, as in Django; not an empty one.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let last = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name).last();
    last.filter(|(_, value)| !value.is_empty()).map(|(_, value)| value.into_owned())
}

/// A cookie's value, as `django.http.cookie.parse_cookie` reads it.
pub(super) fn cookie(headers: &[Cow<'_, str>], name: &str) -> Option<String> {
    let pairs = headers.iter().flat_map(|header| header.split(';'));
    let mut values = pairs.filter_map(|pair| pair.split_once('=')).filter(|(key, _)| key.trim() == name);
    let value = values.next_back()?.1.trim();
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let value = quoted.map_or_else(|| value.to_owned(), unquoted);
    (!value.is_empty()).then_some(value)
}

/// `http.cookies._unquote` of Python: a backslash stands before a character, or before three octal digits.
fn unquoted(text: &str) -> String {
    let mut rest = text.chars();
    let mut value = String::with_capacity(text.len());
    while let Some(one) = rest.next() {
        let octal = rest.as_str().get(..3).filter(|digits| is_octal(digits.as_bytes()));
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            _ if one != '\\' => value.push(one),
            Some(byte) => {
                value.push(char::from(byte));
                rest.nth(2);
            }
            None => value.push(rest.next().unwrap_or(one)),
        }
    }
    value
}

fn is_octal(digits: &[u8]) -> bool {
    matches!(digits, [b'0'..=b'3', b'0'..=b'7', b'0'..=b'7'])
}

/// A token among the offered subprotocols. The token is never echoed, unless nothing else was offered.
pub(super) fn subprotocol(offered: &str, markers: &[&str], bare: bool) -> Option<Credential> {
    let offered: Vec<&str> = offered.split(',').map(str::trim).filter(|element| !element.is_empty()).collect();
    let is_marker = |element: &str| markers.iter().any(|marker| element.eq_ignore_ascii_case(marker));
    let credential = |token: &str, echo: &str| {
        // Daphne decodes percent signs in this header; a browser permits no other form of `=` and `/`.
        let token = percent_decode_str(token).decode_utf8().unwrap_or(Cow::Borrowed(token)).into_owned();
        Credential { token: without_scheme(token), subprotocol: Some(echo.to_owned()) }
    };
    if let Some(pair) = offered.windows(2).find(|pair| is_marker(pair[0])) {
        return Some(credential(pair[1], pair[0]));
    }
    let is_secret = |element: &str| looks_like_jwt(element) || dotted(element, markers).is_some();
    for (index, element) in offered.iter().enumerate() {
        if let Some(token) = dotted(element, markers).or((bare && looks_like_jwt(element)).then_some(element)) {
            let other = offered.iter().enumerate().find(|(at, other)| *at != index && !is_secret(other));
            return Some(credential(token, other.map_or(*element, |(_, other)| *other)));
        }
    }
    None
}

/// The token of `access_token.<token>`.
fn dotted<'a>(element: &'a str, markers: &[&str]) -> Option<&'a str> {
    markers.iter().find_map(|marker| {
        let head = element.get(..marker.len())?;
        let token = element.get(marker.len()..)?.strip_prefix('.')?;
        (head.eq_ignore_ascii_case(marker) && !token.is_empty()).then_some(token)
    })
}

/// Whether it has three parts of base64url, the first of which begins like a JSON object.
pub fn looks_like_jwt(text: &str) -> bool {
    let is_part = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='));
    text.starts_with("ey") && text.split('.').count() == 3 && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjo3fQ.c2lnbmF0dXJl";

    fn head<'a>() -> RequestHead<'a> {
        RequestHead::default()
    }

    fn found(source: &str, head: &RequestHead<'_>) -> Option<(String, Option<String>)> {
        TokenSource::parse(source).unwrap().find(head).map(|credential| (credential.token, credential.subprotocol))
    }

    #[test]
    fn a_wrong_source_is_refused_with_its_key() {
        let error = parse_sources("auth.jwt.sources", &["header".into(), "quary:token".into()]).unwrap_err();
        assert_eq!(error.key, "auth.jwt.sources[1]");
        assert!(parse_sources("auth.jwt.sources", &[]).is_err());
    }

    #[test]
    fn the_query_is_decoded_and_of_several_the_last_counts_as_in_django() {
        let with = |query| RequestHead { query, ..head() };
        assert_eq!(found("query:token", &with("a=1&token=x%2By&b=2")), Some(("x+y".into(), None)));
        assert_eq!(found("query:token", &with("token=x&token=z")), Some(("z".into(), None)));
        for query in ["token=Bearer%20x", "token=bearer+x", "token=BEARER%20%20x%20"] {
            assert_eq!(found("query:token", &with(query)), Some(("x".into(), None)), "{query}");
        }
        for query in ["", "token", "token=", "token=z&token=", "Token=x", "xtoken=x", "%ff&&=&"] {
            assert_eq!(found("query:token", &with(query)), None, "{query}");
        }
    }

    #[test]
    fn a_header_counts_only_with_its_scheme_and_one_token() {
        let with = |value| RequestHead { authorization: Some(value), ..head() };
        for good in ["Bearer x", "bearer x", "Bearer   x "] {
            assert_eq!(found("header", &with(good)), Some(("x".into(), None)), "{good}");
        }
        for bad in ["", "x", "Bearer", "Bearer a b", "Basic x", "Token x"] {
            assert_eq!(found("header", &with(bad)), None, "{bad}");
        }
        assert_eq!(found("header:Token", &with("Token x")), Some(("x".into(), None)));
        assert_eq!(authorization(Some("Bearer a b"), "Bearer"), Authorization::Malformed);
    }

    #[test]
    fn a_header_of_another_name_has_the_token_alone_or_after_its_scheme() {
        struct Own(&'static str);
        impl Headers for Own {
            fn text(&self, name: &str) -> Option<&str> {
                (name == "x-access-token").then_some(self.0)
            }
        }
        for (source, value, token) in [
            ("header:X-Access-Token", "x", Some("x")),
            ("header:X-Access-Token", "bearer x", Some("x")),
            ("header:X-Access-Token", "JWT x", None),
            ("header:X-Access-Token", "", None),
            ("header:X-Access-Token:JWT", "jwt x", Some("x")),
            ("header:X-Access-Token:JWT", "x", None),
            ("header:X-Other", "x", None),
        ] {
            let headers = Own(value);
            let head = RequestHead { headers: Some(&headers), authorization: Some("Bearer y"), ..head() };
            assert_eq!(found(source, &head), token.map(|token| (token.to_owned(), None)), "{source} {value}");
        }
        let sources = ["header", "header:X-B", "cookie:c", "header:X-A", "header:HTTP_X_A"];
        let sources = sources.map(|source| TokenSource::parse(source).unwrap());
        assert_eq!(header_names(&sources), ["x-a", "x-b"].map(Box::from));
        assert_eq!(["x", " bearer x ", "Bearer  x", "BEARER x"].map(bare), ["x"; 4]);
    }

    #[test]
    fn the_last_of_several_cookies_wins_as_in_django() {
        let with = |cookie: &[&'static str]| RequestHead {
            cookie: cookie.iter().map(|one| (*one).into()).collect(),
            ..head()
        };
        assert_eq!(found("cookie:a", &with(&["a=1; b=3; a=2"])), Some(("2".into(), None)));
        assert_eq!(found("cookie:a", &with(&["a=1", "b=3;a=\"2\""])), Some(("2".into(), None)));
        assert_eq!(found("cookie:a", &with(&["aa=1; b; a="])), None);
        assert_eq!(found("cookie:a", &with(&["a=\"Bearer x\""])), Some(("x".into(), None)));
        // Python quotes these characters so.
        for (written, value) in [
            (r#""1\0542\"3\\4""#, r#"1,2"3\4"#),
            (r#""a\073b\400\1""#, "a;b4001"),
            (r#""\303\274""#, "\u{c3}\u{bc}"),
            (r"1\0542", r"1\0542"),
            ("\"", "\""),
            (r#""\""#, "\\"),
        ] {
            let cookie = format!("b=1; a={written}");
            let head = RequestHead { cookie: vec![cookie.into()], ..head() };
            assert_eq!(found("cookie:a", &head), Some((value.into(), None)), "{written}");
        }
    }

    #[test]
    fn a_token_in_a_subprotocol_is_found_and_never_echoed_unless_it_stands_alone() {
        let with = |offered: &str| RequestHead { subprotocols: offered.to_owned().into(), ..head() };
        let cases = [
            (format!("access_token, {JWT}"), JWT, "access_token"),
            (format!("Bearer,{JWT}"), JWT, "Bearer"),
            (format!("chat.v1, bearer, {JWT}"), JWT, "bearer"),
            (format!("access_token.{JWT}, chat.v1"), JWT, "chat.v1"),
            (format!("access_token.{JWT}"), JWT, &format!("access_token.{JWT}")),
            (format!("chat.v1, {JWT}"), JWT, "chat.v1"),
            (JWT.to_owned(), JWT, JWT),
            ("access_token, opaque%3D%3D".to_owned(), "opaque==", "access_token"),
            (format!("access_token, bearer%20{JWT}"), JWT, "access_token"),
        ];
        for (offered, token, echo) in &cases {
            let expected = Some(((*token).to_owned(), Some((*echo).to_owned())));
            assert_eq!(found("subprotocol", &with(offered)), expected, "{offered}");
        }
        for offered in ["", "chat.v1", "access_token", "access_token.", "graphql-ws, json", ",,", "é.x"] {
            assert_eq!(found("subprotocol", &with(offered)), None, "{offered}");
        }
        assert_eq!(found("subprotocol:app", &with("app, abc")), Some(("abc".into(), Some("app".into()))));
        assert_eq!(found("subprotocol:app", &with("app.abc, v1")), Some(("abc".into(), Some("v1".into()))));
        assert_eq!(found("subprotocol:app", &with(JWT)), None);
    }

    #[test]
    fn no_token_is_shown_in_debug_output() {
        let credential = Credential { token: "secret-token".into(), subprotocol: Some("secret-token".into()) };
        let head = RequestHead {
            query: "token=secret-token",
            authorization: Some("Bearer secret-token"),
            cookie: vec!["a=secret-token".into()],
            subprotocols: "access_token, secret-token".into(),
            ..head()
        };
        assert!(!format!("{credential:?} {head:?}").contains("secret-token"));
    }
}
