//! What one node shows to another: `<expires>.<mac>`, for that node alone and for a moment.
//!
//! In: the id of a node. Out: a ticket for it; or whether a ticket is one for this node. The keys are derived from the secrets
//! that all nodes share. An operator's token is never passed on: addresses of nodes are in Redis, and who can write there must
//! not get it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::config::Config;

/// Separates these keys from all other uses of a secret.
const CONTEXT: &[u8] = b"channelgate node ticket v1";

/// How long a ticket opens something; the clocks of the nodes may differ.
const LIFETIME: Duration = Duration::from_secs(60);

/// Longer tickets are not read, in bytes.
const MAX_TICKET: usize = 128;

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

    /// A ticket for this node.
    pub fn issue(&self, node: &str, now: SystemTime) -> Option<String> {
        let expires = (now + LIFETIME).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
        let mac = signed(self.0.first()?, &expires, node).finalize().into_bytes();
        Some(format!("{expires}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac)))
    }

    /// Whether this is a ticket for this node.
    pub fn accepts(&self, ticket: &str, node: &str, now: SystemTime) -> bool {
        let Some((expires, mac)) = ticket.split_once('.').filter(|_| ticket.len() <= MAX_TICKET) else { return false };
        let Ok(mac) = BASE64_URL_SAFE_NO_PAD.decode(mac) else { return false };
        let end = expires.parse().ok().and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        // All are compared, so that the time does not say which of them is right.
        let tried = self.0.iter().map(|key| signed(key, expires, node).verify_slice(&mac).is_ok());
        tried.fold(false, |any, one| any | one) && end.is_some_and(|end| end > now && end <= now + 2 * LIFETIME)
    }
}

fn signed(key: &Hmac<Sha256>, expires: &str, node: &str) -> Hmac<Sha256> {
    key.clone().chain_update(expires).chain_update(".").chain_update(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn tickets(secret_key: Option<&str>, api_key: Option<&str>) -> NodeTickets {
        let mut config = Config::default();
        config.auth.secret_key = secret_key.map(Secret::new);
        config.api.key = api_key.map(Secret::new);
        NodeTickets::new(&config)
    }

    #[test]
    fn a_ticket_opens_one_node_for_a_moment() {
        let (tickets, now) = (tickets(Some("django"), None), SystemTime::now());
        let ticket = tickets.issue("one", now).unwrap();
        assert!(tickets.accepts(&ticket, "one", now));
        assert!(tickets.accepts(&ticket, "one", now - LIFETIME / 2), "the other clock is behind");
        assert!(!tickets.accepts(&ticket, "two", now));
        assert!(!tickets.accepts(&ticket, "one", now + LIFETIME + Duration::from_secs(1)));
        let (expires, mac) = ticket.split_once('.').unwrap();
        let later = format!("{}.{mac}", expires.parse::<u64>().unwrap() + 1);
        for wrong in ["", ".", expires, &later, &format!("{expires}."), &format!("{ticket}x"), &"x".repeat(1000)] {
            assert!(!tickets.accepts(wrong, "one", now), "{wrong}");
        }
        let forever = tickets.issue("one", now + 3 * LIFETIME).unwrap();
        assert!(!tickets.accepts(&forever, "one", now), "no node makes one that lasts longer");
    }

    #[test]
    fn nodes_need_a_secret_in_common() {
        let now = SystemTime::now();
        let ticket = tickets(Some("old"), Some("key")).issue("one", now).unwrap();
        assert!(!tickets(Some("new"), None).accepts(&ticket, "one", now));
        assert!(!tickets(None, None).accepts(&ticket, "one", now));
        assert!(tickets(None, None).issue("one", now).is_none());
        let ticket = tickets(None, Some("key")).issue("one", now).unwrap();
        assert!(tickets(Some("django"), Some("key")).accepts(&ticket, "one", now));
    }
}
