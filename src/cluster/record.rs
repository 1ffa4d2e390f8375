//! The orders to disconnect kept in Redis for nodes that start or were cut off.
//!
//! In: each order that a node receives. Out: all orders that still apply, with their times. Two sorted sets, both
//! bounded and expiring: users and sockets by the time of the order, tokens by the time at which they expire.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::Script;

use super::{ClusterError, Disconnect, Target};
use crate::{
    redis::{RedisPool, millis},
    telemetry::Metrics,
    warn_bounded,
};

/// Users and sockets, by the time of the order.
const DISCONNECTED: &str = "channelgate:disconnected";

/// Tokens, by their expiry.
const REVOKED: &str = "channelgate:revoked";

/// How long orders for users and sockets are kept: a node that was away for longer does not learn of them.
const KEPT: Duration = Duration::from_secs(3600);

/// Maximum number of orders per set; beyond it, those that expire or were given first are removed.
const MOST: usize = 20_000;

/// An order and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The order.
    pub order: Disconnect,
    /// Its time; the current time where it does not matter.
    pub at: Instant,
}

pub(super) struct Record {
    pool: Arc<RedisPool>,
    write: Script,
    metrics: Metrics,
}

impl Record {
    pub fn new(pool: Arc<RedisPool>, metrics: Metrics) -> Self {
        Self { pool, write: Script::new(include_str!("record.lua")), metrics }
    }

    /// Records an order. Recording it again changes nothing.
    pub async fn write(&self, order: &Disconnect) -> Result<(), ClusterError> {
        let text = serde_json::to_string(order).map_err(|error| ClusterError(error.to_string()))?;
        let mut call = self.write.prepare_invoke();
        match (&order.target, order.until) {
            (Target::Fingerprint(_), Some(until)) => {
                call.key(REVOKED).arg(text).arg("").arg(until.saturating_mul(1000));
            }
            _ => {
                call.key(DISCONNECTED).arg(text).arg(millis(KEPT)).arg("");
            }
        }
        call.arg(MOST);
        let over: u64 = self.pool.invoke(&call).await?;
        if over > 0 {
            self.metrics.revocation("dropped", over);
            warn_bounded!("more than {MOST} orders to disconnect are recorded in Redis; {over} were removed");
        }
        Ok(())
    }

    /// All orders that still apply.
    pub async fn read(&self) -> Result<Vec<Recorded>, ClusterError> {
        let mut commands = redis::pipe();
        commands.cmd("TIME").cmd("ZRANGE").arg(DISCONNECTED).arg(0).arg(-1).arg("WITHSCORES");
        commands.cmd("ZRANGE").arg(REVOKED).arg(0).arg(-1);
        let asked = Instant::now();
        type RecordReply = ((u64, u64), Vec<(String, f64)>, Vec<String>);
        let ((seconds, micros), orders, tokens): RecordReply = self.pool.exchange(&commands).await?;
        let now = seconds * 1000 + micros / 1000;
        let orders = orders.into_iter().map(|(text, score)| {
            // Scores are whole milliseconds.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let ago = Duration::from_millis(now.saturating_sub(score.max(0.0) as u64));
            (text, asked.checked_sub(ago))
        });
        let tokens = tokens.into_iter().map(|text| (text, Some(asked)));
        let mut recorded = Vec::new();
        for (text, at) in orders.chain(tokens) {
            match (serde_json::from_str(&text), at) {
                (Ok(order), Some(at)) => recorded.push(Recorded { order, at }),
                // Before this machine started.
                (Ok(_), None) => {}
                (Err(error), _) => {
                    self.metrics.revocation("malformed", 1);
                    warn_bounded!("invalid order to disconnect in Redis: {error}");
                }
            }
        }
        Ok(recorded)
    }
}
