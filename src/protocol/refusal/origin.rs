//! A page of an origin that is not allowed: what the request showed, and what to change.

use std::fmt;

/// What to change in a proxy.
const PASS_HOST: &str = "let it pass Host on as it came (nginx: proxy_set_header Host $http_host)";

/// At most this much of a header is shown.
const SHOWN: usize = 100;

/// The rule that decides about origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginRule {
    /// No list: the page must be of the request's own host.
    OwnHost {
        /// The key of the list that could be written.
        key: &'static str,
    },
    /// The list under this key.
    List {
        /// The key.
        key: &'static str,
    },
}

impl OriginRule {
    /// The rule of the list under this key, if it is set.
    pub fn of(key: &'static str, list: Option<&[String]>) -> Self {
        if list.is_some() { Self::List { key } } else { Self::OwnHost { key } }
    }
}

/// A request whose origin is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    origin: Option<Box<str>>,
    host: Option<Box<str>>,
    rule: OriginRule,
}

impl Foreign {
    /// With the request's headers, of which the beginning is kept.
    pub fn new(origin: Option<&str>, host: Option<&str>, rule: OriginRule) -> Self {
        let shown = |text: &str| Box::from(&text[..text.floor_char_boundary(SHOWN)]);
        Self { origin: origin.map(shown), host: host.map(shown), rule }
    }

    /// Whether `Host` is the origin's host without its port: a proxy has removed it.
    fn lacks_port(&self) -> bool {
        let origin = self.origin.as_deref().and_then(|origin| Some(origin.split_once("://")?.1));
        let Some((name, port)) = origin.and_then(|origin| origin.rsplit_once(':')) else { return false };
        let has_port = !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit());
        has_port && self.host.as_deref().is_some_and(|host| host.eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the origin is not allowed: ")?;
        let Some(origin) = &self.origin else {
            let (OriginRule::List { key } | OriginRule::OwnHost { key }) = self.rule;
            return write!(
                f,
                "the request has no Origin, and {key} is set; a client other than a browser has to send one of the list"
            );
        };
        write!(f, "Origin {origin:?}, Host ")?;
        match &self.host {
            Some(host) => write!(f, "{host:?}; ")?,
            None => f.write_str("missing; ")?,
        }
        match self.rule {
            OriginRule::List { key } => write!(f, "add the origin to {key}"),
            OriginRule::OwnHost { .. } if self.lacks_port() => {
                write!(f, "a proxy has removed the port from Host: {PASS_HOST}")
            }
            OriginRule::OwnHost { key } => {
                write!(f, "add the origin to {key}, or, if a proxy has changed Host, {PASS_HOST}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_the_request_showed_and_what_to_change() {
        let own = OriginRule::OwnHost { key: "server.allowed_origins" };
        let list = OriginRule::List { key: "server.allowed_origins" };
        for (origin, given, rule, advice) in [
            (
                "http://a.example:8080",
                Some("a.example"),
                own,
                "a proxy has removed the port from Host: let it pass Host",
            ),
            ("http://[::1]:8080", Some("[::1]"), own, "a proxy has removed the port"),
            ("http://[::1]", Some("[::1]:9"), own, "add the origin to"),
            (
                "http://localhost:3000",
                Some("localhost:8000"),
                own,
                "add the origin to server.allowed_origins, or, if a proxy",
            ),
            (
                "https://evil.example",
                Some("a.example"),
                own,
                "add the origin to server.allowed_origins, or, if a proxy",
            ),
            ("null", Some("a.example"), own, "add the origin to server.allowed_origins, or"),
            ("https://evil.example", None, own, "Host missing; add the origin"),
            (
                "http://a.example:8080",
                Some("a.example"),
                list,
                "Host \"a.example\"; add the origin to server.allowed_origins",
            ),
        ] {
            let text = Foreign::new(Some(origin), given, rule).to_string();
            assert!(text.starts_with(&format!("the origin is not allowed: Origin {origin:?}, Host ")), "{text}");
            assert!(text.contains(advice), "{text}");
            assert_eq!(text.contains(PASS_HOST), rule == own, "{text}");
        }
        let text = Foreign::new(None, Some("a.example"), list).to_string();
        assert!(text.contains("the request has no Origin, and server.allowed_origins is set"), "{text}");
    }

    #[test]
    fn headers_are_shown_up_to_a_limit_and_escaped() {
        let own = OriginRule::OwnHost { key: "server.allowed_origins" };
        let text = Foreign::new(Some(&"é\n".repeat(5000)), Some(&"x".repeat(5000)), own).to_string();
        assert!(text.len() < 600 && !text.contains('\n'), "{}", text.len());
    }
}
