//! Watches the cached tokens of open connections: deleting a token before it expires ends the connections that used it.
//!
//! In: the tokens that the workers watch, and the cache's answers about them. Out: orders to disconnect. A cache that
//! is unreachable or has lost its data never ends a connection; nor does a token that has expired.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    auth::{AuthError, Cache},
    config::AuthMethod,
    consumer::Consumers,
    hub::{DisconnectTarget, Disconnection, Dispatcher, Watched},
    socket::close::Ending,
    warn_bounded,
};

/// How long the worker threads have.
const PATIENCE: Duration = Duration::from_millis(800);

/// Keys per exchange with the cache.
const BATCH: usize = 500;

/// A token with less time left than this is not judged: clocks differ a little.
const MARGIN: Duration = Duration::from_millis(500);

/// Looks every `period` while the node lives; also without connections, so that a loss of the store's data is noticed,
/// but not before a consumer takes cached tokens.
pub async fn look_after(cache: Arc<dyn Cache>, dispatcher: Arc<Dispatcher>, consumers: Consumers, period: Duration) {
    let mut looks = interval(period);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = LastSeen::default();
    loop {
        looks.tick().await;
        if known.run.is_none() && !consumers.now().set().iter().any(|one| one.auth().contains(&AuthMethod::WsToken)) {
            continue;
        }
        let now = Instant::now();
        let asked = dispatcher.ask_workers(move |shard| shard.principals().watched(now), PATIENCE).await;
        let watched: Vec<Watched> = asked.answers.into_iter().flatten().collect();
        let deleted = match known.deleted(&*cache, watched).await {
            Ok(deleted) => deleted,
            Err(error) => {
                warn_bounded!("cannot check the tokens of open connections: {error}");
                continue;
            }
        };
        if deleted.is_empty() {
            continue;
        }
        let disconnection = |one: Watched| Disconnection {
            target: DisconnectTarget::Principal(one.token),
            until: one.began,
            ending: Ending::revoked(),
        };
        let disconnections: Vec<Disconnection> = deleted.into_iter().map(disconnection).collect();
        // A token that is not handled in time is found deleted again at the next look.
        dispatcher.ask_workers(move |shard| shard.disconnect(&disconnections), PATIENCE).await;
    }
}

/// What earlier looks found in the cache.
#[derive(Default)]
struct LastSeen {
    /// The store's run (a number that changes when it loses its data), and since when.
    run: Option<(u64, Instant)>,
    /// The keys that were there.
    keys: HashMap<Arc<str>, Seen>,
}

/// A key as it was last seen.
#[derive(Clone, Copy)]
struct Seen {
    /// When it expires; its value may have been replaced by one with less time left since the client showed the token.
    end: Option<Instant>,
    /// As [`LastSeen::run`].
    run: u64,
}

impl LastSeen {
    /// The entries of `watched` with deleted keys.
    async fn deleted(&mut self, cache: &dyn Cache, mut watched: Vec<Watched>) -> Result<Vec<Watched>, AuthError> {
        let mut keys: Vec<Arc<str>> = watched.iter().map(|one| Arc::clone(&one.watch.key)).collect();
        keys.sort_unstable();
        keys.dedup();
        let gone = self.look(cache, &keys).await?;
        let Some((run, since)) = self.run else { return Ok(Vec::new()) };
        // Counted from the answer: before it the key was already missing.
        let safe = Instant::now() + MARGIN;
        watched.retain(|one| {
            let Some(seen) = gone.get(&one.watch.key) else { return false };
            let in_time = |end: Option<Instant>| end.is_none_or(|end| end > safe);
            // Only keys that the store did not lose: written since its last loss, or seen after it.
            let was_there = one.began >= since || seen.is_some_and(|seen| seen.run == run);
            was_there && in_time(one.watch.end) && in_time(seen.and_then(|seen| seen.end))
        });
        Ok(watched)
    }

    /// The entries of `keys` that the cache does not have, each with its last sighting, if any.
    async fn look(
        &mut self,
        cache: &dyn Cache,
        keys: &[Arc<str>],
    ) -> Result<HashMap<Arc<str>, Option<Seen>>, AuthError> {
        let (mut known, mut gone) = (HashMap::new(), HashMap::new());
        // Asks also without keys: a loss of the store's data must be noticed.
        let batches = if keys.is_empty() { vec![keys] } else { keys.chunks(BATCH).collect() };
        for batch in batches {
            let asked = Instant::now();
            let found = cache.ends(batch).await?;
            if self.run.as_ref().is_none_or(|(run, _)| *run != found.run) {
                // The store may have lost every key that it does not have now.
                self.run = Some((found.run, asked));
                gone.clear();
            }
            for (key, end) in batch.iter().zip(found.ends) {
                let before = self.keys.get(key).copied();
                if end.is_none() {
                    gone.insert(Arc::clone(key), before);
                }
                // A key that is gone stays known while it is watched.
                let seen = end.map(|end| Seen { end, run: found.run }).or(before);
                known.extend(seen.map(|seen| (Arc::clone(key), seen)));
            }
        }
        // Unchanged if the cache did not answer.
        self.keys = known;
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use futures_util::future::{self, BoxFuture};

    use super::*;
    use crate::{
        auth::{Cached, KeyExpiries},
        event::{Fingerprint, WatchedToken},
    };

    /// The cache's next answer: its run, and the key "k".
    struct Says(Mutex<Result<Said, AuthError>>);

    type Said = (u64, Option<Option<Instant>>);

    impl Cache for Says {
        fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Cached>, AuthError>> {
            Box::pin(future::ready(Ok(None)))
        }
        fn ends<'a>(&'a self, keys: &'a [Arc<str>]) -> BoxFuture<'a, Result<KeyExpiries, AuthError>> {
            let said = self.0.lock().unwrap().clone();
            Box::pin(future::ready(said.map(|(run, end)| KeyExpiries { run, ends: vec![end; keys.len()] })))
        }
        fn set<'a>(&'a self, _: &'a str, _: Bytes, _: Duration) -> BoxFuture<'a, Result<(), AuthError>> {
            Box::pin(future::ready(Ok(())))
        }
        fn compare_and_delete<'a>(&'a self, _: &'a str, _: &'a Bytes) -> BoxFuture<'a, Result<bool, AuthError>> {
            Box::pin(future::ready(Ok(false)))
        }
    }

    fn later(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    fn token(end: Option<Instant>) -> Vec<Watched> {
        let watch = WatchedToken { key: "k".into(), end };
        vec![Watched { watch, token: Fingerprint::of_text("t"), began: Instant::now() }]
    }

    async fn is_deleted(known: &mut LastSeen, says: &Says, token: &[Watched]) -> bool {
        !known.deleted(says, token.to_vec()).await.unwrap().is_empty()
    }

    async fn started(run: u64, end: Option<Instant>) -> (LastSeen, Says) {
        let (mut known, says) = (LastSeen::default(), Says(Mutex::new(Ok((run, Some(end))))));
        assert!(!is_deleted(&mut known, &says, &token(end)).await);
        (known, says)
    }

    #[tokio::test]
    async fn a_key_that_is_gone_before_it_expires_was_deleted() {
        for end in [Some(later(60)), None] {
            let (mut known, says) = started(1, end).await;
            let token = token(end);
            assert!(!is_deleted(&mut known, &says, &token).await);
            *says.0.lock().unwrap() = Ok((1, None));
            assert!(is_deleted(&mut known, &says, &token).await);
        }
    }

    #[tokio::test]
    async fn a_key_that_has_expired_was_not_deleted() {
        let (mut known, says) = started(1, Some(later(0))).await;
        *says.0.lock().unwrap() = Ok((1, None));
        assert!(!is_deleted(&mut known, &says, &token(Some(later(0)))).await);
    }

    #[tokio::test]
    async fn a_key_that_was_given_less_time_since_was_not_deleted() {
        let (mut known, says) = started(1, Some(later(60))).await;
        let token = token(Some(later(60)));
        *says.0.lock().unwrap() = Ok((1, Some(Some(later(0)))));
        assert!(!is_deleted(&mut known, &says, &token).await);
        *says.0.lock().unwrap() = Ok((1, None));
        for _ in 0..3 {
            assert!(!is_deleted(&mut known, &says, &token).await);
        }
    }

    #[tokio::test]
    async fn a_token_shown_before_the_first_look_or_a_loss_is_watched_once_it_was_seen() {
        let token = token(Some(later(60)));
        let (mut known, says) = started(1, Some(later(60))).await;
        for (run, there) in [(1, true), (2, true), (3, false)] {
            *says.0.lock().unwrap() = Ok((run, there.then(|| Some(later(60)))));
            assert!(!is_deleted(&mut known, &says, &token).await);
            *says.0.lock().unwrap() = Ok((run, None));
            assert_eq!(is_deleted(&mut known, &says, &token).await, there, "run {run}");
        }
        let mut known = LastSeen::default();
        *says.0.lock().unwrap() = Ok((1, Some(Some(later(60)))));
        assert!(!is_deleted(&mut known, &says, &token).await);
        *says.0.lock().unwrap() = Ok((1, None));
        assert!(is_deleted(&mut known, &says, &token).await);
    }

    #[tokio::test]
    async fn a_store_that_is_unreachable_or_has_lost_its_data_deletes_nothing() {
        let (mut known, says) = started(1, Some(later(60))).await;
        let token = token(Some(later(60)));
        *says.0.lock().unwrap() = Err(AuthError::Unavailable { retry_after: Duration::ZERO });
        assert!(known.deleted(&says, token.clone()).await.is_err());
        *says.0.lock().unwrap() = Ok((2, None));
        for _ in 0..2 {
            assert!(!is_deleted(&mut known, &says, &token).await);
        }
    }
}
