//! One message on its way to members: in the form that the layer's thread gives to the workers, and as it waits on a
//! worker.

use std::{rc::Rc, sync::Arc, time::Instant};

use super::{member::Member, notice::Notice, registry::AudienceId};
use crate::{consumer::ConsumerId, socket::frame::Frame};

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

/// A delivery waiting on its worker.
pub(super) struct Queued {
    pub frame: Arc<Frame>,
    pub rules: Option<Box<Applied>>,
    pub received: Instant,
}

/// Rules resolved on this worker.
pub(super) struct Applied {
    pub rules: Arc<Rules>,
    /// The members named in `except_ids`.
    pub except: Vec<Rc<Member>>,
    /// The gap notice, for the members that want it.
    pub notice: Option<Box<Notice>>,
}

impl Queued {
    pub fn size(&self) -> usize {
        self.frame.size()
    }

    pub fn notice(&self) -> Option<&Notice> {
        self.rules.as_ref()?.notice.as_deref()
    }
}

impl Applied {
    /// Whether the member gets it, ignoring slow clients.
    pub fn is_for(&self, member: &Rc<Member>) -> bool {
        self.notice.as_ref().is_none_or(|notice| notice.is_for(member))
            && self.rules.names.as_ref().is_none_or(|names| member.wants(names))
            && !self.except.iter().any(|one| Rc::ptr_eq(one, member))
            && !member.is_in(&self.rules.except_audiences)
    }
}
