//! What of a session's first request is still needed when its client connects to a namespace: query and credentials.

use crate::auth::RequestHead;

/// Kept for as long as the session lives, so it is small: nothing that is absent takes memory.
#[derive(Default)]
pub struct Head {
    query: Box<str>,
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
                subprotocols: (&*head.subprotocols).into(),
            })
        });
        Self { query: head.query.into(), credentials }
    }

    /// About how many bytes are kept of what the client chose.
    pub fn weight(&self) -> usize {
        let credentials = self.credentials.as_deref().map_or(0, |credentials| {
            let cookies: usize = credentials.cookies.iter().map(|cookie| cookie.len()).sum();
            credentials.authorization.as_deref().map_or(0, str::len) + cookies + credentials.subprotocols.len()
        });
        self.query.len() + credentials
    }

    /// As the head of a request; its origin was checked when it came.
    pub fn as_request(&self) -> RequestHead<'_> {
        let query = &self.query;
        match self.credentials.as_deref() {
            None => RequestHead { query, ..RequestHead::default() },
            Some(Credentials { authorization, cookies, subprotocols }) => RequestHead {
                query,
                authorization: authorization.as_deref(),
                cookie: cookies.iter().map(|cookie| &**cookie).collect(),
                subprotocols: (&**subprotocols).into(),
                ..RequestHead::default()
            },
        }
    }
}
