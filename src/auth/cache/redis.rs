//! Django's cache in Redis, over a pool of connections.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use redis::{Cmd, FromRedisValue, Script};
use uuid::Uuid;

use super::{AuthError, Cache, Cached, KeyExpiries};
use crate::{
    auth::AuthConfigError,
    config::{self, Secret},
    layer::codec::names,
    redis::{Host, PoolError, RedisPool},
};

/// Deletes KEYS[1] if it holds ARGV[1].
const COMPARE_AND_DELETE: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0";

/// When a client should retry while Redis is unreachable.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Prefix of this node's own key: its marker.
const MARKER: &str = "channelgate:cache:";

/// How long a marker is kept without a look, in seconds.
const KEPT: u64 = 24 * 3600;

/// Django's cache in Redis.
pub struct RedisCache {
    pool: RedisPool,
    prefix: String,
    compare_and_delete: Script,
    marker: String,
    looks: Mutex<Looks>,
}

/// Each look writes its number into the marker. If the marker is missing, or older than the last confirmed number, the
/// store has lost writes: it restarted, was flushed, or is a replica that took over. This needs no command beyond the
/// node's own keys, unlike `INFO`.
#[derive(Debug, Default)]
struct Looks {
    /// The last one begun.
    begun: u64,
    /// The last one answered.
    confirmed: u64,
    /// The lowest number that a store without a loss may have: an unanswered look may be written late.
    lowest: u64,
    /// How often the store has lost writes.
    run: u64,
}

impl Looks {
    /// A look was answered; `marker` is the number that the previous look left.
    fn answered(&mut self, number: u64, marker: Option<u64>) -> u64 {
        if marker.is_none_or(|found| found < self.lowest) {
            self.run += 1;
        }
        self.lowest = self.confirmed + 1;
        self.confirmed = number;
        self.run
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache")
            .field("host", &self.pool.label())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl RedisCache {
    /// A cache at `url`, which is `cache.url` or else the first Redis of the layer. Connects on first use.
    pub fn new(config: &config::Cache, url: &Secret) -> Result<Self, AuthConfigError> {
        let host = Host::leader(url.expose()).map_err(|error| AuthConfigError::new("cache.url", error.to_string()))?;
        if config.timeout.0.is_zero() {
            return Err(AuthConfigError::new("cache.timeout", "must be longer than 0"));
        }
        Ok(Self {
            pool: RedisPool::new(host, config.pool, config.timeout.0),
            prefix: config.prefix.clone(),
            compare_and_delete: Script::new(COMPARE_AND_DELETE),
            marker: format!("{MARKER}{}", Uuid::new_v4().simple()),
            looks: Mutex::default(),
        })
    }

    async fn query<T: FromRedisValue>(&self, command: Cmd) -> Result<T, AuthError> {
        self.pool.query(&command).await.map_err(unavailable)
    }

    fn key(&self, key: &str) -> String {
        names::cache_key(&self.prefix, key)
    }

    fn with_looks<T>(&self, work: impl FnOnce(&mut Looks) -> T) -> T {
        work(&mut self.looks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// When a key expires that was queried at `asked` with PTTL; `None` if it does not exist.
fn end(asked: Instant, left: i64) -> Option<Option<Instant>> {
    match u64::try_from(left) {
        Ok(left) => Some(Some(asked + Duration::from_millis(left))),
        Err(_) => (left == -1).then_some(None),
    }
}

fn unavailable(error: PoolError) -> AuthError {
    let PoolError { label, reason } = error;
    crate::warn_bounded!("the Redis of the Django cache, {label}, failed: {reason}");
    AuthError::Unavailable { retry_after: RETRY_AFTER }
}

impl Cache for RedisCache {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Cached>, AuthError>> {
        Box::pin(async move {
            let key = self.key(key);
            let mut commands = redis::pipe();
            commands.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
            let asked = Instant::now();
            let (value, left): (Option<Bytes>, i64) = self.pool.exchange(&commands).await.map_err(unavailable)?;
            // A key that expires between the two commands counts as gone.
            Ok(value.zip(end(asked, left)).map(|(value, end)| Cached { value, end }))
        })
    }

    fn ends<'a>(&'a self, keys: &'a [Arc<str>]) -> BoxFuture<'a, Result<KeyExpiries, AuthError>> {
        Box::pin(async move {
            let number = self.with_looks(|looks| {
                looks.begun += 1;
                looks.begun
            });
            let mut commands = redis::pipe();
            for key in keys {
                commands.cmd("PTTL").arg(self.key(key));
            }
            // After the keys: if they are lost between the commands, the marker is lost, too.
            commands.cmd("GET").arg(&self.marker).cmd("SETEX").arg(&self.marker).arg(KEPT).arg(number).ignore();
            let asked = Instant::now();
            let mut answers: Vec<Option<i64>> = self.pool.exchange(&commands).await.map_err(unavailable)?;
            let marker = answers.pop().flatten().and_then(|marker| u64::try_from(marker).ok());
            let run = self.with_looks(|looks| looks.answered(number, marker));
            let ends = answers.into_iter().map(|left| left.and_then(|left| end(asked, left)));
            Ok(KeyExpiries { run, ends: ends.collect() })
        })
    }

    fn set<'a>(&'a self, key: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<(), AuthError>> {
        Box::pin(self.query(Cmd::set_ex(self.key(key), &value[..], ttl.as_secs().max(1))))
    }

    fn compare_and_delete<'a>(&'a self, key: &'a str, expected: &'a Bytes) -> BoxFuture<'a, Result<bool, AuthError>> {
        Box::pin(async move {
            let mut call = self.compare_and_delete.prepare_invoke();
            call.key(self.key(key)).arg(&expected[..]);
            self.pool.invoke(&call).await.map_err(unavailable)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_lost_writes_has_another_run() {
        let mut looks = Looks::default();
        let first = looks.answered(1, None);
        assert_eq!(looks.answered(2, Some(1)), first);
        // The third was not answered: whether and when it was written is unknown.
        assert_eq!(looks.answered(4, Some(3)), first);
        assert_eq!(looks.answered(5, Some(3)), first);
        assert_eq!(looks.answered(6, Some(5)), first);
        let flushed = looks.answered(7, None);
        assert_ne!(flushed, first);
        assert_eq!(looks.answered(8, Some(7)), flushed);
        let from_an_old_snapshot = looks.answered(9, Some(7));
        assert_ne!(from_an_old_snapshot, flushed);
    }
}
