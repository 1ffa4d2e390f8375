//! A connection's part in presence: its member, and who else is present.

use std::{sync::Arc, time::Instant};

use super::{Binding, Session};
use crate::{
    event::{GroupName, Value},
    hub::PresenceMoment,
    presence::{self, PresenceMember},
};

/// How often a listing is read again because the message of a later change arrived meanwhile.
const READINGS: usize = 4;

impl Session {
    /// Enters the presence of the current user, and leaves that of the previous one. Returns the moment if the user was
    /// absent before.
    pub(super) async fn enter(&self, binding: &Binding) -> Option<PresenceMoment> {
        let entering = binding.with_context(|context| {
            let id = binding.consumer.presence_member(context)?;
            let room = binding.consumer.presence_room(context)?;
            let scope = presence::scope(binding.consumer.name(), room.as_ref().map(|room| room.as_str()));
            Some((PresenceMember { scope, id }, context.user.clone()))
        });
        let before = binding.present.borrow_mut().take();
        if before.is_some() && before.as_deref() == entering.as_ref().map(|(member, _)| member) {
            *binding.present.borrow_mut() = before;
            return None;
        }
        if let Some(member) = before {
            self.services.presence.leave(&member);
        }
        let (member, user) = entering?;
        binding.change(&self.services.shard, self.member().as_deref(), |context| {
            context.room = member.room().unwrap_or_default().into();
        });
        let arrived = self.services.presence.enter(&member, &user).await;
        let arrived = arrived.map(|at| PresenceMoment { scope: Arc::clone(&member.scope), at });
        *binding.present.borrow_mut() = Some(Box::new(member));
        arrived
    }

    /// Who is present in a room: by default that of the connection, or the whole consumer. From now on the connection is
    /// told of later changes only.
    pub(super) async fn present(&self, binding: &Binding, room: Option<&str>) -> Arc<Value> {
        let consumer = &binding.consumer;
        let room = match room {
            Some(room) => consumer.room_asked(room),
            None => binding.with_context(|context| consumer.presence_room(context)).flatten(),
        };
        let scope = presence::scope(consumer.name(), room.as_ref().map(GroupName::as_str));
        let snapshots = self.services.shard.snapshots();
        if let Some(member) = self.member() {
            snapshots.begin(&member, &scope, Instant::now());
        }
        for reading in 1.. {
            let listing = self.services.presence.present(&scope, consumer.max_listed()).await;
            let taken =
                self.member().is_none_or(|member| snapshots.taken(&member, &scope, listing.at, reading == READINGS));
            if taken {
                return Arc::new(listing.to_value());
            }
        }
        Arc::default()
    }
}
