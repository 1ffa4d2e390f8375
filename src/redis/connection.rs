//! A connection for commands. Dropping its last clone closes it at once, also while an answer is awaited: a blocking pop
//! must not outlive its session, because it would take a message that nobody gets.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisResult, aio::MultiplexedConnection};
use tokio::io::{AsyncRead, AsyncWrite};

use super::task::AbortOnDrop;

/// A connection, shared by its clones.
#[derive(Clone)]
pub struct Connection {
    inner: MultiplexedConnection,
    #[allow(dead_code, reason = "dropping the last one closes the connection")]
    task: Arc<AbortOnDrop>,
}

impl Connection {
    /// Logs in over an open stream.
    pub async fn over<S>(login: &RedisConnectionInfo, stream: S, config: AsyncConnectionConfig) -> RedisResult<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (inner, driver) = MultiplexedConnection::new_with_config(login, stream, config).await?;
        Ok(Self { inner, task: Arc::new(AbortOnDrop(tokio::spawn(driver))) })
    }
}

impl Deref for Connection {
    type Target = MultiplexedConnection;

    fn deref(&self) -> &MultiplexedConnection {
        &self.inner
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut MultiplexedConnection {
        &mut self.inner
    }
}
