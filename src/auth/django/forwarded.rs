//! The parts of a handshake that are passed on to Django.
//!
//! In: a [`RequestHead`], or a token from a message. Out: [`Forwarded`], if the client sent any of them.

use std::fmt;

use indexmap::IndexMap;

use crate::{
    auth::credential::{self, Credential, RequestHead},
    config::DjangoLogin,
    event::Value,
};

/// A part of a handshake, in the order in which one of several names the connection's token: what a program has to
/// send of itself says more than what a browser sends with every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The token of a message: in Socket.IO that of CONNECT.
    Token,
    /// Headers.
    Headers,
    /// The query string.
    Query,
    /// Subprotocols.
    Subprotocols,
    /// Cookies.
    Cookies,
}

impl Part {
    /// Its name in questions and answers.
    const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Headers => "headers",
            Self::Query => "query",
            Self::Subprotocols => "subprotocols",
            Self::Cookies => "cookies",
        }
    }
}

/// What is passed on.
#[derive(Clone, Debug, Default)]
pub struct Forwarding {
    cookies: Vec<String>,
    /// In small letters.
    headers: Vec<String>,
    query: Vec<String>,
    subprotocols: Vec<String>,
}

impl Forwarding {
    /// As configured.
    pub fn new(config: &DjangoLogin) -> Self {
        let DjangoLogin { cookies, headers, query, subprotocols, .. } = config.clone();
        let headers = headers.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { cookies, headers, query, subprotocols }
    }

    /// The headers besides `Authorization`.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(String::as_str).filter(|name| *name != "authorization")
    }

    /// What this handshake has of it.
    pub fn of(&self, head: &RequestHead<'_>) -> Option<Forwarded> {
        let mut forwarded = Forwarded::default();
        for (name, value) in self.headers.iter().filter_map(|name| Some((name, header(head, name)?))) {
            forwarded.add(Part::Headers, name, value.to_owned());
        }
        for (name, value) in self.query.iter().filter_map(|name| Some((name, credential::parameter(head.query, name)?)))
        {
            forwarded.add(Part::Query, name, value);
        }
        for name in &self.subprotocols {
            let found = credential::subprotocol(&head.subprotocols, &[name.as_str()], false);
            let Some(Credential { token, subprotocol }) = found else { continue };
            forwarded.subprotocol = forwarded.subprotocol.or(subprotocol);
            forwarded.add(Part::Subprotocols, name, token);
        }
        for (name, value) in
            self.cookies.iter().filter_map(|name| Some((name, credential::cookie(&head.cookie, name)?)))
        {
            forwarded.add(Part::Cookies, name, value);
        }
        (!forwarded.tokens.is_empty()).then_some(forwarded)
    }
}

/// The value of a header, if it is not empty.
fn header<'a>(head: &RequestHead<'a>, name: &str) -> Option<&'a str> {
    let value = match name {
        "authorization" => head.authorization,
        name => head.headers.and_then(|headers| headers.text(name)),
    };
    value.map(str::trim).filter(|value| !value.is_empty())
}

/// What a client sent for Django. Its `Debug` shows nothing of it.
#[derive(Clone, Default)]
pub struct Forwarded {
    /// The `data` of the question: `{"cookies": {name: value}, "headers": …, "query": …, "subprotocols": …}`.
    pub(super) data: Value,
    /// The tokens alone, for their fingerprints, each with its place in an answer: `cookies.sessionid`.
    tokens: Vec<(String, String)>,
    /// The subprotocol to echo.
    pub subprotocol: Option<String>,
}

impl fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forwarded(***)")
    }
}

impl Forwarded {
    /// A token that a client sent in a message.
    pub fn token(token: &str) -> Self {
        let data = IndexMap::from([(Part::Token.name().into(), Value::from(token))]);
        Self {
            data: Value::Map(data),
            tokens: vec![(Part::Token.name().to_owned(), token.to_owned())],
            subprotocol: None,
        }
    }

    /// The tokens alone: a header's without its scheme.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().map(|(_, token)| token.split_whitespace().next_back().unwrap_or(token))
    }

    /// Which of the tokens is at this place, or in this part; if Django has not said it, the first.
    pub fn token_at(&self, via: Option<&str>) -> usize {
        let via = via.unwrap_or_default();
        let is_in = |place: &str| place.strip_prefix(via).is_some_and(|name| name.starts_with('.'));
        let places = || self.tokens.iter().map(|(place, _)| place.as_str());
        places().position(|place| place == via).or_else(|| places().position(is_in)).unwrap_or_default()
    }

    fn add(&mut self, part: Part, name: &str, value: String) {
        if !matches!(self.data, Value::Map(_)) {
            self.data = Value::Map(IndexMap::new());
        }
        let Value::Map(data) = &mut self.data else { return };
        let of_part = data.entry(part.name().into()).or_insert_with(|| Value::Map(IndexMap::new()));
        if let Value::Map(of_part) = of_part {
            of_part.insert(name.into(), Value::from(value.as_str()));
        }
        self.tokens.push((format!("{}.{name}", part.name()), value));
    }
}
