//! Which pages may open a socket: the rules of `channels.security.websocket.OriginValidator`, or the request's own
//! host.
//!
//! In: the `Origin` and `Host` headers. Out: yes or no. It never resolves or normalises a name beyond what Django does.

/// Which origins may connect.
#[derive(Clone, Debug)]
pub struct OriginPolicy {
    patterns: Option<Vec<Pattern>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// `*`
    Any,
    /// `example.com`, `.example.com`: scheme and port of the origin do not matter.
    Host(String),
    /// `https://example.com`, `http://.example.com:8080`.
    Full { scheme: String, host: String, port: Option<u16> },
    /// `localhost:3000`, `//example.com`: Channels never matches these. `.`: it would match every host with a dot at its
    /// end.
    Never,
}

/// An entry that matches no origin, or others than it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongOrigin {
    /// Its position in the list.
    pub index: usize,
    /// What is wrong, and what to write instead.
    pub reason: String,
}

impl OriginPolicy {
    /// `None`: the request's own host, and requests without an Origin (not browsers). A list: Django's rules.
    pub fn new(allowed: Option<&[String]>) -> Self {
        Self { patterns: allowed.map(|patterns| patterns.iter().map(|pattern| Pattern::parse(pattern)).collect()) }
    }

    /// The entries of a list that match no origin, or others than they say; Channels does not report them.
    pub fn wrong(allowed: &[String]) -> impl Iterator<Item = WrongOrigin> {
        let reasons = allowed.iter().map(|text| wrong(text)).enumerate();
        reasons.filter_map(|(index, reason)| reason.map(|reason| WrongOrigin { index, reason }))
    }

    /// Whether a request with these headers may connect.
    pub fn allows(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(patterns) = &self.patterns else {
            return origin.is_none_or(|origin| is_own(origin, host));
        };
        if patterns.contains(&Pattern::Any) {
            return true;
        }
        let Some(origin) = origin.and_then(Url::parse) else { return false };
        patterns.iter().any(|pattern| pattern.matches(&origin))
    }
}

impl Pattern {
    fn parse(text: &str) -> Self {
        if text == "*" {
            return Self::Any;
        }
        let pattern = text.to_lowercase();
        if pattern.contains(char::is_whitespace) {
            return Self::Never;
        }
        let Some(url) = Url::parse(&pattern) else { return Self::Never };
        if url.scheme.is_empty() {
            // Python: `urlparse("//" + pattern).hostname or pattern`.
            return match Url::parse(&format!("//{pattern}")) {
                Some(Url { host: Some(host), .. }) if is_host(&host) => Self::Host(host),
                _ => Self::Never,
            };
        }
        match (url.host.clone(), url.port()) {
            (Some(host), Ok(port)) if is_host(&host) => Self::Full { scheme: url.scheme, host, port },
            _ => Self::Never,
        }
    }

    fn matches(&self, origin: &Url) -> bool {
        let Some(origin_host) = &origin.host else { return false };
        match self {
            Self::Any => true,
            Self::Never => false,
            Self::Host(host) => is_same_domain(origin_host, host),
            Self::Full { scheme, host, port } => {
                *scheme == origin.scheme && origin.port() == Ok(*port) && is_same_domain(origin_host, host)
            }
        }
    }
}

/// Whether a pattern's host can be that of an origin: an IPv6 address, or labels with a dot between two. A dot in front
/// means the subdomains, too. Browsers write other characters of a name in ASCII.
fn is_host(host: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_address = || host.split('%').next().is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    let domain = host.strip_prefix('.').unwrap_or(host);
    let labels = domain.strip_suffix('.').unwrap_or(domain).split('.').all(|label| !label.is_empty());
    labels && host.chars().all(fits) || is_address()
}

/// Why an entry of a list is wrong, and what to write instead.
fn wrong(text: &str) -> Option<String> {
    if text == "*" {
        return None;
    }
    if text.trim().is_empty() {
        return Some("is empty; write a host such as \"example.com\", or leave it out".to_owned());
    }
    if text.eq_ignore_ascii_case("null") {
        return Some(
            "\"null\" is what pages without an origin of their own send, and any page can become one; only \"*\" admits them"
                .to_owned(),
        );
    }
    if text.contains('*') {
        let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
        let separator = if scheme.is_empty() { "" } else { "://" };
        let instead = match rest.strip_prefix("*.") {
            Some(domain) if !domain.contains('*') => {
                format!("write \"{scheme}{separator}.{domain}\" for it and its subdomains")
            }
            _ => "write \".example.com\" for a host and its subdomains, on every port".to_owned(),
        };
        return Some(format!(
            "{text:?} can never match an Origin, because \"*\" stands for every origin or nothing; {instead}"
        ));
    }
    if Pattern::parse(text) == Pattern::Never {
        let ascii = (!text.is_ascii()).then(|| in_ascii(text)).flatten();
        let instead = ascii.map_or_else(
            || {
                "write \"example.com\" or \"https://example.com:8443\", each host by itself, and a comma between two in a \
                 variable"
                    .to_owned()
            },
            |ascii| format!("a browser writes the host in ASCII: write {ascii:?}"),
        );
        return Some(format!("{text:?} can never match an Origin; {instead}"));
    }
    let (scheme, rest) = text.split_once("//").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // A slash at the end is how browsers show an address; it changes nothing.
    if host == authority && matches!(path, "" | "/") {
        return None;
    }
    let slashes = if scheme.is_empty() { "" } else { "//" };
    let reason = "an Origin has a scheme, a host and a port only, so the rest would be ignored";
    Some(format!("{text:?}: {reason}; write \"{scheme}{slashes}{host}\""))
}

/// An entry with its host in ASCII, as browsers write it.
fn in_ascii(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let dot = if rest.starts_with('.') { "." } else { "" };
    let url = url::Url::parse(&format!("http://{}", rest.strip_prefix('.').unwrap_or(rest))).ok()?;
    let separator = if scheme.is_empty() { "" } else { "://" };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}{separator}{dot}{}{port}", url.host_str()?))
}

/// `django.http.request.is_same_domain`.
fn is_same_domain(host: &str, pattern: &str) -> bool {
    match pattern.strip_prefix('.') {
        Some(domain) => host.ends_with(pattern) || host == domain,
        None => host == pattern,
    }
}

/// Whether an origin is the host of the request. A `Host` without a port means the default port of the origin's scheme.
pub(super) fn is_own(origin: &str, host: Option<&str>) -> bool {
    let (Some(origin), Some(host)) = (Url::parse(origin), host) else { return false };
    let Some(host) = Url::parse(&format!("{}://{host}", origin.scheme)) else { return false };
    let (Ok(Some(origin_port)), Ok(Some(host_port))) = (origin.port(), host.port()) else { return false };
    origin.host.is_some() && origin.host == host.host && origin_port == host_port
}

/// The result of Python's `urllib.parse.urlparse` on an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Url {
    /// In lower case; may be empty.
    scheme: String,
    /// In lower case, an IPv6 address without its brackets.
    host: Option<String>,
    /// The text after the last `:`.
    port_text: String,
}

impl Url {
    /// `None` if Python raises: brackets that do not close, or that contain no address.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches(|c: char| c <= ' ').trim_end_matches(|c: char| c <= ' ');
        let (scheme, rest) = split_scheme(text);
        let authority = rest.strip_prefix("//").map_or("", |rest| rest.split(['/', '?', '#']).next().unwrap_or(""));
        if authority.contains('[') != authority.contains(']') {
            return None;
        }
        let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port_text) = match host_and_port.split_once('[') {
            Some((_, bracketed)) => {
                let (host, rest) = bracketed.split_once(']')?;
                host.split('%').next()?.parse::<std::net::Ipv6Addr>().ok()?;
                (host, rest.strip_prefix(':').unwrap_or(""))
            }
            None => host_and_port.split_once(':').unwrap_or((host_and_port, "")),
        };
        let host = (!host.is_empty()).then(|| host.to_lowercase());
        Some(Self { scheme: scheme.to_lowercase(), host, port_text: port_text.to_owned() })
    }

    /// The port, else the scheme's port, else none; an error if Python raises.
    fn port(&self) -> Result<Option<u16>, std::num::ParseIntError> {
        if !self.port_text.is_empty() {
            // Rust would accept a sign, Python does not.
            return self.port_text.replace('+', "-").parse().map(Some);
        }
        Ok(match self.scheme.as_str() {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            _ => None,
        })
    }
}

/// RFC 3986 §3.1, as Python reads it: without a valid scheme the whole is a path.
fn split_scheme(text: &str) -> (&str, &str) {
    match text.split_once(':') {
        Some((scheme, rest))
            if scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) =>
        {
            (scheme, rest)
        }
        _ => ("", text),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        id: String,
        allowed: Vec<String>,
        origin: Option<String>,
        status: u16,
    }

    #[test]
    fn an_origin_passes_if_channels_lets_it_pass() {
        let fixture: Fixture = serde_json::from_str(include_str!("../../tests/fixtures/origin-vectors.json")).unwrap();
        for vector in &fixture.vectors {
            let policy = OriginPolicy::new(Some(&vector.allowed));
            let allowed = policy.allows(vector.origin.as_deref(), Some("127.0.0.1"));
            assert_eq!(allowed, vector.status == 101, "{}", vector.id);
        }
        assert_eq!(fixture.vectors.len(), 52);
    }

    #[test]
    fn cases_beyond_the_vectors_follow_the_source_of_channels() {
        let allows = |pattern: &str, origin| OriginPolicy::new(Some(&[pattern.to_owned()])).allows(Some(origin), None);
        assert!(allows("[::1]", "http://[::1]:3000"));
        assert!(allows("http://[::1]:3000", "http://[::1]:3000"));
        assert!(allows("127.0.0.1:8000", "http://127.0.0.1:9000"), "a host without a scheme has its port ignored");
        assert!(allows("Example.COM", "https://user:pw@EXAMPLE.com/path?q#f"));
        assert!(allows("wss://example.com", "wss://example.com:443"));
        assert!(!allows("https://example.com", "https://example.com:99999"));
        assert!(!allows("https://example.com", "https://example.com:+443"));
        assert!(!allows(".example.com", "https://evilexample.com"));
        assert!(!allows("*.example.com", "https://a.example.com"));
        assert!(!allows("", "https://example.com") && !allows("", "null"));
        let nobody = OriginPolicy::new(Some(&[]));
        assert!(!nobody.allows(None, Some("a")) && !nobody.allows(Some("http://a"), Some("a")));
    }

    #[test]
    fn without_a_list_a_page_reaches_its_own_host_only_and_a_program_any() {
        let policy = OriginPolicy::new(None);
        for (origin, host) in [
            (None, Some("example.com")),
            (None, None),
            (Some("http://example.com"), Some("example.com")),
            (Some("https://Example.com"), Some("example.COM")),
            (Some("https://example.com"), Some("example.com:443")),
            (Some("http://example.com:80"), Some("example.com")),
            (Some("http://localhost:8000"), Some("localhost:8000")),
            (Some("http://[::1]:8000"), Some("[::1]:8000")),
        ] {
            assert!(policy.allows(origin, host), "{origin:?} {host:?}");
        }
        for (origin, host) in [
            ("http://evil.example", Some("example.com")),
            ("http://example.com:8080", Some("example.com")),
            ("http://example.com", Some("example.com:8080")),
            ("http://localhost:3000", Some("localhost:8000")),
            ("https://sub.example.com", Some("example.com")),
            ("https://example.com.evil.example", Some("example.com")),
            ("chrome-extension://example.com", Some("example.com")),
            ("null", Some("null")),
            ("", Some("")),
            ("http://", Some("")),
            ("file://", Some("")),
            ("http://[::1", Some("[::1")),
            ("http://example.com", None),
        ] {
            assert!(!policy.allows(Some(origin), host), "{origin:?} {host:?}");
        }
    }

    #[test]
    fn an_entry_that_matches_nothing_or_too_much_is_refused_with_the_right_form() {
        for (text, expected) in [
            ("localhost:3000", "can never match"),
            ("//plain.example.net", "can never match"),
            ("a.example b.example", "a comma between two"),
            ("a.example,b.example", "each host by itself"),
            ("*.example.com", "write \".example.com\""),
            ("https://*.example.com:8443", "write \"https://.example.com:8443\""),
            ("https://*", "write \".example.com\""),
            ("example.*", "write \".example.com\""),
            ("*:3000", "write \".example.com\""),
            ("https://example.com:*", "on every port"),
            ("https://example.com:99999", "can never match"),
            (".", "can never match"),
            ("..", "can never match"),
            ("https://.", "can never match"),
            ("..example.com", "can never match"),
            ("a..example.com", "can never match"),
            ("", "is empty"),
            (" ", "is empty"),
            ("null", "only \"*\" admits them"),
            ("NULL", "only \"*\" admits them"),
            ("https://example.com/app", "write \"https://example.com\""),
            ("example.com/app", "write \"example.com\""),
            ("https://example.com?a", "write \"https://example.com\""),
            ("https://me@example.com:8443", "write \"https://example.com:8443\""),
            ("bücher.example", "write \"xn--bcher-kva.example\""),
            ("https://.bücher.example:8443", "write \"https://.xn--bcher-kva.example:8443\""),
        ] {
            let wrong: Vec<_> = OriginPolicy::wrong(&["example.com".to_owned(), text.to_owned()]).collect();
            assert!(
                wrong.len() == 1 && wrong[0].index == 1 && wrong[0].reason.contains(expected),
                "{text:?}: {wrong:?}"
            );
        }
        for text in [
            "*",
            "example.com",
            "Example.COM",
            ".example.com",
            "example.com.",
            "my_host",
            "https://example.com/",
            "HTTPS://Example.com:8443",
            "http://.dev.example.com:8080",
            "127.0.0.1",
            "[::1]",
            "http://[::1]:3000",
            "xn--bcher-kva.example",
            "chrome-extension://abcdef",
        ] {
            assert_eq!(OriginPolicy::wrong(&[text.to_owned()]).next(), None, "{text}");
        }
    }

    #[test]
    fn a_lone_dot_matches_no_host() {
        let allows = |pattern: &str, origin| OriginPolicy::new(Some(&[pattern.to_owned()])).allows(Some(origin), None);
        for pattern in [".", "..", "https://.", "https://.."] {
            assert!(!allows(pattern, "https://evil.example."), "{pattern}");
        }
        assert!(allows(".example.", "https://evil.example."));
    }
}
