//! Django's cache in Redis, over a pool of connections.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use redis::{Cmd, FromRedisValue, Script};

use super::{AuthError, Cache, Cached, Ends};
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

/// When a client should try again while Redis is out of reach.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Django's cache in Redis.
pub struct RedisCache {
    pool: RedisPool,
    prefix: String,
    compare_and_delete: Script,
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
    /// A cache at `url`, which is `cache.url` or else the first Redis of the layer. Connects when first used.
    pub fn new(config: &config::Cache, url: &Secret) -> Result<Self, AuthConfigError> {
        let host = Host::parse(url.expose()).map_err(|error| AuthConfigError::new("cache.url", error.to_string()))?;
        if config.timeout.0.is_zero() {
            return Err(AuthConfigError::new("cache.timeout", "has to be more than nothing"));
        }
        Ok(Self {
            pool: RedisPool::new(host, config.pool, config.timeout.0),
            prefix: config.prefix.clone(),
            compare_and_delete: Script::new(COMPARE_AND_DELETE),
        })
    }

    async fn query<T: FromRedisValue>(&self, command: Cmd) -> Result<T, AuthError> {
        self.pool.query(&command).await.map_err(unavailable)
    }

    fn key(&self, key: &str) -> String {
        names::cache_key(&self.prefix, key)
    }
}

/// When a key ends that was asked for at `asked` with PTTL; `None` where it is not there.
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
            // Ended between the two commands, it is as good as gone.
            Ok(value.zip(end(asked, left)).map(|(value, end)| Cached { value, end }))
        })
    }

    fn ends<'a>(&'a self, keys: &'a [Arc<str>]) -> BoxFuture<'a, Result<Ends, AuthError>> {
        Box::pin(async move {
            let mut commands = redis::pipe();
            commands.cmd("INFO").arg("server");
            for key in keys {
                commands.cmd("PTTL").arg(self.key(key));
            }
            let asked = Instant::now();
            let answers: Vec<redis::Value> = self.pool.exchange(&commands).await.map_err(unavailable)?;
            let mut answers = answers.into_iter();
            let info: String = answers.next().and_then(|info| redis::from_redis_value(info).ok()).unwrap_or_default();
            let run = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default().trim().into();
            let ends = answers.map(|left| redis::from_redis_value(left).ok().and_then(|left| end(asked, left)));
            Ok(Ends { run, ends: ends.collect() })
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
