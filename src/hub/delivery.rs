//! One message on its way to members: in the form that the layer's thread gives to the workers, and as it waits on a
//! worker.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Instant};

use super::{member::Member, notice::Notice, registry::AudienceId};
use crate::{
    config::Compression,
    consumer::ConsumerId,
    socket::{EncodedMessage, frame::Frame, negotiate::Deflate},
};

/// Excludes some members from a delivery.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Only members subscribed to one of these names.
    pub names: Option<Arc<[Arc<str>]>>,
    /// Excludes the members with these ids.
    pub except_ids: Vec<Arc<str>>,
    /// Excludes the members of these audiences.
    pub except_audiences: Vec<AudienceId>,
    /// Excludes the members with slow clients.
    pub volatile: bool,
}

impl Rules {
    /// `None` if it excludes no member, which is the usual and the fast case.
    pub fn shared(self) -> Option<Arc<Self>> {
        let all =
            self.names.is_none() && self.except_ids.is_empty() && self.except_audiences.is_empty() && !self.volatile;
        (!all).then(|| Arc::new(self))
    }
}

/// One message on its way to the members of an audience.
#[derive(Clone)]
pub(super) struct Delivery {
    pub audience: AudienceId,
    pub frame: Arc<Frame>,
    pub rules: Option<Arc<Rules>>,
    /// When the node received the event.
    pub received: Instant,
}

/// One message for the union of several audiences and individual members: each gets it once.
pub(super) struct Union {
    pub audiences: Vec<AudienceId>,
    /// Members by their ids.
    pub ids: Vec<Arc<str>>,
    /// A member addressed by its id must belong to one of these consumers.
    pub consumers: Arc<[ConsumerId]>,
    pub frame: Arc<Frame>,
    pub rules: Option<Arc<Rules>>,
    pub received: Instant,
}

/// A delivery waiting on its worker, in one of the groups that it is for.
#[derive(Clone)]
pub(super) struct Queued {
    /// Its place among all messages of the worker; see [`order`](super::order).
    pub number: u64,
    pub frame: Arc<Frame>,
    pub rules: Option<Rc<Applied>>,
    pub received: Instant,
    /// Its bytes in the worker's backlog. Those of a message for several groups are divided among them.
    pub backlog: usize,
    /// How many members of the group got it before their turn.
    pub ahead: Cell<u32>,
}

/// Rules resolved on this worker.
pub(super) struct Applied {
    pub rules: Arc<Rules>,
    /// The members named in `except_ids`.
    pub except: Vec<Rc<Member>>,
    /// The gap notice, for the members that want it.
    pub notice: Option<Notice>,
}

impl Queued {
    pub fn new(number: u64, frame: Arc<Frame>, rules: Option<Applied>, received: Instant) -> Self {
        let backlog = frame.size();
        Self { number, frame, rules: rules.map(Rc::new), received, backlog, ahead: Cell::new(0) }
    }

    pub fn size(&self) -> usize {
        self.frame.size()
    }

    pub fn notice(&self) -> Option<&Notice> {
        self.rules.as_ref()?.notice.as_ref()
    }

    /// Whether the member gets it, ignoring slow clients.
    pub fn is_for(&self, member: &Rc<Member>) -> bool {
        self.rules.as_ref().is_none_or(|applied| applied.is_for(member))
    }

    /// Whether slow clients do not get it.
    pub fn is_volatile(&self) -> bool {
        self.rules.as_ref().is_some_and(|applied| applied.rules.volatile)
    }

    /// The message as a connection with this compression gets it.
    pub fn encoded(&self, deflate: Option<Deflate>, compression: &Compression) -> EncodedMessage {
        EncodedMessage::new(self.frame.bytes(deflate, compression).clone(), 1, self.frame.loss().clone())
    }

    /// The member's own form of the message, if it differs between members.
    pub fn encoded_for(
        &self,
        member: &Rc<Member>,
        deflate: Option<Deflate>,
        compression: &Compression,
    ) -> Option<EncodedMessage> {
        let frame = self.notice()?.own_frame(member)?;
        Some(EncodedMessage::new(frame.bytes(deflate, compression).clone(), 1, frame.loss().clone()))
    }
}

impl Applied {
    /// Whether the member gets it, ignoring slow clients.
    fn is_for(&self, member: &Rc<Member>) -> bool {
        self.notice.as_ref().is_none_or(|notice| notice.is_for(member))
            && self.rules.names.as_ref().is_none_or(|names| member.wants(names))
            && !self.except.iter().any(|one| Rc::ptr_eq(one, member))
            && !member.is_in(&self.rules.except_audiences)
    }
}
