//! The address of a server to which requests are passed on: `http://127.0.0.1:8001`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::{Host, Url};

/// Host and port of a server that speaks HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    host: Host,
    port: u16,
}

impl Upstream {
    /// The host as a resolver takes it: a name, or an address without brackets.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, as a `Host` header has them.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether it is a server of this machine.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => is_localhost(name),
            Host::Ipv4(address) => address.is_loopback() || address.is_unspecified(),
            Host::Ipv6(address) => address.is_loopback() || address.is_unspecified(),
        }
    }

    /// Whether a node that listens at this address, `host:port`, is that server itself.
    pub fn is_at(&self, listen: &str) -> bool {
        let Some((host, port)) = listen.rsplit_once(':') else { return false };
        let Ok(node) = Host::parse(host) else { return false };
        let node = Self { host: node, port: port.parse().unwrap_or(0) };
        node.port == self.port && (node.host == self.host || node.is_loopback() && self.is_loopback())
    }
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

impl FromStr for Upstream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).ok().filter(Url::has_host);
        let Some(url) = url else {
            return Err(format!("{text:?} is not the address of a server, such as \"http://127.0.0.1:8001\""));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not contain a user or password: each request keeps its own".to_owned());
        }
        match (url.scheme(), url.host(), url.port_or_known_default()) {
            ("http", Some(host), Some(port)) => {
                if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
                    return Err(format!(
                        "must end with its host and port, as in \"http://{host}:{port}\": each request keeps its own path"
                    ));
                }
                Ok(Self { host: host.to_owned(), port })
            }
            ("https" | "wss", ..) => Err("must begin with http://: a server for development has no TLS".to_owned()),
            _ => Err("must begin with http://; WebSockets are passed on to the same address".to_owned()),
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

impl Serialize for Upstream {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Upstream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Upstream {
        text.parse().unwrap()
    }

    #[test]
    fn an_upstream_is_a_host_and_a_port() {
        for (text, shown, host) in [
            ("http://127.0.0.1:8001", "http://127.0.0.1:8001", "127.0.0.1"),
            ("http://127.0.0.1:8001/", "http://127.0.0.1:8001", "127.0.0.1"),
            ("HTTP://LocalHost", "http://localhost:80", "localhost"),
            ("http://[::1]:8001", "http://[::1]:8001", "::1"),
            ("http://web:8000", "http://web:8000", "web"),
        ] {
            let upstream = parsed(text);
            assert_eq!((upstream.to_string().as_str(), upstream.host().as_str()), (shown, host), "{text}");
            assert_eq!(parsed(&upstream.to_string()), upstream);
        }
    }

    #[test]
    fn a_server_of_this_machine_is_known_by_its_address() {
        for (text, is_here) in [
            ("http://127.0.0.1:8001", true),
            ("http://127.8.9.1:8001", true),
            ("http://[::1]:8001", true),
            ("http://localhost:8001", true),
            ("http://shop.localhost:8001", true),
            ("http://web:8000", false),
            ("http://10.0.0.7:8001", false),
            ("http://localhost.example.com:8001", false),
        ] {
            assert_eq!(parsed(text).is_loopback(), is_here, "{text}");
        }
    }

    #[test]
    fn the_node_itself_is_recognised() {
        for (text, listen, is_itself) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000", true),
            ("http://localhost:8000", "127.0.0.1:8000", true),
            ("http://127.0.0.1:8000", "0.0.0.0:8000", true),
            ("http://[::1]:8000", "[::]:8000", true),
            ("http://10.0.0.7:8000", "10.0.0.7:8000", true),
            ("http://127.0.0.1:8001", "127.0.0.1:8000", false),
            ("http://web:8000", "0.0.0.0:8000", false),
            ("http://127.0.0.1:8000", "10.0.0.7:8000", false),
            ("http://127.0.0.1:8000", "unix:/run/channelgate.sock", false),
        ] {
            assert_eq!(parsed(text).is_at(listen), is_itself, "{text} at {listen}");
        }
    }
}
