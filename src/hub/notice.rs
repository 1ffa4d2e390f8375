//! The gap notice on one worker: its members and their frames.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
};

use super::{member::Member, registry::AudienceId};
use crate::{
    consumer::{Consumer, ConsumerId, Snapshot},
    event::{GapReason, GroupName},
    socket::frame::Frame,
    warn_bounded,
};

/// What a frame names: the namespace, if the consumer has several, and groups.
type About = (Option<ConsumerId>, BTreeSet<GroupName>);

/// A notice on one worker.
pub(super) struct Notice {
    consumer: Arc<Consumer>,
    reason: GapReason,
    /// The affected groups of this worker's audiences; `None`: every group.
    names: Option<HashMap<AudienceId, GroupName>>,
    consumers: Arc<Snapshot>,
    /// Frames by what they name: a member never gets the name of a group that it is not in.
    frames: RefCell<HashMap<About, Option<Arc<Frame>>>>,
}

impl Notice {
    pub fn new(
        consumer: Arc<Consumer>,
        reason: GapReason,
        names: Option<HashMap<AudienceId, GroupName>>,
        consumers: Arc<Snapshot>,
    ) -> Self {
        Self { consumer, reason, names, consumers, frames: RefCell::default() }
    }

    /// Whether this member wants it.
    pub fn is_for(&self, member: &Member) -> bool {
        member.gap_consumer().is_some_and(|asked| self.consumers.base(asked) == self.consumer.id())
    }

    /// Whether it names groups, or a namespace.
    pub fn is_personal(&self) -> bool {
        self.names.is_some() || self.consumer.has_namespaces()
    }

    /// The frame for this member, if it names groups or a namespace.
    pub fn own_frame(&self, member: &Rc<Member>) -> Option<Arc<Frame>> {
        if !self.is_personal() {
            return None;
        }
        let of = member.gap_consumer().filter(|asked| asked.is_of_namespace());
        let slots = member.slots.borrow();
        let names = slots.iter().filter_map(|slot| self.names.as_ref()?.get(&slot.audience));
        let key = (of, names.cloned().collect::<BTreeSet<GroupName>>());
        let mut frames = self.frames.borrow_mut();
        if let Some(known) = frames.get(&key) {
            return known.clone();
        }
        let namespace = of.and_then(|of| self.consumers.namespace(of));
        let groups: Option<Vec<&GroupName>> = self.names.is_some().then(|| key.1.iter().collect());
        let made = frame(&self.consumer, self.reason, groups.as_deref(), namespace.as_deref());
        frames.insert(key, made.clone());
        made
    }
}

/// The notice that names these groups; `None` if the consumer cannot make one.
pub(super) fn frame(
    consumer: &Consumer,
    reason: GapReason,
    groups: Option<&[&GroupName]>,
    namespace: Option<&str>,
) -> Option<Arc<Frame>> {
    match consumer.gap_notice(reason, groups) {
        Ok(payload) => Some(Arc::new(Frame::new(&consumer.within(payload, namespace)))),
        Err(reason) => {
            warn_bounded!("{}: cannot send a gap notice: {reason}", consumer.name());
            None
        }
    }
}
