//! The forms of a message that contains values of the connection: one for each distinct values of its members.
//!
//! In: the message of an event, and a member. Out: the frame for the member, encoded once for all members of the worker
//! with the same values. An event has a limited number of forms on a worker; the members beyond it miss it.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{member::Member, notice, tally::Tally};
use crate::{
    consumer::{Consumer, MapError, NoAnswer, Personal},
    event::{Event, GapReason},
    socket::{EncodedMessage, Loss, frame::Frame},
    telemetry::{DropReason, Metrics},
    warn_bounded,
};

/// Maximum number of forms of one message on a worker.
pub(super) const MAX_FORMS: usize = 64;

/// A message that contains values of the connection, for all workers; when the last one is done, it is reported who
/// missed it.
pub(super) struct Variants {
    personal: Personal,
    consumer: Arc<Consumer>,
    namespace: Option<Arc<str>>,
    loss: Loss,
    metrics: Metrics,
    /// Members that miss it.
    missed: AtomicU64,
    /// The gap notice for these.
    notice: OnceLock<Option<Arc<Frame>>>,
}

impl Variants {
    pub fn new(
        personal: Personal,
        (consumer, namespace): (&Arc<Consumer>, Option<&Arc<str>>),
        loss: Loss,
        metrics: &Metrics,
    ) -> Self {
        Self {
            personal,
            consumer: Arc::clone(consumer),
            namespace: namespace.cloned(),
            loss,
            metrics: metrics.clone(),
            missed: AtomicU64::new(0),
            notice: OnceLock::new(),
        }
    }

    /// Its bytes in a worker's backlog.
    pub fn weight(&self) -> usize {
        self.personal.event().body.weight()
    }

    fn frame(&self, values: &str) -> Option<Arc<Frame>> {
        match self.personal.payload(values).map_err(MapError::from) {
            Ok(payload) => {
                let payload = self.consumer.within(payload, self.namespace.as_deref());
                Some(Arc::new(Frame::new(&payload).losable(self.loss.clone())))
            }
            Err(reason) => {
                let (consumer, event) = (self.consumer.name(), self.personal.event());
                warn_bounded!(
                    "{consumer}: some members of group {} do not get an event of type {:?}: mapping failed: {reason}",
                    event.group,
                    event.kind().unwrap_or_default()
                );
                None
            }
        }
    }

    /// A member misses it: it gets the gap notice, if it wants one.
    fn miss(&self, member: &Member, served: &mut Tally) {
        self.missed.fetch_add(1, Ordering::Relaxed);
        if member.gap_consumer() != Some(self.consumer.id()) {
            return;
        }
        let group = &self.personal.event().group;
        let make = || notice::frame(&self.consumer, GapReason::Values, Some(&[group]), self.namespace.as_deref());
        if let Some(frame) = self.notice.get_or_init(make) {
            let message = encoded(frame, member);
            let taken = member.deliver(&message, &[]);
            served.add(taken, &message);
        }
    }
}

impl Drop for Variants {
    fn drop(&mut self) {
        let missed = *self.missed.get_mut();
        if missed == 0 {
            return;
        }
        let (consumer, event): (_, &Event) = (self.consumer.name(), self.personal.event());
        let kind = event.kind().unwrap_or_default();
        self.metrics.gap(GapReason::Values.label());
        let detail = format_args!("an event of type {kind:?} has more than {MAX_FORMS} forms on a worker");
        self.metrics.lost(DropReason::Values, missed, Some(event.group.as_str()), Some(consumer), &detail);
        warn_bounded!(
            "{consumer}: {missed} members of group {} miss an event of type {kind:?}: it contains values of the connection, \
             and its members have more than {MAX_FORMS} different ones on a worker",
            event.group
        );
    }
}

/// The forms of a message on this worker.
pub(super) struct VariantsHere {
    of: Arc<Variants>,
    /// By the values that they contain; `None`: they could not be encoded.
    forms: RefCell<HashMap<Arc<str>, Option<Arc<Frame>>>>,
}

/// What a member gets of a message.
pub(super) enum Form {
    /// What all get.
    Shared,
    Own(EncodedMessage),
    /// Nothing.
    Missed,
}

impl Form {
    /// The message, if it gets one; `shared` is what all get.
    pub const fn or<'a>(&'a self, shared: &'a EncodedMessage) -> Option<&'a EncodedMessage> {
        match self {
            Self::Shared => Some(shared),
            Self::Own(message) => Some(message),
            Self::Missed => None,
        }
    }
}

impl VariantsHere {
    pub fn new(of: &Arc<Variants>) -> Self {
        Self { of: Arc::clone(of), forms: RefCell::default() }
    }

    /// What the member gets; an error if it cannot be encoded with its values.
    pub fn form(&self, member: &Rc<Member>, served: &mut Tally) -> Result<Form, NoAnswer> {
        let values = member.values(&self.of.personal).ok_or(NoAnswer)?;
        let known = self.forms.borrow().get(&values).cloned();
        let frame = match known {
            Some(frame) => frame,
            None if self.forms.borrow().len() >= MAX_FORMS => {
                self.of.miss(member, served);
                return Ok(Form::Missed);
            }
            None => {
                let frame = self.of.frame(&values);
                self.forms.borrow_mut().insert(values, frame.clone());
                frame
            }
        };
        frame.map(|frame| Form::Own(encoded(&frame, member))).ok_or(NoAnswer)
    }
}

/// A frame as the member gets it.
pub(super) fn encoded(frame: &Frame, member: &Member) -> EncodedMessage {
    let connection = member.connection();
    let bytes = frame.bytes(connection.deflate(), &connection.limits().compression).clone();
    EncodedMessage::recurring(bytes, frame.loss().clone())
}
