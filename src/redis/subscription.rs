//! A connection that only receives: RESP3 if the server supports it (Redis ≥ 6), else RESP2.
//!
//! In: channels to subscribe to. Out: messages, in the order of Redis, and a notification when the connection is lost.
//! Every change waits for Redis' confirmation.

use std::sync::Arc;

use futures_util::StreamExt;
use redis::{
    AsyncConnectionConfig, ErrorKind, ProtocolVersion, PushInfo, PushKind, RedisError, RedisResult, Value,
    aio::PubSubSink,
};
use tokio::{sync::Notify, time::timeout};

use super::{
    command::of_command,
    connection::Connection,
    error::timed_out,
    hosts::Host,
    task::AbortOnDrop,
    time::{CONNECT, RESPONSE},
};

/// Names per command; more are sent in several commands.
const CHUNK: usize = 1000;

/// A message on a subscribed channel.
pub struct Published<'a> {
    /// The pattern that it matched, if it arrived through a pattern.
    pub pattern: Option<&'a [u8]>,
    /// The channel.
    pub channel: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

/// A subscribing connection.
pub struct Subscription {
    wire: Resp,
    lost: Arc<Notify>,
}

enum Resp {
    Resp3(Connection),
    Resp2(PubSubSink, #[allow(dead_code, reason = "dropping it ends the reader")] AbortOnDrop),
}

#[derive(Clone, Copy)]
enum Verb {
    Subscribe,
    Unsubscribe,
    Psubscribe,
}

impl Verb {
    const fn command(self) -> &'static str {
        match self {
            Self::Subscribe => "SUBSCRIBE",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Psubscribe => "PSUBSCRIBE",
        }
    }
}

impl Subscription {
    /// Connects; nothing is subscribed yet. `hear` is called where the bytes are read.
    pub async fn open<F>(host: &Host, hear: F) -> RedisResult<Self>
    where
        F: Fn(Published<'_>) + Clone + Send + Sync + 'static,
    {
        let lost = Arc::new(Notify::new());
        let wire = match resp3(host, hear.clone(), Arc::clone(&lost)).await {
            Err(error) if no_resp3(&error) => resp2(host, hear, Arc::clone(&lost)).await?,
            other => other?,
        };
        Ok(Self { wire, lost })
    }

    /// Notified once the connection is lost.
    pub fn lost(&self) -> Arc<Notify> {
        Arc::clone(&self.lost)
    }

    /// Resolves when Redis has confirmed every channel.
    pub async fn subscribe<S: AsRef<str>>(&mut self, channels: &[S]) -> RedisResult<()> {
        self.change(Verb::Subscribe, channels).await
    }

    /// Resolves when Redis has confirmed every pattern.
    pub async fn psubscribe<S: AsRef<str>>(&mut self, patterns: &[S]) -> RedisResult<()> {
        self.change(Verb::Psubscribe, patterns).await
    }

    /// Resolves when Redis has confirmed that no more messages come.
    pub async fn unsubscribe<S: AsRef<str>>(&mut self, channels: &[S]) -> RedisResult<()> {
        self.change(Verb::Unsubscribe, channels).await
    }

    async fn change<S: AsRef<str>>(&mut self, change: Verb, names: &[S]) -> RedisResult<()> {
        for chunk in names.chunks(CHUNK) {
            let names: Vec<&str> = chunk.iter().map(AsRef::as_ref).collect();
            let confirmed = async {
                match (&mut self.wire, change) {
                    (Resp::Resp3(connection), Verb::Subscribe) => connection.subscribe(names).await,
                    (Resp::Resp3(connection), Verb::Unsubscribe) => connection.unsubscribe(names).await,
                    (Resp::Resp3(connection), Verb::Psubscribe) => connection.psubscribe(names).await,
                    (Resp::Resp2(sink, _), Verb::Subscribe) => sink.subscribe(names).await,
                    (Resp::Resp2(sink, _), Verb::Unsubscribe) => sink.unsubscribe(names).await,
                    (Resp::Resp2(sink, _), Verb::Psubscribe) => sink.psubscribe(names).await,
                }
            };
            let confirmed = timeout(RESPONSE, confirmed).await.map_err(|_| timed_out())?;
            confirmed.map_err(|error| of_command(change.command(), error))?;
        }
        Ok(())
    }
}

async fn resp3(
    host: &Host,
    hear: impl Fn(Published<'_>) + Send + Sync + 'static,
    lost: Arc<Notify>,
) -> RedisResult<Resp> {
    let server = host.server().await?;
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(RESPONSE)).set_push_sender(
        move |PushInfo { kind, data }| -> Result<(), redis::aio::SendError> {
            match (kind, data.as_slice()) {
                (PushKind::Message, [Value::BulkString(channel), Value::BulkString(payload)]) => {
                    hear(Published { pattern: None, channel, payload });
                }
                (
                    PushKind::PMessage,
                    [Value::BulkString(pattern), Value::BulkString(channel), Value::BulkString(payload)],
                ) => {
                    hear(Published { pattern: Some(pattern), channel, payload });
                }
                (PushKind::Disconnection, _) => lost.notify_one(),
                _ => {}
            }
            Ok(())
        },
    );
    Ok(Resp::Resp3(server.connect(ProtocolVersion::RESP3, CONNECT, config).await?))
}

async fn resp2(host: &Host, hear: impl Fn(Published<'_>) + Send + 'static, lost: Arc<Notify>) -> RedisResult<Resp> {
    let (sink, mut messages) = host.server().await?.subscribe(CONNECT).await?.split();
    let reader = tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            let pattern = message.get_pattern::<Option<Vec<u8>>>().unwrap_or_default();
            let (channel, payload) = (message.get_channel_name().as_bytes(), message.get_payload_bytes());
            hear(Published { pattern: pattern.as_deref(), channel, payload });
        }
        lost.notify_one();
    });
    Ok(Resp::Resp2(sink, AbortOnDrop(reader)))
}

/// Redis before 6 does not know HELLO.
fn no_resp3(error: &RedisError) -> bool {
    error.kind() == ErrorKind::RESP3NotSupported
        || error.detail().is_some_and(|detail| detail.contains("unknown command") && detail.contains("HELLO"))
}
