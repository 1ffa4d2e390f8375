//! Commands to one Redis over a pool of connections: for everything that is not an event.
//!
//! In: a command or a script, and a common deadline. Out: its answer. After a failure the next command looks up
//! the address again, so a failover of Sentinel is followed.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use deadpool::{
    Runtime,
    managed::{self, Metrics, Pool, PoolConfig, RecycleError, RecycleResult, Timeouts},
};
use redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, ProtocolVersion, RedisError, RedisResult, ScriptInvocation,
    aio::MultiplexedConnection,
};

use super::{
    command,
    connection::Connection,
    error::one_line,
    hosts::{Host, Server},
};

/// A command failed, for this reason; without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Redis {label}: {reason}")]
pub struct PoolError {
    /// The Redis.
    pub label: String,
    /// What went wrong.
    pub reason: String,
}

/// Makes the connections of a pool, all to one server.
struct Connector {
    server: Server,
    timeout: Duration,
}

impl managed::Manager for Connector {
    type Type = Connection;
    type Error = RedisError;

    async fn create(&self) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(self.timeout));
        self.server.connect(ProtocolVersion::RESP2, self.timeout, config).await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<RedisError> {
        let answer: RedisResult<String> = command::query(connection, &redis::cmd("PING")).await;
        answer.map(drop).map_err(RecycleError::Backend)
    }
}

/// Connections to one Redis. Connects when first used.
pub struct RedisPool {
    host: Host,
    /// Connections to the host's last known address; none before the first use and after a failure.
    pool: Mutex<Option<Pool<Connector>>>,
    connections: usize,
    timeout: Duration,
}

impl fmt::Debug for RedisPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisPool").field("host", &self.host.label()).finish_non_exhaustive()
    }
}

impl RedisPool {
    /// With this maximum number of connections; `timeout` is the deadline of one whole operation.
    pub fn new(host: Host, connections: usize, timeout: Duration) -> Self {
        Self { host, pool: Mutex::new(None), connections: connections.max(1), timeout }
    }

    /// The address without credentials.
    pub fn label(&self) -> &str {
        self.host.label()
    }

    /// The host.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Runs `work` on a connection of the pool, all within the deadline.
    ///
    /// # Errors
    /// Redis is unreachable, late, or answers with an error.
    pub async fn within<T>(
        &self,
        work: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, PoolError> {
        let all = async {
            let pool = self.pool().await?;
            let mut connection = pool.get().await.map_err(|error| match error {
                // The error of Redis, without the pool's own text.
                managed::PoolError::Backend(error) => error.to_string(),
                error => error.to_string(),
            })?;
            work(&mut connection).await.map_err(|error| error.to_string())
        };
        let late = |_| Err(format!("no answer in {} ms", self.timeout.as_millis()));
        tokio::time::timeout(self.timeout, all).await.unwrap_or_else(late).map_err(|reason: String| {
            self.remember(None);
            PoolError { label: self.label().to_owned(), reason: one_line(&reason) }
        })
    }

    /// Runs one command.
    ///
    /// # Errors
    /// Like [`Self::within`].
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, PoolError> {
        self.within(async |connection: &mut MultiplexedConnection| command::query(connection, command).await).await
    }

    /// Runs several commands in one exchange.
    ///
    /// # Errors
    /// Like [`Self::within`].
    pub async fn exchange<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, PoolError> {
        self.within(async |connection: &mut MultiplexedConnection| command::exchange(connection, commands).await).await
    }

    /// Runs one script, atomically in Redis.
    ///
    /// # Errors
    /// Like [`Self::within`].
    pub async fn invoke<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, PoolError> {
        self.within(async |connection: &mut MultiplexedConnection| command::invoke(connection, script).await).await
    }

    async fn pool(&self) -> Result<Pool<Connector>, String> {
        let known = self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(pool) = known {
            return Ok(pool);
        }
        let server = self.host.server().await.map_err(|error| error.to_string())?;
        let connector = Connector { server, timeout: self.timeout };
        let timeouts = Timeouts { wait: Some(self.timeout), create: Some(self.timeout), recycle: Some(self.timeout) };
        let config = PoolConfig { timeouts, ..PoolConfig::new(self.connections) };
        let builder = Pool::builder(connector);
        let pool = builder.config(config).runtime(Runtime::Tokio1).build().map_err(|error| error.to_string())?;
        self.remember(Some(pool.clone()));
        Ok(pool)
    }

    fn remember(&self, pool: Option<Pool<Connector>>) {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = pool;
    }
}
