//! The part of a session's first request that is needed when its client connects to a namespace: query and credentials.

use std::borrow::Cow;

use super::query_weight;
use crate::auth::{RequestHead, credential::Headers};

/// The header of the host, in the list of the others: most sessions keep none.
const HOST: &str = "host";

/// Kept for the session's lifetime, so it is small: absent parts take no memory.
#[derive(Default)]
pub struct Head {
    query: Box<str>,
    /// Present if the client sent any credentials: most do not.
    credentials: Option<Box<Credentials>>,
}

struct Credentials {
    authorization: Option<Box<str>>,
    /// The other headers in which a token may be.
    headers: Box<[(Box<str>, Box<str>)]>,
    cookies: Box<[Box<str>]>,
    subprotocols: Box<str>,
}

impl Headers for Credentials {
    fn text(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }
}

impl Head {
    /// A copy of a request's head, with the headers in which a token may be and, if it is read, the host.
    pub fn of(head: &RequestHead<'_>, names: &[Box<str>], reads_host: bool) -> Self {
        let named = names.iter().map(|name| Some((name.clone(), Box::from(head.headers?.text(name)?))));
        let host = head.host.filter(|_| reads_host).map(|host| (Box::from(HOST), Box::from(host)));
        let headers: Box<[_]> = named.flatten().chain(host).collect();
        let any = head.authorization.is_some()
            || !headers.is_empty()
            || !head.cookie.is_empty()
            || !head.subprotocols.is_empty();
        let credentials = any.then(|| {
            Box::new(Credentials {
                authorization: head.authorization.map(Into::into),
                headers,
                cookies: head.cookie.iter().map(|cookie| Box::from(&**cookie)).collect(),
                subprotocols: (&*head.subprotocols).into(),
            })
        });
        Self { query: head.query.into(), credentials }
    }

    /// The approximate number of bytes stored from the client.
    pub fn weight(&self) -> usize {
        let credentials = self.credentials.as_deref().map_or(0, |credentials| {
            let cookies: usize = credentials.cookies.iter().map(|cookie| cookie.len()).sum();
            let headers: usize = credentials.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            credentials.authorization.as_deref().map_or(0, str::len)
                + headers
                + cookies
                + credentials.subprotocols.len()
        });
        query_weight(&self.query) + credentials
    }

    /// Converts it back to a request's head; the origin was checked when the request arrived.
    pub fn as_request(&self) -> RequestHead<'_> {
        let query = &self.query;
        match self.credentials.as_deref() {
            None => RequestHead { query, ..RequestHead::default() },
            Some(credentials) => RequestHead {
                query,
                authorization: credentials.authorization.as_deref(),
                headers: Some(credentials),
                cookie: credentials.cookies.iter().map(|cookie| Cow::Borrowed(&**cookie)).collect(),
                subprotocols: (&*credentials.subprotocols).into(),
                host: credentials.text(HOST),
                ..RequestHead::default()
            },
        }
    }
}
