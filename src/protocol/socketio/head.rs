//! What of the first request's head is still needed when a client connects to a namespace: query and credentials.

use crate::auth::RequestHead;

/// Kept for as long as the session lives, so it is small: nothing that is absent takes memory.
#[derive(Default)]
pub struct Head {
    /// The query string.
    pub query: Box<str>,
    /// Where the client named any: most do not.
    credentials: Option<Box<Credentials>>,
}

struct Credentials {
    authorization: Option<Box<str>>,
    cookies: Box<[Box<str>]>,
    subprotocols: Box<str>,
}

impl Head {
    /// A copy of a request's head.
    pub fn of(head: &RequestHead<'_>) -> Self {
        let any = head.authorization.is_some() || !head.cookie.is_empty() || !head.subprotocols.is_empty();
        let credentials = any.then(|| {
            Box::new(Credentials {
                authorization: head.authorization.map(Into::into),
                cookies: head.cookie.iter().map(|cookie| Box::from(*cookie)).collect(),
                subprotocols: head.subprotocols.into(),
            })
        });
        Self { query: head.query.into(), credentials }
    }

    /// The values of the `Cookie` headers.
    pub fn cookies(&self) -> Vec<&str> {
        self.credentials.iter().flat_map(|credentials| credentials.cookies.iter().map(|cookie| &**cookie)).collect()
    }

    /// As the head of a request, with [`Self::cookies`]; its origin was checked when it came.
    pub fn request<'a>(&'a self, cookie: &'a [&'a str]) -> RequestHead<'a> {
        let credentials = self.credentials.as_deref();
        RequestHead {
            query: &self.query,
            authorization: credentials.and_then(|credentials| credentials.authorization.as_deref()),
            cookie,
            subprotocols: credentials.map_or("", |credentials| &credentials.subprotocols),
            ..RequestHead::default()
        }
    }
}
