//! The id of a node, and the facts that it publishes to the others.

use std::{
    fmt,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rand::Rng;
use serde::{Deserialize, Serialize};

/// One start of one node: 12 random characters of `a-z` and `0-9`, valid in a URL and in a Redis key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(Arc<str>);

const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const LENGTH: usize = 12;

impl NodeId {
    /// A new random id.
    pub fn random() -> Self {
        let mut random = rand::rng();
        Self(
            (0..LENGTH)
                .map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]))
                .collect::<String>()
                .into(),
        )
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl std::borrow::Borrow<str> for NodeId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The content of a node's key in Redis: `{"address": "10.0.0.5:8000", "started": 1766304000, "connections": 412}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Host and port at which the other nodes reach it, or `unix:` and a path for those of its machine.
    pub address: Arc<str>,
    /// When it started, in seconds of Unix time.
    pub started: u64,
    /// Open connections at its last heartbeat.
    pub connections: i64,
}

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listening {
    /// On a TCP address.
    Tcp(SocketAddr),
    /// On a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Listening {
    /// `127.0.0.1:8000`, or `unix:/run/channelgate.sock`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Now, in seconds of Unix time.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_valid_in_urls_and_redis_keys() {
        let id = NodeId::random();
        assert_eq!(id.as_str().len(), LENGTH);
        assert!(id.as_str().bytes().all(|byte| ALPHABET.contains(&byte)), "{id}");
        assert_ne!(id, NodeId::random());
    }
}
