//! Django's cache in Redis, over a pool of connections.

use std::{fmt, time::Duration};

use bytes::Bytes;
use deadpool_redis::{Manager, Pool, PoolConfig, Runtime, Timeouts};
use futures_util::future::BoxFuture;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, Script, aio::MultiplexedConnection};

use super::{AuthError, Cache};
use crate::{
    auth::AuthConfigError,
    config::{self, Secret},
    layer::codec::names,
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
    pool: Pool,
    prefix: String,
    timeout: Duration,
    compare_and_delete: Script,
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl RedisCache {
    /// A cache at `url`, which is `cache.url` or else the first Redis of the layer. Connects when first used.
    pub fn new(config: &config::Cache, url: &Secret) -> Result<Self, AuthConfigError> {
        let timeout = config.timeout.0;
        let connection =
            AsyncConnectionConfig::new().set_connection_timeout(Some(timeout)).set_response_timeout(Some(timeout));
        let manager = Manager::new_with_config(url.expose(), connection).map_err(|error| {
            // The text of the error may hold the URL, and with it a password.
            AuthConfigError::new("cache.url", format!("is no Redis URL that can be used ({:?})", error.kind()))
        })?;
        let timeouts = Timeouts { wait: Some(timeout), create: Some(timeout), recycle: Some(timeout) };
        let pool = PoolConfig { timeouts, ..PoolConfig::new(config.pool.max(1)) };
        let pool = Pool::builder(manager).config(pool).runtime(Runtime::Tokio1).build();
        let pool = pool.map_err(|error| AuthConfigError::new("cache", error.to_string()))?;
        let compare_and_delete = Script::new(COMPARE_AND_DELETE);
        Ok(Self { pool, prefix: config.prefix.clone(), timeout, compare_and_delete })
    }

    /// Runs `work` on a connection of the pool, all of it within the deadline.
    async fn within<T>(
        &self,
        work: impl AsyncFnOnce(&mut MultiplexedConnection) -> redis::RedisResult<T>,
    ) -> Result<T, AuthError> {
        let unavailable = |reason: &dyn fmt::Display| {
            crate::warn_bounded!("the Redis of the Django cache is out of reach: {reason}");
            AuthError::Unavailable { retry_after: RETRY_AFTER }
        };
        let all = async {
            let mut connection = self.pool.get().await.map_err(|error| unavailable(&error))?;
            work(&mut connection).await.map_err(|error| unavailable(&error))
        };
        match tokio::time::timeout(self.timeout, all).await {
            Ok(result) => result,
            Err(_) => Err(unavailable(&format_args!("no answer in {} ms", self.timeout.as_millis()))),
        }
    }

    async fn query<T: FromRedisValue>(&self, command: Cmd) -> Result<T, AuthError> {
        self.within(async |connection: &mut MultiplexedConnection| command.query_async(connection).await).await
    }

    fn key(&self, key: &str) -> String {
        names::cache_key(&self.prefix, key)
    }
}

impl Cache for RedisCache {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, AuthError>> {
        Box::pin(self.query(Cmd::get(self.key(key))))
    }

    fn set<'a>(&'a self, key: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<(), AuthError>> {
        Box::pin(self.query(Cmd::set_ex(self.key(key), &value[..], ttl.as_secs().max(1))))
    }

    fn compare_and_delete<'a>(&'a self, key: &'a str, expected: &'a Bytes) -> BoxFuture<'a, Result<bool, AuthError>> {
        Box::pin(async move {
            let mut call = self.compare_and_delete.prepare_invoke();
            call.key(self.key(key)).arg(&expected[..]);
            self.within(async |connection: &mut MultiplexedConnection| call.invoke_async(connection).await).await
        })
    }
}
