//! Tokens that are revoked although they verify: each node holds all of them, so that a handshake needs no request.
//!
//! In: fingerprints with the time at which their tokens expire. Out: whether a token is among them.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::timeout};

use super::AuthError;
use crate::event::Fingerprint;

/// How long a handshake waits on a node that has just started and does not know them yet.
const PATIENCE: Duration = Duration::from_secs(2);

/// When a client should retry while the node does not know them yet.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// With fewer entries than this, expired ones are not removed.
const FIRST_SWEEP: usize = 1024;

/// The revoked tokens. One per node.
#[derive(Debug, Default)]
pub struct Revocations {
    known: RwLock<Revoked>,
    /// Set until Redis has been read.
    unread: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Revoked {
    ends: HashMap<Fingerprint, SystemTime>,
    sweep_at: usize,
}

impl Revocations {
    /// Admits no token until [`Self::read`].
    pub fn expect(&self) {
        self.unread.send_replace(true);
    }

    /// The earlier revocations are known now.
    pub fn read(&self) {
        self.unread.send_replace(false);
    }

    /// Revokes the token from now until `end`; returns whether it was not revoked until now.
    pub fn add(&self, token: Fingerprint, end: SystemTime) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let known = &mut *known;
        let now = SystemTime::now();
        if known.ends.len() >= known.sweep_at {
            known.ends.retain(|_, end| *end > now);
            known.sweep_at = (known.ends.len() * 2).max(FIRST_SWEEP);
        }
        match known.ends.entry(token) {
            Entry::Vacant(new) => {
                new.insert(end);
                true
            }
            Entry::Occupied(mut known) => {
                let had_ended = *known.get() <= now;
                *known.get_mut() = end.max(*known.get());
                had_ended
            }
        }
    }

    /// Checks that a token is not revoked.
    pub async fn check(&self, token: Fingerprint) -> Result<(), AuthError> {
        if *self.unread.borrow() {
            let mut unread = self.unread.subscribe();
            let read = timeout(PATIENCE, unread.wait_for(|unread| !unread)).await;
            if !matches!(read, Ok(Ok(_))) {
                return Err(AuthError::Unavailable { retry_after: RETRY_AFTER });
            }
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.ends.get(&token) {
            Some(end) if *end > SystemTime::now() => Err(AuthError::Revoked),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(seconds: u64) -> SystemTime {
        SystemTime::now() + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_refused_until_it_would_have_expired() {
        let revocations = Revocations::default();
        let (one, two) = (Fingerprint::of_jti("one"), Fingerprint::of_jti("two"));
        assert!(revocations.add(one, later(60)));
        assert!(!revocations.add(one, SystemTime::UNIX_EPOCH));
        assert!(revocations.add(two, SystemTime::UNIX_EPOCH));
        assert!(revocations.add(two, SystemTime::UNIX_EPOCH), "it had ended");
        assert_eq!(revocations.check(one).await, Err(AuthError::Revoked));
        assert_eq!(revocations.check(two).await, Ok(()));
        revocations.expect();
        assert_eq!(revocations.check(two).await, Err(AuthError::Unavailable { retry_after: RETRY_AFTER }));
        revocations.read();
        assert_eq!(revocations.check(two).await, Ok(()));
    }

    #[test]
    fn expired_revocations_do_not_pile_up() {
        let revocations = Revocations::default();
        for number in 0..10_000 {
            revocations.add(Fingerprint::of_jti(&number.to_string()), SystemTime::UNIX_EPOCH);
        }
        assert!(revocations.known.read().unwrap().ends.len() <= FIRST_SWEEP);
    }
}
