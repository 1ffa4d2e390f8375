//! Carries out orders of other programs: the connections of a user join or leave a group.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{LocalBoxFuture, join_all, ready};
use tokio::{task::spawn_local, time::sleep};

use super::Shard;
use crate::event::{GroupOrderResult, ReceivedOrder};

/// How long a late join is tried: the node that hears again may not be able to join groups yet.
const LATE: Duration = Duration::from_secs(60);

/// The time between two tries.
const AGAIN: Duration = Duration::from_millis(500);

impl Shard {
    /// Carries out an order for all connections of the user at once. Nothing happens if the order is known already.
    pub fn regroup(&self, order: &Arc<ReceivedOrder>) -> LocalBoxFuture<'static, GroupOrderResult> {
        let connections = match self.group_orders().remember(order) {
            true => self.principals().connections_of(order.user, order.at),
            false => Vec::new(),
        };
        if connections.is_empty() {
            return Box::pin(ready(GroupOrderResult::default()));
        }
        let (orders, order, metrics) = (Rc::clone(self.group_orders()), Arc::clone(order), self.metrics.clone());
        Box::pin(async move {
            let until = order.late.then(|| Instant::now() + LATE);
            let result = loop {
                let each = connections.iter().filter_map(|connection| connection.regroup(&order));
                let result = orders.in_turn(&order, async { join_all(each).await }).await.into_iter().sum();
                let GroupOrderResult { failed, .. } = result;
                let goes_on = failed > 0 && until.is_some_and(|until| Instant::now() < until);
                if !goes_on || !orders.is_last(&order) {
                    break result;
                }
                sleep(AGAIN).await;
            };
            metrics.group_order(if order.order.joins() { "joined" } else { "left" }, result.changed);
            metrics.group_order("refused", result.failed);
            metrics.group_order("late", if order.late { result.changed } else { 0 });
            result
        })
    }

    /// Carries out orders that this node could not hear. Resolves when all groups are left; joins may take longer.
    pub fn regroup_late(&self, orders: &[Arc<ReceivedOrder>]) -> LocalBoxFuture<'static, ()> {
        let all: Vec<_> = orders.iter().map(|order| (order, self.regroup(order))).collect();
        // All are known now: of several for one group the last one decides.
        let last = all.into_iter().filter(|(order, _)| self.group_orders().is_last(order));
        let (joins, leaves): (Vec<_>, Vec<_>) = last.partition(|(order, _)| order.order.joins());
        drop(spawn_local(join_all(joins.into_iter().map(|(_, done)| done))));
        let leaves = join_all(leaves.into_iter().map(|(_, done)| done));
        Box::pin(async move { drop(leaves.await) })
    }
}
