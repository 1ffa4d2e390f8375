//! One message on its way to members: as the layer's thread gives it to the workers, and as it waits on one.

use std::{rc::Rc, sync::Arc, time::Instant};

use super::{member::Member, notice::Notice, registry::AudienceId};
use crate::{consumer::ConsumerId, socket::frame::Frame};

/// What keeps a delivery from some of its members.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Only members subscribed to one of these names.
    pub names: Option<Arc<[Arc<str>]>>,
    /// Not the members with these ids.
    pub except_ids: Vec<Arc<str>>,
    /// Not the members of these audiences.
    pub except_audiences: Vec<AudienceId>,
    /// Not the members whose client is behind with reading.
    pub volatile: bool,
}

impl Rules {
    /// `None` where nothing is kept from anybody, which is the usual and the fast case.
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
    /// When the node had what it is made of.
    pub received: Instant,
}

/// One message on its way to the union of several audiences and of single members: each gets it once.
pub(super) struct Union {
    pub audiences: Vec<AudienceId>,
    /// Members by their ids.
    pub ids: Vec<Arc<str>>,
    /// A member named by its id must be one of these consumers'.
    pub consumers: Arc<[ConsumerId]>,
    pub frame: Arc<Frame>,
    pub rules: Option<Arc<Rules>>,
    pub received: Instant,
}

/// A delivery as it waits on its worker.
pub(super) struct Waiting {
    pub frame: Arc<Frame>,
    pub rules: Option<Box<Applied>>,
    pub received: Instant,
}

/// Rules with what they mean on this worker.
pub(super) struct Applied {
    pub rules: Arc<Rules>,
    /// The members named in `except_ids`.
    pub except: Vec<Rc<Member>>,
    /// It tells of a gap, to those that asked for it.
    pub notice: Option<Box<Notice>>,
}

impl Waiting {
    pub fn size(&self) -> usize {
        self.frame.size()
    }

    pub fn notice(&self) -> Option<&Notice> {
        self.rules.as_ref()?.notice.as_deref()
    }
}

impl Applied {
    /// Whether the member is meant, however its client reads.
    pub fn is_for(&self, member: &Rc<Member>) -> bool {
        self.notice.as_ref().is_none_or(|notice| notice.is_for(member))
            && self.rules.names.as_ref().is_none_or(|names| member.wants(names))
            && !self.except.iter().any(|one| Rc::ptr_eq(one, member))
            && !member.is_in(&self.rules.except_audiences)
    }
}
