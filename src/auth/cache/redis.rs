//! Django's cache in Redis, over a pool of connections.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use deadpool_redis::{Manager, Pool, PoolConfig, Runtime, Timeouts};
use futures_util::future::BoxFuture;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, ProtocolVersion, Script, aio::MultiplexedConnection};

use super::{AuthError, Cache};
use crate::{
    auth::AuthConfigError,
    config::{self, Secret},
    layer::{codec::names, redis::hosts::Host},
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
    host: Host,
    /// Connections to where the host was when it last answered; none before the first use and after a failure, so that
    /// Sentinel is asked anew.
    pool: Mutex<Option<Pool>>,
    connections: usize,
    prefix: String,
    timeout: Duration,
    compare_and_delete: Script,
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache")
            .field("host", &self.host.label())
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
            host,
            pool: Mutex::new(None),
            connections: config.pool.max(1),
            prefix: config.prefix.clone(),
            timeout: config.timeout.0,
            compare_and_delete: Script::new(COMPARE_AND_DELETE),
        })
    }

    /// Runs `work` on a connection of the pool, all of it within the deadline.
    async fn within<T>(
        &self,
        work: impl AsyncFnOnce(&mut MultiplexedConnection) -> redis::RedisResult<T>,
    ) -> Result<T, AuthError> {
        let all = async {
            let pool = self.pool().await?;
            let mut connection = pool.get().await.map_err(|error| error.to_string())?;
            work(&mut connection).await.map_err(|error| error.to_string())
        };
        let late = |_| Err(format!("no answer in {} ms", self.timeout.as_millis()));
        tokio::time::timeout(self.timeout, all).await.unwrap_or_else(late).map_err(|reason: String| {
            crate::warn_bounded!("the Redis of the Django cache, {}, failed: {reason}", self.host.label());
            self.remember(None);
            AuthError::Unavailable { retry_after: RETRY_AFTER }
        })
    }

    async fn pool(&self) -> Result<Pool, String> {
        let known = self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(pool) = known {
            return Ok(pool);
        }
        let client = self.host.client(ProtocolVersion::RESP2).await.map_err(|error| error.to_string())?;
        let connection = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        let manager = Manager::new_with_config(client.get_connection_info().clone(), connection);
        let timeouts = Timeouts { wait: Some(self.timeout), create: Some(self.timeout), recycle: Some(self.timeout) };
        let config = PoolConfig { timeouts, ..PoolConfig::new(self.connections) };
        let builder = Pool::builder(manager.map_err(|error| error.to_string())?);
        let pool = builder.config(config).runtime(Runtime::Tokio1).build().map_err(|error| error.to_string())?;
        self.remember(Some(pool.clone()));
        Ok(pool)
    }

    fn remember(&self, pool: Option<Pool>) {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = pool;
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
