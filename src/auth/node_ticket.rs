//! What one node shows to another: `<expires>.<mac>.<mac>…`, for that node at that address and for a moment.
//!
//! In: the id of a node and its address. Out: a ticket for it; or whether a ticket is one for this node. Each secret of
//! a node gives a key, and each key a MAC, so that one secret in common is enough: during a rotation not all nodes have
//! the same ones. An operator's token is never passed on: addresses of nodes are in Redis, and who can write there must
//! not get it. The address is signed, too: a ticket that was sent to another one opens nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::config::Config;

/// Separates these keys from all other uses of a secret.
const CONTEXT: &[u8] = b"channelgate node ticket v1";

/// How long a ticket opens something; the clocks of the nodes may differ.
const LIFETIME: Duration = Duration::from_secs(60);

/// Longer tickets are not read, in bytes: there is room for the MACs of 23 secrets.
const MAX_TICKET: usize = 1024;

/// Makes tickets, and recognises those of other nodes.
pub(super) struct NodeTickets(Vec<Hmac<Sha256>>);

impl NodeTickets {
    /// With the keys of all shared secrets; without any there are no tickets.
    pub fn new(config: &Config) -> Self {
        let keyed = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).ok();
        let derived = |secret: &str| {
            let key = keyed(secret.as_bytes())?.chain_update(CONTEXT).finalize().into_bytes();
            keyed(&key)
        };
        let secrets = config.signing_secrets().chain(&config.api.key);
        Self(secrets.filter_map(|secret| derived(secret.expose())).collect())
    }

    /// A ticket for this node at this address.
    pub fn issue(&self, node: &str, address: &str, now: SystemTime) -> Option<String> {
        let expires = (now + LIFETIME).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
        let mac = |key| BASE64_URL_SAFE_NO_PAD.encode(signed(key, &expires, node, address).finalize().into_bytes());
        let macs: Vec<String> = self.0.iter().map(mac).collect();
        (!macs.is_empty()).then(|| format!("{expires}.{}", macs.join(".")))
    }

    /// Whether this is a ticket for this node at this address.
    pub fn accepts(&self, ticket: &str, node: &str, address: &str, now: SystemTime) -> bool {
        let Some((expires, macs)) = ticket.split_once('.').filter(|_| ticket.len() <= MAX_TICKET) else { return false };
        let Ok(macs) = macs.split('.').map(|mac| BASE64_URL_SAFE_NO_PAD.decode(mac)).collect::<Result<Vec<_>, _>>()
        else {
            return false;
        };
        let end = expires.parse().ok().and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        // All are compared, so that the time does not say which of them is right.
        let expected: Vec<_> = self.0.iter().map(|key| signed(key, expires, node, address)).collect();
        let tried = expected.iter().flat_map(|own| macs.iter().map(|mac| own.clone().verify_slice(mac).is_ok()));
        tried.fold(false, |any, one| any | one) && end.is_some_and(|end| end > now && end <= now + 2 * LIFETIME)
    }
}

fn signed(key: &Hmac<Sha256>, expires: &str, node: &str, address: &str) -> Hmac<Sha256> {
    // No address and no id of a node contains these separators.
    key.clone().chain_update(expires).chain_update(".").chain_update(node).chain_update("\n").chain_update(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    const HERE: &str = "10.0.0.5:8000";

    fn tickets(secret_key: Option<&str>, api_key: Option<&str>) -> NodeTickets {
        let mut config = Config::default();
        config.auth.secret_key = secret_key.map(Secret::new);
        config.api.key = api_key.map(Secret::new);
        NodeTickets::new(&config)
    }

    #[test]
    fn a_ticket_opens_one_node_for_a_moment() {
        let (tickets, now) = (tickets(Some("django"), None), SystemTime::now());
        let ticket = tickets.issue("one", HERE, now).unwrap();
        assert!(tickets.accepts(&ticket, "one", HERE, now));
        assert!(tickets.accepts(&ticket, "one", HERE, now - LIFETIME / 2), "the other clock is behind");
        assert!(!tickets.accepts(&ticket, "two", HERE, now));
        assert!(!tickets.accepts(&ticket, "one", "10.0.0.6:8000", now));
        assert!(!tickets.accepts(&ticket, "one", HERE, now + LIFETIME + Duration::from_secs(1)));
        let (expires, mac) = ticket.split_once('.').unwrap();
        let later = format!("{}.{mac}", expires.parse::<u64>().unwrap() + 1);
        for wrong in ["", ".", expires, &later, &format!("{expires}."), &format!("{ticket}x"), &"x".repeat(1000)] {
            assert!(!tickets.accepts(wrong, "one", HERE, now), "{wrong}");
        }
        let forever = tickets.issue("one", HERE, now + 3 * LIFETIME).unwrap();
        assert!(!tickets.accepts(&forever, "one", HERE, now), "no node makes one that lasts longer");
    }

    #[test]
    fn one_secret_in_common_is_enough_in_both_directions() {
        let now = SystemTime::now();
        let all = |backend: Option<&str>, secret_keys: &[&str], api_key: Option<&str>| {
            let mut config = Config::default();
            config.backend.secret = backend.map(Secret::new);
            config.auth.secret_key = secret_keys.first().copied().map(Secret::new);
            config.auth.secret_key_fallbacks = secret_keys.iter().skip(1).copied().map(Secret::new).collect();
            config.api.key = api_key.map(Secret::new);
            NodeTickets::new(&config)
        };
        let old = all(None, &["old"], None);
        let many: Vec<String> = (0..15).map(|number| format!("before{number}")).collect();
        let many: Vec<&str> = ["new"].into_iter().chain(many.iter().map(String::as_str)).chain(["old"]).collect();
        for (name, other) in [
            ("with a secret of the backend", all(Some("backend"), &["old"], None)),
            ("during a rotation", all(None, &["new", "old"], None)),
            ("with many secrets", all(Some("backend"), &many, Some("key"))),
        ] {
            for (from, to) in [(&old, &other), (&other, &old)] {
                let ticket = from.issue("one", HERE, now).unwrap();
                assert!(to.accepts(&ticket, "one", HERE, now), "{name}: {ticket}");
                assert!(!to.accepts(&ticket, "two", HERE, now), "{name}");
            }
        }
    }

    #[test]
    fn nodes_need_a_secret_in_common() {
        let now = SystemTime::now();
        let ticket = tickets(Some("old"), Some("key")).issue("one", HERE, now).unwrap();
        assert!(!tickets(Some("new"), None).accepts(&ticket, "one", HERE, now));
        assert!(!tickets(None, None).accepts(&ticket, "one", HERE, now));
        assert!(tickets(None, None).issue("one", HERE, now).is_none());
        let ticket = tickets(None, Some("key")).issue("one", HERE, now).unwrap();
        assert!(tickets(Some("django"), Some("key")).accepts(&ticket, "one", HERE, now));
    }
}
