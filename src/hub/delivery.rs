//! One message on its way to members: in the form that the layer's thread gives to the workers, and as it waits on a
//! worker.

use std::{
    cell::{Cell, OnceCell},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use super::{
    member::Member,
    notice::Notice,
    registry::AudienceId,
    snapshots::{PresenceMoment, Snapshots},
    tally::Tally,
    throttle::{ThrottleHere, ThrottledEvent},
    variants::{self, Form, Variants, VariantsHere},
    work::{MemberWork, WorkHere},
};
use crate::{
    config::{Compression, Slow},
    consumer::{Consumer, ConsumerId, NoAnswer, Outgoing, Selection, Verdict},
    event::ConnectionId,
    socket::{Charge, EncodedMessage, Loss, close::Ending, frame::Frame, negotiate::Deflate},
};

/// Excludes some members from a delivery, or gives them work instead of a frame.
#[derive(Default)]
pub(super) struct Rules {
    /// Only members for which the condition is true.
    pub selection: Option<Selection>,
    /// The end of the members for which the condition has no answer; unset: they only miss the message.
    pub unanswered: Option<Arc<MemberWork>>,
    /// Only members subscribed to one of these names.
    pub names: Option<Arc<[Arc<str>]>>,
    /// Excludes the members with these ids.
    pub except_ids: Vec<ConnectionId>,
    /// Excludes the members of these audiences.
    pub except_audiences: Vec<AudienceId>,
    /// Excludes the members with slow clients.
    pub volatile: bool,
    /// What is asked of the members; then the frame is empty.
    pub work: Option<Arc<MemberWork>>,
    /// Excludes the members that know this change of presence from a snapshot.
    pub presence: Option<PresenceMoment>,
    /// Excludes the members that got enough events of the same handler.
    pub throttle: Option<Arc<ThrottledEvent>>,
    /// The message, if it contains values of the connection; then the frame is empty.
    pub variants: Option<Arc<Variants>>,
}

impl Rules {
    /// `None` if every member gets the frame, which is the usual and the fast case.
    pub fn shared(self) -> Option<Arc<Self>> {
        (self.selection.is_some() || self.is_more()).then(|| Arc::new(self))
    }

    /// Whether there is more than a condition.
    fn is_more(&self) -> bool {
        let all = self.names.is_none()
            && self.except_ids.is_empty()
            && self.except_audiences.is_empty()
            && !self.volatile
            && self.work.is_none()
            && self.presence.is_none()
            && self.throttle.is_none()
            && self.variants.is_none();
        !all
    }

    /// The bytes of its work in a worker's backlog.
    pub fn weight(&self) -> usize {
        let variants = self.variants.as_ref().map_or(0, |variants| variants.weight());
        variants + self.work.as_ref().map_or(0, |work| work.weight())
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
    pub ids: Vec<ConnectionId>,
    /// A member addressed by its id must belong to one of these consumers.
    pub consumers: Arc<[ConsumerId]>,
    pub frame: Arc<Frame>,
    pub rules: Option<Arc<Rules>>,
    pub received: Instant,
}

/// How a consumer's message may be lost while it waits for a slow client. Keys of different groups are independent; a
/// message without a key is kept, even if others have keys.
pub(super) fn loss(consumer: &Consumer, audience: AudienceId, key: Option<&str>) -> Loss {
    match (consumer.slow(), key) {
        (Slow::Close, _) | (Slow::Latest, None) => Loss::Never,
        (Slow::DropOldest, _) => Loss::Oldest,
        (Slow::Latest, Some(key)) => Loss::Superseded(format!("{}/{key}", audience.0).into()),
    }
}

/// The end of the members for which a message's condition has no answer: as with a consumer of Channels that raises an
/// exception.
pub(super) fn unanswered(consumer: &Consumer, message: &Outgoing) -> Option<Arc<MemberWork>> {
    let asks = message.selection.is_some() || message.personal.is_some();
    if asks { unanswered_by(consumer) } else { None }
}

/// The same for a condition of a consumer.
pub(super) fn unanswered_by(consumer: &Consumer) -> Option<Arc<MemberWork>> {
    let ends = consumer.spec().django.is_any();
    ends.then(|| Arc::new(MemberWork::Close(Ending::event_failed())))
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
    pub work: Option<WorkHere>,
    /// The snapshots of the worker's members, if the message reports a change of presence.
    pub snapshots: Option<Rc<Snapshots>>,
    pub throttle: Option<ThrottleHere>,
    /// For the members for which the condition has no answer.
    pub unanswered: Option<WorkHere>,
    pub variants: Option<VariantsHere>,
    /// The bytes that it takes while members keep it undecided; they are counted once.
    pub kept: OnceCell<Charge>,
}

impl Queued {
    pub fn new(number: u64, frame: Arc<Frame>, rules: Option<Applied>, received: Instant) -> Self {
        let backlog = frame.size() + rules.as_ref().map_or(0, |applied| applied.rules.weight());
        Self { number, frame, rules: rules.map(Rc::new), received, backlog, ahead: Cell::new(0) }
    }

    pub fn size(&self) -> usize {
        self.frame.size()
    }

    pub fn notice(&self) -> Option<&Notice> {
        self.rules.as_ref()?.notice.as_ref()
    }

    pub fn work(&self) -> Option<&WorkHere> {
        self.rules.as_ref()?.work.as_ref()
    }

    /// Whether its throttle lets the member have it; asked once it is for the member and it is its turn.
    pub fn is_due(&self, member: &Member) -> bool {
        let throttle = self.rules.as_ref().and_then(|applied| applied.throttle.as_ref());
        throttle.is_none_or(|throttle| throttle.admits(member))
    }

    /// The condition, if nothing else distinguishes its members.
    pub fn only_selection(&self) -> Option<&Selection> {
        let applied = self.rules.as_ref()?;
        let is_only = applied.notice.is_none() && !applied.rules.is_more();
        applied.rules.selection.as_ref().filter(|_| is_only)
    }

    /// Whether the member gets it, ignoring slow clients; an error if its condition has no answer.
    pub fn verdict(&self, member: &Rc<Member>) -> Verdict {
        self.rules.as_ref().map_or(Ok(true), |applied| applied.verdict(member))
    }

    /// Whether the condition alone is true for the member.
    pub fn meets(&self, member: &Member) -> Verdict {
        let selection = self.rules.as_ref().and_then(|applied| applied.rules.selection.as_ref());
        selection.map_or(Ok(true), |selection| member.meets(selection))
    }

    /// Whether the member gets it, or what it gets, may depend on the connection.
    pub fn is_conditional(&self) -> bool {
        self.depends_on_values() || self.reports_presence()
    }

    fn depends_on_values(&self) -> bool {
        let depends = |rules: &Rules| rules.selection.is_some() || rules.variants.is_some() || rules.throttle.is_some();
        self.rules.as_ref().is_some_and(|applied| depends(&applied.rules))
    }

    fn reports_presence(&self) -> bool {
        self.rules.as_ref().is_some_and(|applied| applied.rules.presence.is_some())
    }

    /// Whether that is not known before the member's release: its handler may change the values, or take a snapshot that
    /// contains what this reports.
    pub fn is_undecided(&self, member: &Member) -> bool {
        member.is_held() && (self.reports_presence() || self.depends_on_values() && member.may_change())
    }

    /// Whether the member does not know from a snapshot what it reports.
    pub fn is_news(&self, member: &Rc<Member>) -> bool {
        self.rules.as_ref().is_none_or(|applied| applied.is_news(member))
    }

    /// Whether the member may get it, whatever its condition and its snapshot say.
    pub fn is_among(&self, member: &Rc<Member>) -> bool {
        self.rules.as_ref().is_none_or(|applied| applied.is_among(member))
    }

    /// The condition has no answer for the member, which does not get it.
    #[cold]
    pub fn unanswered(&self, member: &Rc<Member>, served: &mut Tally) {
        if let Some(work) = self.end_of_unanswered(served) {
            work.give(member, served);
        }
    }

    /// The same, without giving the member its end.
    #[cold]
    pub fn end_of_unanswered(&self, served: &mut Tally) -> Option<&WorkHere> {
        let applied = self.rules.as_ref()?;
        served.unanswered += 1;
        if let Some(selection) = &applied.rules.selection {
            selection.unanswered();
        }
        applied.unanswered.as_ref()
    }

    /// Whether it is not the same for all of its members, or no frame.
    pub fn is_apart(&self) -> bool {
        let is_own = |applied: &Rc<Applied>| applied.variants.is_some() || applied.throttle.is_some();
        self.rules.as_ref().is_some_and(is_own)
            || self.work().is_some()
            || self.notice().is_some_and(Notice::is_personal)
    }

    /// Whether slow clients do not get it.
    pub fn is_volatile(&self) -> bool {
        self.rules.as_ref().is_some_and(|applied| applied.rules.volatile)
    }

    /// The message as a connection with this compression gets it.
    pub fn encoded(&self, deflate: Option<Deflate>, compression: &Compression) -> EncodedMessage {
        EncodedMessage::new(self.frame.bytes(deflate, compression).clone(), 1, self.frame.loss().clone())
    }

    /// The form of the message for the member; an error if it cannot be encoded with the member's values.
    pub fn form(&self, member: &Rc<Member>, served: &mut Tally) -> Result<Form, NoAnswer> {
        let Some(applied) = &self.rules else { return Ok(Form::Shared) };
        if let Some(frame) = applied.notice.as_ref().and_then(|notice| notice.own_frame(member)) {
            return Ok(Form::Own(variants::encoded(&frame, member)));
        }
        applied.variants.as_ref().map_or(Ok(Form::Shared), |variants| variants.form(member, served))
    }
}

impl Applied {
    /// Whether the member gets it, ignoring slow clients; an error if its condition has no answer.
    fn verdict(&self, member: &Rc<Member>) -> Verdict {
        match &self.rules.selection {
            Some(selection) if self.is_among(member) && self.is_news(member) => member.meets(selection),
            Some(_) => Ok(false),
            None => Ok(self.is_among(member) && self.is_news(member)),
        }
    }

    /// Whether the member gets it, whatever its condition and its snapshot say.
    fn is_among(&self, member: &Rc<Member>) -> bool {
        self.notice.as_ref().is_none_or(|notice| notice.is_for(member))
            && self.rules.names.as_ref().is_none_or(|names| member.wants(names))
            && !self.except.iter().any(|one| Rc::ptr_eq(one, member))
            && !member.is_in(&self.rules.except_audiences)
    }

    fn is_news(&self, member: &Rc<Member>) -> bool {
        let report = self.snapshots.as_ref().zip(self.rules.presence.as_ref());
        report.is_none_or(|(snapshots, change)| snapshots.needs(member, change))
    }
}
