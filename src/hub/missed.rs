//! A gap, and the notices about it.
//!
//! In: a gap, on the thread that found it. Out, on each worker: a notice that takes its place among the deliveries of
//! the groups concerned, like a union. Members that do not want notices are skipped.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use super::{
    delivery::{Applied, Queued},
    notice::{Notice, frame},
    order::Order,
    registry::AudienceId,
};
use crate::{
    consumer::{Consumer, ConsumerId, Snapshot},
    event::{Gap, GapReason, GroupName},
    socket::frame::Frame,
};

/// A gap, with the notice for the members of each consumer.
pub(super) struct Missed {
    reason: GapReason,
    groups: Option<Vec<GroupName>>,
    found: Instant,
    to: Vec<Share>,
}

/// The notice for the members that want one from a consumer.
struct Share {
    consumer: Arc<Consumer>,
    /// The consumers of its namespace: its members may be in their groups.
    with: Vec<ConsumerId>,
    /// The notice that names no group.
    frame: Arc<Frame>,
}

impl Missed {
    /// `None` if no consumer sends gap notices.
    pub fn new(gap: &Gap, consumers: &Snapshot) -> Option<Self> {
        let to = consumers.iter().filter(|consumer| consumer.has_gap_notice());
        let to: Vec<Share> = to.filter_map(|consumer| Share::new(gap.reason, consumer, consumers)).collect();
        (!to.is_empty()).then(|| Self { reason: gap.reason, groups: gap.groups.clone(), found: Instant::now(), to })
    }

    /// The notices to queue now, each with its audiences on a worker.
    pub fn waiting(
        &self,
        by_name: &HashMap<(GroupName, ConsumerId), AudienceId>,
        order: &mut Order,
        consumers: &Arc<Snapshot>,
    ) -> Vec<(Vec<AudienceId>, Queued)> {
        let mut all = Vec::new();
        for share in &self.to {
            let mut audiences = Vec::new();
            let mut names = HashMap::new();
            match &self.groups {
                None => {
                    let own = by_name.iter().filter(|((_, of), _)| share.with.contains(&consumers.base(*of)));
                    audiences.extend(own.map(|(_, audience)| *audience));
                }
                Some(groups) if share.consumer.has_namespaces() => {
                    let groups: HashSet<&GroupName> = groups.iter().collect();
                    for ((group, of), audience) in by_name {
                        if groups.contains(group) && share.with.contains(&consumers.base(*of)) {
                            audiences.push(*audience);
                            names.insert(*audience, group.clone());
                        }
                    }
                }
                Some(groups) => {
                    for group in groups {
                        for of in &share.with {
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
            let names = self.groups.is_some().then_some(names);
            let notice = Notice::new(Arc::clone(&share.consumer), self.reason, names, Arc::clone(consumers));
            let applied = Applied {
                rules: Arc::default(),
                except: Vec::new(),
                notice: Some(notice),
                work: None,
                snapshots: None,
                throttle: None,
                unanswered: None,
                variants: None,
                kept: OnceCell::new(),
            };
            all.push((audiences, Queued::new(order.next(), Arc::clone(&share.frame), Some(applied), self.found)));
        }
        all
    }
}

impl Share {
    fn new(reason: GapReason, consumer: &Arc<Consumer>, consumers: &Snapshot) -> Option<Self> {
        let frame = frame(consumer, reason, None, None)?;
        let shares = |other: &Arc<Consumer>| {
            other.id() == consumer.id() || (other.namespace().is_some() && other.namespace() == consumer.namespace())
        };
        let with = consumers.iter().filter(|other| shares(other)).map(|other| other.id()).collect();
        Some(Self { consumer: Arc::clone(consumer), with, frame })
    }
}
