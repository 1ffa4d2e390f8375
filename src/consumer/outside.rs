//! Memberships that other programs decide: which group of a consumer they mean by a name.

use super::Consumer;
use crate::event::{GroupName, ReceivedOrder};

impl Consumer {
    /// The group that another program names: a Socket.IO room as clients and the configuration write it, else the name that
    /// `group_send` takes.
    pub fn group_named(&self, room: &str) -> Option<GroupName> {
        match self.namespace() {
            Some(_) => self.forms.given(room).ok(),
            None => GroupName::new(room).ok(),
        }
    }

    /// The room that `present('room')` names: as `presence.room` writes it, or the name of a group.
    pub fn room_asked(&self, room: &str) -> Option<GroupName> {
        self.group_named(room).or_else(|| self.forms.given(room).ok())
    }

    /// The group that an order means for connections of this consumer; `None` if it is not for them.
    pub fn group_of_order(&self, order: &ReceivedOrder) -> Option<GroupName> {
        let order = &order.order;
        let group = self.group_named(order.room())?;
        let is_meant = match order.consumer.as_deref() {
            Some(name) => name == self.name(),
            None => !order.joins() || self.could_have(&group),
        };
        is_meant.then_some(group)
    }

    /// Whether a connection could come into this group by the configuration, a signed token, or Django's own code.
    fn could_have(&self, group: &GroupName) -> bool {
        self.spec.django.is_any()
            || self.forms.names(group)
            || self.spec.steps().iter().any(|step| step.join_token.is_some())
    }
}
