//! Which changes of presence a connection knows from a snapshot, so that it is not told of them again.
//!
//! In: snapshots that connections of this worker take, and the moments of changes, both as the store of presence counts
//! them. Out: whether a change's message is for a member. A message that arrives while its snapshot is read is
//! contained in it, or the snapshot is read again. Entries are kept for as long as an earlier change can be on its way.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, Instant},
};

use super::member::Member;

/// How long the message of a change may be on its way: beyond this the publisher has given up.
const ON_ITS_WAY: Duration = Duration::from_secs(60);

/// A change of presence that a message reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceMoment {
    /// The consumer, or its room.
    pub scope: Arc<str>,
    /// When it happened.
    pub at: u64,
}

/// The snapshots of one worker's connections.
#[derive(Default)]
pub struct Snapshots(RefCell<Table>);

#[derive(Default)]
struct Table {
    known: HashMap<(usize, Arc<str>), Known>,
    /// In the order in which they expire.
    expiring: VecDeque<(Instant, (usize, Arc<str>))>,
}

struct Known {
    /// Keeps the address of the member from being used again.
    _member: Weak<Member>,
    until: Instant,
    snapshot: Snapshot,
}

#[derive(Clone, Copy)]
enum Snapshot {
    /// It is being read; the latest change whose message arrived meanwhile, 0 for none.
    Reading(u64),
    /// What happened up to this moment is in it.
    Taken(u64),
}

fn address(member: &Rc<Member>) -> usize {
    Rc::as_ptr(member).addr()
}

impl Snapshots {
    /// A member begins to read a snapshot: no change is reported to it until it has the snapshot.
    pub fn begin(&self, member: &Rc<Member>, scope: &Arc<str>, now: Instant) {
        let Table { known, expiring } = &mut *self.0.borrow_mut();
        while let Some((until, key)) = expiring.pop_front_if(|(until, _)| *until <= now) {
            // A later snapshot of the same member expires later.
            if known.get(&key).is_some_and(|entry| entry.until <= until) {
                known.remove(&key);
            }
        }
        let (key, until) = ((address(member), Arc::clone(scope)), now + ON_ITS_WAY);
        expiring.push_back((until, key.clone()));
        known.insert(key, Known { _member: Rc::downgrade(member), until, snapshot: Snapshot::Reading(0) });
    }

    /// The member has it, as of this moment; `false` if the message of a later change arrived meanwhile: then it reads
    /// again, unless this was the `last` time.
    pub fn taken(&self, member: &Rc<Member>, scope: &Arc<str>, at: u64, last: bool) -> bool {
        let mut table = self.0.borrow_mut();
        let Some(entry) = table.known.get_mut(&(address(member), Arc::clone(scope))) else { return true };
        let complete = last || !matches!(entry.snapshot, Snapshot::Reading(latest) if latest > at);
        entry.snapshot = if complete { Snapshot::Taken(at) } else { Snapshot::Reading(0) };
        complete
    }

    /// Whether a member needs the message about a change. A snapshot says nothing any more when its time is over, whoever
    /// removes it.
    pub(super) fn needs(&self, member: &Rc<Member>, change: &PresenceMoment) -> bool {
        let mut table = self.0.borrow_mut();
        let Some(entry) = table.known.get_mut(&(address(member), Arc::clone(&change.scope))) else { return true };
        if entry.until <= Instant::now() {
            return true;
        }
        match &mut entry.snapshot {
            Snapshot::Reading(latest) => {
                *latest = change.at.max(*latest);
                false
            }
            Snapshot::Taken(at) => change.at > *at,
        }
    }
}
