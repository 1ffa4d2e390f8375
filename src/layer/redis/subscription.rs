//! One connection that only listens: RESP3 where the server speaks it (Redis ≥ 6), else RESP2.
//!
//! In: channels to listen to. Out: messages to the [`Inbox`](super::inbox::Inbox), in the order in which Redis sends them, and
//! word that the connection is lost. A confirmation of Redis is awaited for every change.

use std::sync::Arc;

use futures_util::StreamExt;
use redis::{
    AsyncConnectionConfig, ErrorKind, ProtocolVersion, PushInfo, PushKind, RedisError, RedisResult, Value,
    aio::{MultiplexedConnection, PubSubSink},
};
use tokio::{sync::Notify, time::timeout};

use super::inbox::{Probe, SharedInbox};
use crate::redis::{AbortOnDrop, CONNECT, Host, RESPONSE, timed_out};

/// Names in one command; more are sent in several.
const CHUNK: usize = 1000;

/// A connection that listens.
pub(super) struct Subscription {
    wire: Wire,
    probe: Arc<Probe>,
    lost: Arc<Notify>,
}

enum Wire {
    Resp3(MultiplexedConnection),
    Resp2(PubSubSink, #[allow(dead_code, reason = "its drop ends the reader")] AbortOnDrop),
}

#[derive(Clone, Copy)]
enum Change {
    Subscribe,
    Unsubscribe,
    Psubscribe,
}

impl Subscription {
    /// Connects; nothing is subscribed yet.
    pub async fn open(host: &Host, inbox: &SharedInbox) -> RedisResult<Self> {
        let (probe, lost) = (Arc::new(Probe::default()), Arc::new(Notify::new()));
        let wire = match Self::resp3(host, inbox, &probe, &lost).await {
            Err(error) if no_resp3(&error) => Self::resp2(host, inbox, &probe, &lost).await?,
            other => other?,
        };
        Ok(Self { wire, probe, lost })
    }

    async fn resp3(host: &Host, inbox: &SharedInbox, probe: &Arc<Probe>, lost: &Arc<Notify>) -> RedisResult<Wire> {
        let client = host.client(ProtocolVersion::RESP3).await?;
        let (inbox, probe, lost) = (Arc::clone(inbox), Arc::clone(probe), Arc::clone(lost));
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPONSE))
            .set_push_sender(move |PushInfo { kind, data }| -> Result<(), redis::aio::SendError> {
                match (kind, data.as_slice()) {
                    (PushKind::Message, [Value::BulkString(channel), Value::BulkString(payload)]) => {
                        inbox.message(channel, payload, &probe);
                    }
                    (
                        PushKind::PMessage,
                        [Value::BulkString(pattern), Value::BulkString(channel), Value::BulkString(payload)],
                    ) => {
                        inbox.pattern_message(pattern, channel, payload);
                    }
                    (PushKind::Disconnection, _) => lost.notify_one(),
                    _ => {}
                }
                Ok(())
            });
        Ok(Wire::Resp3(client.get_multiplexed_async_connection_with_config(&config).await?))
    }

    async fn resp2(host: &Host, inbox: &SharedInbox, probe: &Arc<Probe>, lost: &Arc<Notify>) -> RedisResult<Wire> {
        let client = host.client(ProtocolVersion::RESP2).await?;
        let (sink, mut messages) = timeout(CONNECT, client.get_async_pubsub()).await.map_err(|_| timed_out())??.split();
        let (inbox, probe, lost) = (Arc::clone(inbox), Arc::clone(probe), Arc::clone(lost));
        let reader = tokio::task::spawn_local(async move {
            while let Some(message) = messages.next().await {
                let (channel, payload) = (message.get_channel_name().as_bytes(), message.get_payload_bytes());
                match message.get_pattern::<Option<Vec<u8>>>() {
                    Ok(Some(pattern)) => inbox.pattern_message(&pattern, channel, payload),
                    _ => inbox.message(channel, payload, &probe),
                }
            }
            lost.notify_one();
        });
        Ok(Wire::Resp2(sink, AbortOnDrop(reader)))
    }

    /// The probes that came back through this connection.
    pub fn probe(&self) -> Arc<Probe> {
        Arc::clone(&self.probe)
    }

    /// Resolves once the connection is lost.
    pub fn lost(&self) -> Arc<Notify> {
        Arc::clone(&self.lost)
    }

    /// Resolves when Redis has confirmed every channel.
    pub async fn subscribe<S: AsRef<str>>(&mut self, channels: &[S]) -> RedisResult<()> {
        self.change(Change::Subscribe, channels).await
    }

    /// Resolves when Redis has confirmed every pattern.
    pub async fn psubscribe<S: AsRef<str>>(&mut self, patterns: &[S]) -> RedisResult<()> {
        self.change(Change::Psubscribe, patterns).await
    }

    /// Resolves when Redis has confirmed that nothing more comes.
    pub async fn unsubscribe<S: AsRef<str>>(&mut self, channels: &[S]) -> RedisResult<()> {
        self.change(Change::Unsubscribe, channels).await
    }

    async fn change<S: AsRef<str>>(&mut self, change: Change, names: &[S]) -> RedisResult<()> {
        for chunk in names.chunks(CHUNK) {
            let names: Vec<&str> = chunk.iter().map(AsRef::as_ref).collect();
            let confirmed = async {
                match (&mut self.wire, change) {
                    (Wire::Resp3(connection), Change::Subscribe) => connection.subscribe(names).await,
                    (Wire::Resp3(connection), Change::Unsubscribe) => connection.unsubscribe(names).await,
                    (Wire::Resp3(connection), Change::Psubscribe) => connection.psubscribe(names).await,
                    (Wire::Resp2(sink, _), Change::Subscribe) => sink.subscribe(names).await,
                    (Wire::Resp2(sink, _), Change::Unsubscribe) => sink.unsubscribe(names).await,
                    (Wire::Resp2(sink, _), Change::Psubscribe) => sink.psubscribe(names).await,
                }
            };
            timeout(RESPONSE, confirmed).await.map_err(|_| timed_out())??;
        }
        Ok(())
    }
}

/// Redis before 6 does not know HELLO.
fn no_resp3(error: &RedisError) -> bool {
    error.kind() == ErrorKind::RESP3NotSupported
        || error.detail().is_some_and(|detail| detail.contains("unknown command") && detail.contains("HELLO"))
}
