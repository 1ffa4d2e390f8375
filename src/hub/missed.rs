//! What is told of a gap: to whom, and in which frame.
//!
//! In: a gap, on the thread that found it. Out, on each worker: a notice that takes its place among the deliveries of the
//! groups concerned, as a union does. Members that did not ask for it are passed by.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use super::{
    AudienceId, Rules,
    job::{Applied, Waiting},
    member::Member,
};
use crate::{
    consumer::{Consumer, ConsumerId, Known},
    event::{Gap, GapReason, GroupName},
    socket::frame::Frame,
    warn_bounded,
};

/// A gap, with what the members of each consumer are told.
pub(super) struct Missed {
    reason: GapReason,
    groups: Option<Vec<GroupName>>,
    found: Instant,
    told: Vec<Told>,
}

/// What the members that asked one consumer are told.
struct Told {
    consumer: Arc<Consumer>,
    /// The consumers whose groups its members may be in: those of its namespace.
    with: Vec<ConsumerId>,
    /// The notice that names no group.
    frame: Arc<Frame>,
}

impl Missed {
    /// `None` where no consumer tells anything of gaps.
    pub fn new(gap: &Gap, consumers: &Known) -> Option<Self> {
        let told = consumers.iter().filter(|consumer| consumer.has_gap_notice());
        let told: Vec<Told> = told.filter_map(|consumer| Told::new(gap.reason, consumer, consumers)).collect();
        (!told.is_empty()).then(|| Self { reason: gap.reason, groups: gap.groups.clone(), found: Instant::now(), told })
    }

    /// What waits for which of a worker's audiences now.
    pub fn waiting(&self, by_name: &HashMap<(GroupName, ConsumerId), AudienceId>) -> Vec<(Vec<AudienceId>, Waiting)> {
        let mut all = Vec::new();
        for told in &self.told {
            let mut audiences = Vec::new();
            let mut names = HashMap::new();
            match &self.groups {
                None => {
                    let own = by_name.iter().filter(|((_, of), _)| told.with.contains(of));
                    audiences.extend(own.map(|(_, audience)| *audience));
                }
                Some(groups) => {
                    for group in groups {
                        for of in &told.with {
                            if let Some(audience) = by_name.get(&(group.clone(), *of)) {
                                audiences.push(*audience);
                                names.insert(*audience, group.clone());
                            }
                        }
                    }
                }
            }
            if audiences.is_empty() {
                continue;
            }
            let notice = Notice {
                consumer: Arc::clone(&told.consumer),
                reason: self.reason,
                names: self.groups.is_some().then_some(names),
                frames: RefCell::default(),
            };
            let applied =
                Applied { rules: Arc::new(Rules::default()), except: Vec::new(), notice: Some(Box::new(notice)) };
            all.push((
                audiences,
                Waiting { frame: Arc::clone(&told.frame), rules: Some(Box::new(applied)), received: self.found },
            ));
        }
        all
    }
}

impl Told {
    fn new(reason: GapReason, consumer: &Arc<Consumer>, consumers: &Known) -> Option<Self> {
        let frame = frame(consumer, reason, None)?;
        let shares = |other: &Arc<Consumer>| {
            other.id() == consumer.id() || (other.namespace().is_some() && other.namespace() == consumer.namespace())
        };
        let with = consumers.iter().filter(|other| shares(other)).map(|other| other.id()).collect();
        Some(Self { consumer: Arc::clone(consumer), with, frame })
    }
}

fn frame(consumer: &Consumer, reason: GapReason, groups: Option<&[&GroupName]>) -> Option<Arc<Frame>> {
    match consumer.gap_notice(reason, groups) {
        Ok(payload) => Some(Arc::new(Frame::new(&payload))),
        Err(reason) => {
            warn_bounded!("{}: clients are not told of a gap: {reason}", consumer.name());
            None
        }
    }
}

/// A notice on one worker.
pub(super) struct Notice {
    consumer: Arc<Consumer>,
    reason: GapReason,
    /// The groups concerned by this worker's audiences; `None`: every group.
    names: Option<HashMap<AudienceId, GroupName>>,
    /// Frames by the groups that they name: nobody is told the name of a group that it is not in.
    frames: RefCell<HashMap<BTreeSet<GroupName>, Option<Arc<Frame>>>>,
}

impl Notice {
    /// Whether this member asked for it.
    pub fn is_for(&self, member: &Member) -> bool {
        member.teller() == Some(self.consumer.id())
    }

    /// Whether it names groups.
    pub const fn is_personal(&self) -> bool {
        self.names.is_some()
    }

    /// What this member is told, where it names groups.
    pub fn own_frame(&self, member: &Rc<Member>) -> Option<Arc<Frame>> {
        let names = self.names.as_ref()?;
        let places = member.places.borrow();
        let own: BTreeSet<GroupName> = places.iter().filter_map(|place| names.get(&place.audience)).cloned().collect();
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
