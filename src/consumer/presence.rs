//! The member that a connection counts for, and in which room.

use std::{sync::Arc, time::Duration};

use super::{Consumer, Context, expression::names, input::of_connection};
use crate::event::GroupName;

/// A member with a longer name is not counted, in bytes.
const MAX_MEMBER: usize = 255;

impl Consumer {
    /// Whether connections are counted per member.
    pub fn has_presence(&self) -> bool {
        self.presence.is_some()
    }

    /// The member of a connection; `None` if the expression gives null or fails.
    pub fn presence_member(&self, context: &Context) -> Option<Arc<str>> {
        let member = self.presence.as_ref()?;
        let value = member.evaluate(&of_connection(context, member.names()).into_jinja()).ok()?;
        names::name(&value).ok().filter(|name| !name.is_empty() && name.len() <= MAX_MEMBER)
    }

    /// The room in which a connection's member is counted; `None` if the consumer counts per room and this one has no
    /// name, `Some(None)` if it counts in the whole consumer.
    pub fn presence_room(&self, context: &Context) -> Option<Option<GroupName>> {
        let Some(room) = &self.presence_room else { return Some(None) };
        let scope = of_connection(context, room.template().names()).into_jinja();
        room.groups(&scope, &self.forms, None).ok()?.into_iter().next().map(Some)
    }

    /// How many members a listing has at most.
    pub fn max_listed(&self) -> usize {
        self.spec.presence.as_ref().map_or(0, |presence| presence.max_listed)
    }

    /// How long a member may be without a connection before it is gone; `None` without presence.
    pub fn presence_grace(&self) -> Option<Duration> {
        self.spec.presence.as_ref().map(|presence| presence.grace.0)
    }
}
