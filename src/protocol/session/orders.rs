//! Memberships that are decided elsewhere: orders of other programs to join or leave a group, and groups that Django has
//! signed for the client.
//!
//! An order does not wait for the handler that runs: what ends the access of a user takes effect at once. Therefore a
//! join that began before an order to leave is undone when it is done.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::{LocalBoxFuture, join_all};
use tokio::time::timeout;

use super::{After, Binding, Session, work::Failed};
use crate::{
    auth::SignedGroupError,
    config::Secret,
    event::{GroupName, GroupOrderResult, ReceivedOrder},
    protocol::effects::FailureReplies,
    warn_bounded,
};

/// How long a connection has to join or leave a group. Then it does not join, and it has left in any case.
const PATIENCE: Duration = Duration::from_millis(1200);

impl Session {
    /// Carries out an order for this connection.
    pub(in crate::protocol) fn regroup(
        self: Rc<Self>,
        order: Arc<ReceivedOrder>,
    ) -> LocalBoxFuture<'static, GroupOrderResult> {
        Box::pin(async move {
            let has_user = |binding: &&Binding| binding.principal().is_some_and(|one| one.user() == order.user);
            let meant = self.bindings.iter().filter(has_user);
            let meant = meant.filter_map(|binding| Some((binding, binding.consumer.group_of_order(&order)?)));
            let meant = meant.filter(|(binding, group)| !order.late || self.is_in_force(binding, group, &order));
            let parts = meant.map(|(binding, group)| self.follow_order(binding, group, order.order.joins()));
            GroupOrderResult::of_connection(join_all(parts).await)
        })
    }

    async fn follow_order(&self, binding: &Binding, group: GroupName, joins: bool) -> GroupOrderResult {
        if !joins {
            let changed = self.leave_as_ordered(binding, &group).await.into();
            return GroupOrderResult { changed, ..GroupOrderResult::default() };
        }
        let late = |_| Err(("not_joined", format!("group {group}: Redis did not confirm it in time")));
        let done = timeout(PATIENCE, self.join_as_ordered(binding, &group)).await.unwrap_or_else(late);
        if let Err((label, reason)) = &done {
            warn_bounded!(
                "{}: an order to join a group is not carried out: {label}: {reason}",
                binding.consumer.name()
            );
        }
        GroupOrderResult { changed: done.is_ok().into(), failed: done.is_err().into(), ..GroupOrderResult::default() }
    }

    async fn join_as_ordered(&self, binding: &Binding, group: &GroupName) -> Result<(), Failed> {
        // A gone connection joins no group.
        let Some(member) = self.member() else { return Err(("not_joined", "the client has gone".to_owned())) };
        self.check_limits(binding, &member, group)?;
        let joined = self.services.shard.join(&member, group, self.audience(&binding.consumer)).await;
        joined.map_err(|error| ("not_joined", format!("group {group}: {error}")))
    }

    /// What was published before still comes, unless Redis takes too long to say so. Returns whether it was in the group.
    async fn leave_as_ordered(&self, binding: &Binding, group: &GroupName) -> bool {
        let (shard, consumer) = (&self.services.shard, self.audience(&binding.consumer));
        let Some(member) = self.member() else { return false };
        let was_in = shard.holds(&member, group, consumer);
        if !matches!(timeout(PATIENCE, shard.depart(&member, group, consumer)).await, Ok(Ok(()))) {
            shard.leave_after(&member, group, consumer);
        }
        if let (Some(id), true) = (member.id(), binding.bridged.is_some()) {
            // Another process may have added this connection's channel.
            shard.registry().layer().discard(group, &id.text());
        }
        was_in
    }

    /// Carries out what was ordered while the client was admitted. Call it when its groups are joined.
    pub(in crate::protocol) fn settle(self: &Rc<Self>) {
        for (index, binding) in self.bindings.iter().enumerate() {
            let Some(principal) = binding.principal() else { continue };
            let groups = self.leave_since(binding, principal.began());
            if !groups.is_empty() {
                let session = Rc::clone(self);
                actix_rt::spawn(async move { session.join_ordered(&session.bindings[index], groups).await });
            }
        }
    }

    /// Leaves what the user of a binding had to leave since then; returns the groups to join.
    pub(super) fn leave_since(&self, binding: &Binding, since: Instant) -> Vec<GroupName> {
        let (shard, consumer) = (&self.services.shard, self.audience(&binding.consumer));
        let mut joins = Vec::new();
        let user = binding.principal().map(|principal| principal.user());
        for order in user.map(|user| shard.group_orders().since(user, since)).unwrap_or_default() {
            let Some(group) = binding.consumer.group_of_order(&order) else { continue };
            joins.retain(|known| *known != group);
            if order.order.joins() {
                joins.push(group);
            } else if let Some(member) = self.member() {
                shard.leave_after(&member, &group, consumer);
            }
        }
        joins
    }

    pub(super) async fn join_ordered(&self, binding: &Binding, groups: Vec<GroupName>) {
        for group in groups {
            self.follow_order(binding, group, true).await;
        }
    }

    /// Whether the user had to leave a group since then: who asked Django before that may have got an old answer.
    pub(super) fn had_to_leave(&self, binding: &Binding, group: &GroupName, since: Instant) -> bool {
        let is_meant = |order: &ReceivedOrder| binding.consumer.group_of_order(order).as_ref() == Some(group);
        let user = binding.principal().map(|principal| principal.user());
        user.is_some_and(|user| self.services.shard.group_orders().left_since(user, since, is_meant))
    }

    /// Whether the last order about this group since then wants the same. Orders that a node reads late are carried out side
    /// by side, and one may be for all consumers, another for this one.
    fn is_in_force(&self, binding: &Binding, group: &GroupName, order: &ReceivedOrder) -> bool {
        self.had_to_leave(binding, group, order.at) != order.order.joins()
    }

    /// Waits while an order for this group is carried out: a later join must not end with an earlier leave.
    pub(super) async fn after_orders(&self, binding: &Binding, group: &GroupName) {
        let is_meant = |room: &str| binding.consumer.group_named(room).as_ref() == Some(group);
        if let Some(principal) = binding.principal() {
            self.services.shard.group_orders().settled(principal.user(), is_meant).await;
        }
    }

    /// Joins the groups of signed tokens, or none of them.
    pub(super) async fn join_signed(&self, binding: &Binding, tokens: &[Secret], replies: &FailureReplies) -> After {
        let user = binding.user_id();
        let mut groups = Vec::with_capacity(tokens.len());
        for token in tokens {
            match self.signed_group(binding, token.expose(), user.as_deref()) {
                Ok(group) => groups.push(group),
                Err(error) => {
                    self.services.metrics.join_token(error.label());
                    self.services.metrics.refused_message("join_denied");
                    warn_bounded!("{}: a signed group is refused: {error}", binding.consumer.name());
                    replies.denied.as_deref().into_iter().flatten().for_each(|payload| self.outlet.send(payload));
                    return After::End;
                }
            }
        }
        groups.iter().for_each(|_| self.services.metrics.join_token("valid"));
        let joined = self.join(binding, &groups).await;
        self.or_reply(binding, joined, replies.failed.as_deref())
    }

    fn signed_group(&self, binding: &Binding, token: &str, user: Option<&str>) -> Result<GroupName, SignedGroupError> {
        let consumer = &binding.consumer;
        let signed = self.services.authenticator.signed_group(token, user, consumer.name())?;
        let group = consumer.group_named(&signed.room).ok_or(SignedGroupError::Group)?;
        let ago = SystemTime::now().duration_since(signed.issued).unwrap_or_default();
        let issued = Instant::now().checked_sub(ago);
        // Without this, a page that still shows the token would undo an order to leave at the next reconnect.
        match issued {
            Some(issued) if self.had_to_leave(binding, &group, issued) => Err(SignedGroupError::Left),
            // Before this machine started: no order is older than that.
            Some(_) | None => Ok(group),
        }
    }
}
