//! The host of a request, for expressions: who runs one site per domain tells tenants apart by it.
//!
//! The client chooses it, like its query. It is read as Django's `request.get_host()` reads it.

use std::{net::Ipv6Addr, sync::Arc};

/// The host of a `Host` header in small letters, without its port and without a dot at its end; empty if there is no
/// header, or if it is not valid. An IPv6 address stays in brackets.
pub fn host(header: Option<&str>) -> Arc<str> {
    let text = header.unwrap_or_default().to_ascii_lowercase();
    let (host, port) = match text.rfind(']') {
        Some(end) => text.split_at(end + 1),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
    let host = host.strip_suffix('.').unwrap_or(host);
    if is_port && is_host(host) { host.into() } else { Arc::default() }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_as_django_reads_it() {
        for (header, wanted) in [
            ("example.com", "example.com"),
            ("ACME.Example.COM:8443", "acme.example.com"),
            ("example.com.", "example.com"),
            ("example.com.:80", "example.com"),
            ("127.0.0.1:8000", "127.0.0.1"),
            ("[::1]:8000", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("localhost", "localhost"),
            ("", ""),
            (".", ""),
            (":80", ""),
            ("a b", ""),
            ("example.com:", ""),
            ("example.com:80a", ""),
            ("example.com:80:81", ""),
            ("user@example.com", ""),
            ("under_score.example", ""),
            ("example.com/x", ""),
            ("a.example, b.example", ""),
            ("::1", ""),
            ("[::1", ""),
            ("[example]", ""),
            ("[::1]x", ""),
        ] {
            assert_eq!(&*host(Some(header)), wanted, "{header:?}");
        }
        assert_eq!(&*host(None), "");
    }
}
