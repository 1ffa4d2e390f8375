//! Orders that arrive by PUBLISH, from any program with access to Redis.
//!
//! In: what was heard on the channels for orders. Out: each is carried out on this node and recorded for nodes that cannot
//! hear; who gave an order about a group gets an answer, if it waits for one.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{Control, DISCONNECT, GROUP_ORDERS, LONGEST_ANSWER};
use crate::{
    cluster::{Answer, Disconnect, InvalidOrder, Query, group_order},
    event::GroupOrder,
    layer::codec::json,
    redis::millis,
    warn_bounded,
};

/// How long an answer to such an order waits for the orderer.
const ANSWERED: Duration = Duration::from_secs(30);

/// Larger orders are not read, in bytes.
const MAX_ORDER: usize = 32 << 10;

impl Control {
    /// An order to disconnect arrived by PUBLISH; every node receives it and records it for nodes that do not.
    pub(super) fn ordered(self: &Arc<Self>, payload: &[u8]) {
        let order = self.responder.get().filter(|_| payload.len() <= MAX_ORDER);
        let Some(order) = order.and_then(|responder| responder.order(payload)) else {
            self.metrics.revocation("malformed", 1);
            warn_bounded!("a message on {DISCONNECT} is not a valid order to disconnect; see docs/ADMIN.md");
            return;
        };
        self.metrics.revocation("heard", 1);
        let control = Arc::clone(self);
        tokio::spawn(async move { control.carry_out(order).await });
    }

    async fn carry_out(&self, order: Disconnect) {
        let ended = timeout(LONGEST_ANSWER, self.answer(Query::Disconnect(order.clone())));
        let (answer, written) = tokio::join!(ended, self.record.write(&order));
        if let Err(error) = written {
            warn_bounded!("cannot record an order to disconnect for nodes that are offline: {error}");
        }
        if let Err(_) | Ok(Answer::Failed(_)) = answer {
            self.metrics.revocation("failed", 1);
            warn_bounded!("an order to disconnect was not carried out in time by every worker of this node");
        }
    }

    /// An order to join or leave a group arrived by PUBLISH.
    pub(super) fn group_ordered(self: &Arc<Self>, payload: &[u8]) {
        let decoded = if payload.len() <= MAX_ORDER { json::decode(payload).ok() } else { None };
        let key = decoded.as_ref().and_then(group_order::answer_key).map(str::to_owned);
        let order = decoded.as_ref().zip(self.responder.get()).map(|(order, responder)| responder.group_order(order));
        let control = Arc::clone(self);
        match order {
            Some(Ok(order)) => {
                self.metrics.group_order("heard", 1);
                tokio::spawn(async move {
                    let answer = control.carry_out_group_order(order).await;
                    control.reply(key, answer).await;
                });
            }
            wrong => {
                self.metrics.group_order("malformed", 1);
                warn_bounded!("a message on {GROUP_ORDERS} is not a valid order; see docs/ADMIN.md");
                if let Some(Err(InvalidOrder { field, reason })) = wrong {
                    let answer = serde_json::json!({ "field": field, "reason": reason });
                    tokio::spawn(async move { control.reply(key, answer).await });
                }
            }
        }
    }

    async fn carry_out_group_order(&self, order: GroupOrder) -> serde_json::Value {
        let done = timeout(LONGEST_ANSWER, self.answer(Query::Regroup(order.clone())));
        let (answer, written) = tokio::join!(done, self.record.write_group_order(&order));
        if let Err(error) = written {
            warn_bounded!("cannot record an order to join or leave a group for nodes that are offline: {error}");
        }
        match answer {
            Ok(Answer::Regrouped(result)) => serde_json::json!({ "result": result }),
            _ => {
                self.metrics.group_order("failed", 1);
                warn_bounded!("an order to join or leave a group was not carried out in time by every worker");
                serde_json::json!({ "failed": "a worker thread did not answer in time" })
            }
        }
    }

    /// Answers the orderer, if it waits.
    async fn reply(&self, key: Option<String>, mut answer: serde_json::Value) {
        let Some(key) = key else { return };
        answer["node"] = self.id.as_str().into();
        let mut commands = redis::pipe();
        commands.cmd("RPUSH").arg(&key).arg(answer.to_string()).ignore();
        commands.cmd("PEXPIRE").arg(&key).arg(millis(ANSWERED)).ignore();
        if let Err(error) = self.pool.exchange::<()>(&commands).await {
            warn_bounded!("cannot answer an order to join or leave a group: {error}");
        }
    }
}
