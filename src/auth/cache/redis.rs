//! Django's cache in Redis, over a pool of connections.

use std::{fmt, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use redis::{Cmd, FromRedisValue, Script, aio::MultiplexedConnection};

use super::{AuthError, Cache};
use crate::{
    auth::AuthConfigError,
    config::{self, Secret},
    layer::{
        codec::names,
        redis::{
            hosts::Host,
            pool::{PoolError, RedisPool},
        },
    },
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

fn unavailable(error: PoolError) -> AuthError {
    let PoolError { label, reason } = error;
    crate::warn_bounded!("the Redis of the Django cache, {label}, failed: {reason}");
    AuthError::Unavailable { retry_after: RETRY_AFTER }
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
            let work = async |connection: &mut MultiplexedConnection| call.invoke_async(connection).await;
            self.pool.within(work).await.map_err(unavailable)
        })
    }
}
