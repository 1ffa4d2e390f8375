//! The gap notice on one worker: its members and their frames.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
};

use super::{member::Member, registry::AudienceId};
use crate::{
    consumer::Consumer,
    event::{GapReason, GroupName},
    socket::frame::Frame,
    warn_bounded,
};

/// A notice on one worker.
pub(super) struct Notice {
    consumer: Arc<Consumer>,
    reason: GapReason,
    /// The affected groups of this worker's audiences; `None`: every group.
    names: Option<HashMap<AudienceId, GroupName>>,
    /// Frames by the groups that they name: a member never gets the name of a group that it is not in.
    frames: RefCell<HashMap<BTreeSet<GroupName>, Option<Arc<Frame>>>>,
}

impl Notice {
    pub fn new(consumer: Arc<Consumer>, reason: GapReason, names: Option<HashMap<AudienceId, GroupName>>) -> Self {
        Self { consumer, reason, names, frames: RefCell::default() }
    }

    /// Whether this member wants it.
    pub fn is_for(&self, member: &Member) -> bool {
        member.gap_consumer() == Some(self.consumer.id())
    }

    /// Whether it names groups.
    pub const fn is_personal(&self) -> bool {
        self.names.is_some()
    }

    /// The frame for this member, if it names groups.
    pub fn own_frame(&self, member: &Rc<Member>) -> Option<Arc<Frame>> {
        let names = self.names.as_ref()?;
        let slots = member.slots.borrow();
        let own: BTreeSet<GroupName> = slots.iter().filter_map(|slot| names.get(&slot.audience)).cloned().collect();
        let make =
            |own: &BTreeSet<GroupName>| frame(&self.consumer, self.reason, Some(&own.iter().collect::<Vec<_>>()));
        let mut frames = self.frames.borrow_mut();
        if let Some(known) = frames.get(&own) {
            return known.clone();
        }
        let made = make(&own);
        frames.insert(own, made.clone());
        made
    }
}

/// The notice that names these groups; `None` if the consumer cannot make one.
pub(super) fn frame(consumer: &Consumer, reason: GapReason, groups: Option<&[&GroupName]>) -> Option<Arc<Frame>> {
    match consumer.gap_notice(reason, groups) {
        Ok(payload) => Some(Arc::new(Frame::new(&payload))),
        Err(reason) => {
            warn_bounded!("{}: cannot send a gap notice: {reason}", consumer.name());
            None
        }
    }
}
