//! Determines a request's client behind proxies.
//!
//! In: the peer address of the socket, and one header. Out: the client's address if it is to be counted. Only values
//! written by a trusted proxy are used. Each proxy appends to the list that it received, so the list is read from its
//! end: the first address that is not a trusted proxy is the client's, and everything before it may be invented.

use std::net::{IpAddr, SocketAddr};

use actix_web::{
    HttpRequest,
    http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR},
};

use crate::{
    config::{ForwardedHeader, Network, Server},
    warn_bounded,
};

/// The trusted proxies.
#[derive(Clone)]
pub struct TrustedHops {
    trusted: Box<[Network]>,
    header: ForwardedHeader,
    /// Whether connections come through a unix socket. Its permissions say who may connect, so these are trusted.
    is_unix: bool,
}

impl TrustedHops {
    /// The trusted proxies of the configuration.
    pub fn new(server: &Server, is_unix: bool) -> Self {
        Self { trusted: server.trusted_proxies.as_slice().into(), header: server.forwarded_header, is_unix }
    }

    /// The address under which a request is counted; `None` if it is unknown, or is a trusted proxy's own: a request
    /// from one without a client address is not counted.
    pub fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        let Some(peer) = request.peer_addr().map(|peer| peer.ip()) else {
            return if self.is_unix { self.behind(request.headers()) } else { None };
        };
        if !self.trusts(peer) {
            if request.headers().contains_key(self.header_name()) {
                warn_bounded!(
                    "{peer} sends a client address in {}, but is not in server.trusted_proxies: all its requests are counted \
                     under its own address",
                    self.header_name()
                );
            }
            return Some(peer);
        }
        self.behind(request.headers())
    }

    /// Whether a connection's peer is a trusted proxy.
    pub fn trusts_peer(&self, peer: Option<IpAddr>) -> bool {
        peer.map_or(self.is_unix, |peer| self.trusts(peer))
    }

    /// Whether an address is a trusted proxy's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    const fn header_name(&self) -> HeaderName {
        match self.header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => FORWARDED,
        }
    }

    /// The client named by the trusted proxies. Repeated headers are one list (RFC 9110, section 5.3); a value that is
    /// not text comes from the client.
    fn behind(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let lines: Vec<_> = headers.get_all(self.header_name()).collect();
        lines.into_iter().rev().find_map(|line| self.last_unknown(&String::from_utf8_lossy(line.as_bytes()))).flatten()
    }

    /// The last address of a line that is not a trusted proxy; the inner `None` if it cannot be parsed.
    fn last_unknown(&self, line: &str) -> Option<Option<IpAddr>> {
        let mut hop = |element: &str| {
            let named = match self.header {
                _ if element.is_empty() => return None,
                ForwardedHeader::XForwardedFor => node(element),
                ForwardedHeader::Forwarded => forwarded_for(element),
            };
            match named {
                Some(address) if self.trusts(address) => None,
                // `unknown`, `_hidden` or nonsense: the proxy does not disclose it.
                named => Some(named),
            }
        };
        match self.header {
            ForwardedHeader::XForwardedFor => line.rsplit(',').map(str::trim).find_map(hop),
            ForwardedHeader::Forwarded => find_last(line, ',', &mut hop),
        }
    }
}

/// Visits the parts between separators outside of quoted strings, the last one first, so that a quote that a client
/// opened and never closed hides nothing that comes after it.
fn find_last<T>(text: &str, separator: char, look: &mut impl FnMut(&str) -> Option<T>) -> Option<T> {
    let (mut quoted, mut end) = (false, text.len());
    for (at, character) in text.char_indices().rev() {
        match character {
            '"' => {
                let escapes = text[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
                quoted ^= escapes % 2 == 0;
            }
            other if other == separator && !quoted => {
                if let Some(found) = look(text[at + separator.len_utf8()..end].trim()) {
                    return Some(found);
                }
                end = at;
            }
            _ => {}
        }
    }
    look(text[..end].trim())
}

/// `for=192.0.2.60;proto=http;by=203.0.113.43` (RFC 7239, section 4): the client named by a proxy.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut named = Vec::new();
    let _: Option<()> = find_last(element, ';', &mut |pair| {
        if let Some((name, value)) = pair.split_once('=')
            && name.trim().eq_ignore_ascii_case("for")
        {
            let value = value.trim();
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            named.push(node(value));
        }
        None
    });
    // A repeated `for` counts as none.
    if let [one] = named[..] { one } else { None }
}

/// An address, optionally with a port: `192.0.2.60`, `192.0.2.60:4711`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:4711`.
fn node(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let address = text.parse().ok().or_else(bare);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let obfuscated_port = || {
        // A port may be obfuscated, too: `192.0.2.60:_port`.
        let (address, port) = text.rsplit_once(':').filter(|(_, port)| port.starts_with('_'))?;
        (port.len() > 1).then(|| node(address)).flatten()
    };
    address.or_else(with_port).or_else(obfuscated_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header::HeaderValue, test::TestRequest};
    use proptest::prelude::*;

    use super::*;

    fn hops(trusted: &[&str], header: ForwardedHeader) -> TrustedHops {
        let trusted_proxies = trusted.iter().filter_map(|network| network.parse().ok()).collect();
        TrustedHops::new(&Server { trusted_proxies, forwarded_header: header, ..Server::default() }, false)
    }

    fn client(hops: &TrustedHops, peer: &str, headers: &[(&str, &str)]) -> Option<String> {
        let mut request = TestRequest::default();
        if let Ok(peer) = peer.parse() {
            request = request.peer_addr(SocketAddr::new(peer, 1234));
        }
        for header in headers {
            request = request.append_header(*header);
        }
        hops.client(&request.to_http_request()).map(|address| address.to_string())
    }

    const XFF: &str = "X-Forwarded-For";

    #[test]
    fn a_header_of_an_untrusted_peer_is_ignored() {
        for hops in [hops(&[], ForwardedHeader::XForwardedFor), hops(&["10.0.0.0/8"], ForwardedHeader::XForwardedFor)] {
            assert_eq!(client(&hops, "192.0.2.1", &[(XFF, "198.51.100.7")]).as_deref(), Some("192.0.2.1"));
            assert_eq!(client(&hops, "", &[(XFF, "198.51.100.7")]), None, "no socket address: a unix socket");
        }
    }

    #[test]
    fn behind_a_unix_socket_the_client_is_the_one_that_the_proxy_names() {
        let hops = TrustedHops { is_unix: true, ..hops(&["10.0.0.0/8"], ForwardedHeader::XForwardedFor) };
        let of = |headers| client(&hops, "", headers);
        assert_eq!(of(&[(XFF, "203.0.113.9, 198.51.100.7")]).as_deref(), Some("198.51.100.7"));
        assert_eq!(of(&[(XFF, "198.51.100.7, 10.0.0.2")]).as_deref(), Some("198.51.100.7"));
        assert_eq!((of(&[]), of(&[(XFF, "unix:")])), (None, None));
        assert!(hops.trusts_peer(None) && !hops.trusts_peer("192.0.2.1".parse().ok()));
    }

    #[test]
    fn the_client_is_the_last_address_that_is_not_a_trusted_proxy() {
        let hops = hops(&["10.0.0.0/8", "fd00::/8"], ForwardedHeader::XForwardedFor);
        let of = |list: &str| client(&hops, "10.0.0.1", &[(XFF, list)]);
        for (list, expected) in [
            ("198.51.100.7", Some("198.51.100.7")),
            ("203.0.113.9, 198.51.100.7", Some("198.51.100.7")),
            ("203.0.113.9, 198.51.100.7, 10.0.0.2, 10.0.0.3", Some("198.51.100.7")),
            ("10.0.0.9, 198.51.100.7 ,fd00::1", Some("198.51.100.7")),
            ("198.51.100.7:4711", Some("198.51.100.7")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]:4711", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("::ffff:198.51.100.7", Some("198.51.100.7")),
            ("198.51.100.7,", Some("198.51.100.7")),
            // A value that cannot be parsed ends the search: the part before it does not come from a trusted proxy.
            ("203.0.113.9, unknown", None),
            ("203.0.113.9, _hidden, 10.0.0.2", None),
            ("203.0.113.9, 1.2.3.4.5", None),
            ("203.0.113.9, 198.51.100.7:port", None),
            ("203.0.113.9, \"198.51.100.7\"", None),
            ("203.0.113.9, \", 198.51.100.7", Some("198.51.100.7")),
            ("203.0.113.9, [198.51.100.7]", None),
            ("203.0.113.9, <script>", None),
            // Only proxies: no client to count.
            ("10.0.0.2, 10.0.0.3", None),
            ("", None),
            (",,", None),
        ] {
            assert_eq!(of(list).as_deref(), expected, "{list:?}");
        }
        assert_eq!(client(&hops, "10.0.0.1", &[]), None);
        assert_eq!(client(&hops, "::ffff:10.0.0.1", &[(XFF, "198.51.100.7")]).as_deref(), Some("198.51.100.7"));
        let lines = [(XFF, "198.51.100.7"), (XFF, "203.0.113.9, 10.0.0.2"), (XFF, "10.0.0.3")];
        assert_eq!(client(&hops, "10.0.0.1", &lines).as_deref(), Some("203.0.113.9"), "lines are one list");
    }

    #[test]
    fn only_the_named_header_is_read() {
        let both = [(XFF, "198.51.100.7"), ("Forwarded", "for=203.0.113.9")];
        for (header, expected) in
            [(ForwardedHeader::XForwardedFor, "198.51.100.7"), (ForwardedHeader::Forwarded, "203.0.113.9")]
        {
            assert_eq!(client(&hops(&["10.0.0.1"], header), "10.0.0.1", &both).as_deref(), Some(expected));
        }
        let spoofed = [("Forwarded", "for=203.0.113.9")];
        assert_eq!(client(&hops(&["10.0.0.1"], ForwardedHeader::XForwardedFor), "10.0.0.1", &spoofed), None);
    }

    #[test]
    fn forwarded_is_parsed_by_rfc_7239() {
        let hops = hops(&["10.0.0.0/8"], ForwardedHeader::Forwarded);
        let of = |value: &str| client(&hops, "10.0.0.1", &[("Forwarded", value)]);
        for (value, expected) in [
            ("for=192.0.2.43", Some("192.0.2.43")),
            ("For=\"[2001:db8:cafe::17]:4711\"", Some("2001:db8:cafe::17")),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", Some("192.0.2.60")),
            ("proto=http; FOR = \"192.0.2.60:80\" ;by=10.0.0.1", Some("192.0.2.60")),
            ("for=192.0.2.43, for=198.51.100.17", Some("198.51.100.17")),
            ("for=192.0.2.43, for=10.0.0.9", Some("192.0.2.43")),
            ("for=192.0.2.60:_port", Some("192.0.2.60")),
            ("for=192.0.2.43;by=\"a, b\", for=10.0.0.9", Some("192.0.2.43")),
            ("for=\"192.0.2.43, for=198.51.100.17", Some("198.51.100.17")),
            ("for=\\\", for=\"198.51.100.17\"", Some("198.51.100.17")),
            ("for=192.0.2.43, for=unknown", None),
            ("for=192.0.2.43, for=\"_gazonk\"", None),
            ("for=192.0.2.43, by=203.0.113.43", None),
            ("for=192.0.2.43, for=198.51.100.1;for=198.51.100.2", None),
            ("for=192.0.2.43, for=", None),
        ] {
            assert_eq!(of(value).as_deref(), expected, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn a_client_cannot_change_what_a_proxy_appends(
            sent in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b','), Just(b';'), Just(b'='),
                Just(b'['), Just(b' '), 0x20..=0x7e_u8, 0x80..=0xff_u8], 0..40),
            apart in any::<bool>(),
        ) {
            for (header, name, hop) in [
                (ForwardedHeader::XForwardedFor, "x-forwarded-for", "198.51.100.7, 10.0.0.2"),
                (ForwardedHeader::Forwarded, "forwarded", "for=198.51.100.7;proto=https, for=\"10.0.0.2:80\""),
            ] {
                let hops = hops(&["10.0.0.0/8"], header);
                let mut request = TestRequest::default().peer_addr(([10, 0, 0, 1], 1).into());
                let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap_or(HeaderValue::from_static(""));
                request = if apart {
                    request.append_header((name, value(&sent))).append_header((name, hop))
                } else {
                    request.append_header((name, value(&[&*sent, b", ", hop.as_bytes()].concat())))
                };
                let client = hops.client(&request.to_http_request());
                prop_assert_eq!(client, Some([198, 51, 100, 7].into()), "{} {:?}", name, String::from_utf8_lossy(&sent));
            }
        }
    }
}
