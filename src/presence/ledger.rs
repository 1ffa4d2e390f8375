//! What this node knows about its members, and the pending changes for Redis: pure, without a clock and without I/O.
//!
//! In: connections that open and close, answers of Redis. Out: steps for Redis, in order per member and one at a time,
//! and changes for the listener. It never forgets a member that Redis may still list for this node.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{PresenceChange, PresenceMember};
use crate::event::Value;

/// One change of a member for Redis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MemberChange {
    pub member: PresenceMember,
    pub what: Transition,
    pub facts: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    /// It arrived. `unsure`: this may have been written already, but the answer was lost.
    Came { unsure: bool },
    /// It left.
    Went { unsure: bool },
}

/// The answer of Redis to one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeResult {
    /// Another node has the member, too, or this one had it before.
    NoChange,
    /// The cluster did not have it before, or has it no longer.
    Changed,
    /// Not done: the members of all nodes are known only after this time.
    Held(Duration),
}

/// Why this node must join again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RejoinReason {
    /// The other nodes considered it dead and took over its members.
    Lease,
    /// Redis lost its data.
    Data,
}

/// A change, its moment, and the member with its facts.
pub(super) type Announcement = (PresenceChange, PresenceMember, Value, u64);

/// Whether Redis lists a member for this node, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Listing {
    #[default]
    Absent,
    /// It was absent, and the answer to the last step was lost.
    PerhapsListed,
    Listed,
    /// It was listed, and the answer to the last step was lost.
    PerhapsAbsent,
}

impl Listing {
    /// According to the last answer.
    const fn is_listed(self) -> bool {
        matches!(self, Self::Listed | Self::PerhapsAbsent)
    }

    const fn is_unsure(self) -> bool {
        matches!(self, Self::PerhapsListed | Self::PerhapsAbsent)
    }

    /// The answer to a step was lost.
    const fn doubted(self) -> Self {
        if self.is_listed() { Self::PerhapsAbsent } else { Self::PerhapsListed }
    }
}

/// The state of a member's next step for Redis: idle → queued → under way → idle, or queued again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    /// No step.
    #[default]
    Idle,
    /// The step is in the queue.
    Queued,
    /// Redis has not answered the step yet; until then no other step is sent.
    UnderWay,
}

#[derive(Default)]
struct LedgerEntry {
    facts: Value,
    connections: usize,
    /// Without connections: when it counts as gone.
    until: Option<Instant>,
    listing: Listing,
    progress: Progress,
    written: Option<Instant>,
    /// The moment of its last step.
    at: u64,
    /// The connection that may have made it present.
    waiter: Option<oneshot::Sender<bool>>,
}

impl LedgerEntry {
    const fn wanted(&self) -> bool {
        self.connections > 0 || self.until.is_some()
    }

    /// Whether it must be queued; if so, it counts as queued.
    fn line_up(&mut self) -> bool {
        std::mem::replace(&mut self.progress, Progress::Queued) != Progress::Queued
    }

    fn answer(&mut self, first: bool) -> bool {
        self.waiter.take().is_some_and(|waiter| waiter.send(first).is_ok())
    }
}

#[derive(Default)]
pub(super) struct Ledger {
    entries: HashMap<PresenceMember, LedgerEntry>,
    queue: VecDeque<PresenceMember>,
    graces: BTreeMap<(Instant, u64), PresenceMember>,
    grace_number: u64,
    /// The moment of the last steps that were carried out.
    at: u64,
}

impl Ledger {
    /// The next answers are of this moment.
    pub const fn set_moment(&mut self, at: u64) {
        self.at = at;
    }

    /// The moment of the last answers.
    pub const fn moment(&self) -> u64 {
        self.at
    }

    /// The moment of a member's last step.
    pub fn moment_of(&self, member: &PresenceMember) -> Option<u64> {
        self.entries.get(member).map(|entry| entry.at)
    }

    /// The members of a scope on this node, at most so many, and their number.
    pub fn present(&self, scope: &str, most: usize) -> (Vec<(Arc<str>, Value)>, usize) {
        let present = self.entries.iter().filter(|(member, entry)| *member.scope == *scope && entry.wanted());
        let mut members: Vec<_> = present.map(|(member, entry)| (entry.at, &member.id, &entry.facts)).collect();
        members.sort_by_key(|(at, id, _)| (*at, Arc::clone(id)));
        let count = members.len();
        let listed = members.into_iter().take(most).map(|(_, id, facts)| (Arc::clone(id), facts.clone()));
        (listed.collect(), count)
    }

    /// Whether Redis must list a member of this scope: it was written before then, and no step of it is pending.
    pub fn must_be_listed(&self, scope: &str, before: Instant) -> bool {
        self.entries.iter().any(|(member, entry)| {
            *member.scope == *scope
                && entry.listing == Listing::Listed
                && entry.progress == Progress::Idle
                && entry.written.is_some_and(|written| written < before)
        })
    }

    /// A connection has opened.
    pub fn enter(&mut self, member: &PresenceMember, facts: Value, waiter: oneshot::Sender<bool>) {
        let entry = self.entries.entry(member.clone()).or_default();
        entry.connections += 1;
        entry.until = None;
        if entry.connections == 1 {
            entry.facts = facts;
        }
        let decided = entry.listing.is_listed() && entry.progress != Progress::UnderWay;
        // A waiter that was dropped is replaced by the next one.
        if decided || entry.waiter.as_ref().is_some_and(|other| !other.is_closed()) {
            // A waiter that was dropped needs no answer.
            let _ = waiter.send(false);
        } else if entry.connections == 1 {
            entry.waiter = Some(waiter);
        } else {
            let _ = waiter.send(false);
        }
        self.queue(member);
    }

    /// A connection has closed; the member counts as gone at `until`.
    pub fn leave(&mut self, member: &PresenceMember, until: Instant) {
        let Some(entry) = self.entries.get_mut(member).filter(|entry| entry.connections > 0) else { return };
        entry.connections -= 1;
        if entry.connections == 0 {
            self.wait(member, until);
        }
    }

    fn wait(&mut self, member: &PresenceMember, until: Instant) {
        if let Some(entry) = self.entries.get_mut(member) {
            entry.until = Some(until);
            self.grace_number += 1;
            self.graces.insert((until, self.grace_number), member.clone());
        }
    }

    /// When the next grace ends.
    pub fn next_end(&self) -> Option<Instant> {
        self.graces.keys().next().map(|(until, _)| *until)
    }

    /// Ends the graces that have expired.
    pub fn end_graces(&mut self, now: Instant) {
        while let Some(first) = self.graces.first_entry().filter(|first| first.key().0 <= now) {
            let member = first.remove();
            if let Some(entry) = self.entries.get_mut(&member)
                && entry.connections == 0
                && entry.until.is_some_and(|until| until <= now)
            {
                entry.until = None;
                self.queue(&member);
            }
        }
    }

    fn queue(&mut self, member: &PresenceMember) {
        if let Some(entry) = self.entries.get_mut(member)
            && entry.progress == Progress::Idle
            && entry.wanted() != entry.listing.is_listed()
        {
            entry.progress = Progress::Queued;
            self.queue.push_back(member.clone());
        }
    }

    /// The steps to carry out now; each must return through [`Self::done`] or [`Self::failed`].
    pub fn steps(&mut self, most: usize) -> Vec<MemberChange> {
        let mut steps = Vec::new();
        while steps.len() < most
            && let Some(member) = self.queue.pop_front()
        {
            let Some(entry) = self.entries.get_mut(&member) else { continue };
            entry.progress = Progress::Idle;
            let unsure = entry.listing.is_unsure();
            // A member that is listed and wanted is queued to be written again before it expires.
            let what = match (entry.wanted(), entry.listing.is_listed()) {
                (true, _) => Transition::Came { unsure },
                (false, true) => Transition::Went { unsure },
                (false, false) if unsure => Transition::Went { unsure },
                (false, false) => {
                    self.entries.remove(&member);
                    continue;
                }
            };
            entry.progress = Progress::UnderWay;
            steps.push(MemberChange { what, facts: entry.facts.clone(), member });
        }
        steps
    }

    /// Redis has answered these steps.
    pub fn done(&mut self, steps: Vec<MemberChange>, answers: &[ChangeResult], now: Instant) -> Vec<Announcement> {
        let mut announcements = Vec::new();
        for (MemberChange { member, what, facts }, done) in steps.into_iter().zip(answers) {
            let Some(entry) = self.entries.get_mut(&member) else { continue };
            entry.progress = Progress::Idle;
            match (what, *done) {
                (Transition::Came { .. }, done) => {
                    let came = done == ChangeResult::Changed && !entry.listing.is_listed();
                    entry.listing = Listing::Listed;
                    entry.written = Some(now);
                    if came {
                        entry.at = self.at;
                    }
                    if !entry.answer(came) && came {
                        announcements.push((PresenceChange::Arrived, member.clone(), facts, self.at));
                    }
                }
                (Transition::Went { .. }, ChangeResult::Held(time)) => {
                    if entry.connections == 0 {
                        self.wait(&member, now + time);
                    } else {
                        entry.answer(false);
                    }
                    continue;
                }
                (Transition::Went { .. }, done) => {
                    entry.listing = Listing::Absent;
                    if done == ChangeResult::Changed {
                        announcements.push((PresenceChange::Departed, member.clone(), facts, self.at));
                    }
                    if !entry.wanted() {
                        self.entries.remove(&member);
                    }
                }
            }
            self.queue(&member);
        }
        announcements
    }

    /// These steps may have been carried out or not. They are queued again.
    pub fn failed(&mut self, steps: &[MemberChange]) {
        for step in steps {
            let Some(entry) = self.entries.get_mut(&step.member) else { continue };
            entry.listing = entry.listing.doubted();
            entry.answer(false);
            if entry.line_up() {
                self.queue.push_back(step.member.clone());
            }
        }
    }

    /// These steps were not carried out; they are queued again.
    pub fn put_back(&mut self, steps: &[MemberChange]) {
        for step in steps {
            let Some(entry) = self.entries.get_mut(&step.member) else { continue };
            if entry.line_up() {
                self.queue.push_back(step.member.clone());
            }
        }
    }

    /// Answers all waiters, because Redis is unreachable; returns their number.
    pub fn answer_all(&mut self) -> u64 {
        let mut answered = 0;
        for entry in self.entries.values_mut() {
            if entry.waiter.is_some() {
                entry.answer(false);
                answered += 1;
            }
        }
        answered
    }

    /// Redis no longer lists this node's members, or not all of them; no step is under way.
    pub fn lost(&mut self, loss: RejoinReason) {
        for (member, entry) in &mut self.entries {
            match loss {
                // A member in its grace belongs to the other nodes now, unless they have not taken it over yet; so it
                // is removed, and its departure is reported only by the node that had it.
                RejoinReason::Lease if entry.connections == 0 => {
                    entry.until = None;
                    entry.listing = Listing::Listed;
                }
                RejoinReason::Lease => entry.listing = Listing::Absent,
                RejoinReason::Data if entry.wanted() => entry.listing = Listing::Absent,
                // It has left this node, and no other node can know that it was here.
                RejoinReason::Data => entry.listing = Listing::PerhapsAbsent,
            }
            if entry.line_up() {
                self.queue.push_back(member.clone());
            }
        }
    }

    /// Takes over a member of a dead node, and waits for its return until then.
    pub fn adopt(&mut self, member: &PresenceMember, facts: Value, now: Instant, until: Instant) {
        let entry = self.entries.entry(member.clone()).or_default();
        entry.listing = Listing::Listed;
        entry.written = Some(now);
        entry.answer(false);
        if entry.connections == 0 {
            entry.facts = facts;
            self.wait(member, until);
        }
    }

    /// Queues members that were written longer than `age` ago, so that no entry of a live node expires.
    pub fn rewrite(&mut self, now: Instant, age: Duration) {
        for (member, entry) in &mut self.entries {
            if entry.written.is_some_and(|written| now.duration_since(written) >= age)
                && entry.listing.is_listed()
                && entry.progress != Progress::UnderWay
                && entry.line_up()
            {
                self.queue.push_back(member.clone());
            }
        }
    }

    /// The number of ids present on this node.
    pub fn count(&self) -> usize {
        let present = self.entries.iter().filter(|(_, entry)| entry.wanted());
        present.map(|(member, _)| Arc::clone(&member.id)).collect::<HashSet<_>>().len()
    }

    /// The number of steps that are pending.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether a step is pending.
    pub fn has_steps(&self) -> bool {
        !self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests;
