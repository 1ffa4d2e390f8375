//! This node's groups, and the hosts on which Redis has confirmed them.
//!
//! In: joins and leaves of the node, confirmations and losses of the hosts. Out: [`Update`]s for the hosts' sessions
//! and answers to pending joins. Pure bookkeeping without I/O; it lives on the layer's thread.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    fences::{FencedJoin, Fences, Waiter},
    naming::{GroupNaming, Registration},
};
use crate::{event::GroupName, layer::LayerError, sparse::give_back};

/// A change that a session carries out.
#[derive(Clone, Debug)]
pub(super) enum Update {
    /// Register it in Redis, then [`JoinedGroups::confirm`].
    Add(Rc<Registration>),
    /// Remove it.
    Remove(Rc<Registration>),
    /// Remove this channel, which somebody else has added, from the set with this key.
    Discard(Rc<(String, String)>),
    /// Send this marker, then [`JoinedGroups::fenced`] when it is back.
    Fence(u64),
}

struct JoinedGroup {
    registration: Rc<Registration>,
    /// One bit per host that has confirmed it.
    confirmed: u64,
    waiters: Vec<Waiter>,
    left: Option<Instant>,
}

impl JoinedGroup {
    /// Answers pending joins if every one of these hosts has confirmed.
    fn answer(&mut self, serving: u64) {
        if self.confirmed & serving == serving {
            for waiter in self.waiters.drain(..) {
                let _ = waiter.send(Ok(()));
            }
        }
    }
}

#[derive(Default)]
struct HostLink {
    up: bool,
    reason: String,
    ops: Option<mpsc::UnboundedSender<Update>>,
}

/// The groups of this node.
pub(super) struct JoinedGroups {
    naming: GroupNaming,
    linger: Duration,
    groups: HashMap<GroupName, JoinedGroup>,
    tokens: HashMap<u64, GroupName>,
    next_token: u64,
    links: Vec<HostLink>,
    departures: VecDeque<(Instant, GroupName)>,
    fences: Fences,
}

/// How long a refused client should wait; a session needs about this long to recover.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);

impl JoinedGroups {
    pub fn new(naming: GroupNaming, delay: Duration) -> Self {
        let links = (0..naming.hosts())
            .map(|_| HostLink { up: false, reason: "not connected yet".to_owned(), ops: None })
            .collect();
        Self {
            naming,
            linger: delay,
            groups: HashMap::new(),
            tokens: HashMap::new(),
            next_token: 0,
            links,
            departures: VecDeque::new(),
            fences: Fences::default(),
        }
    }

    pub const fn naming(&self) -> &GroupNaming {
        &self.naming
    }

    /// The serving hosts, a bit each.
    fn serving(&self) -> u64 {
        self.links.iter().enumerate().filter(|(_, link)| link.up).fold(0, |mask, (host, _)| mask | 1 << host)
    }

    /// Why the events of a group that needs these hosts cannot be guaranteed now.
    fn outage(&self, needs: u64) -> Option<LayerError> {
        let link = self.links.iter().enumerate().find(|(host, link)| needs & (1 << host) != 0 && !link.up)?.1;
        Some(LayerError::Unavailable { reason: link.reason.clone(), retry_after: RETRY_AFTER })
    }

    pub fn join(&mut self, group: &GroupName, waiter: Waiter) {
        let needs = self.naming.needs(group);
        // A caller that is gone needs no answer; this holds for every send below.
        if let Some(outage) = self.outage(needs) {
            let _ = waiter.send(Err(outage));
            return;
        }
        if let Some(membership) = self.groups.get_mut(group) {
            membership.left = None;
            // Its events may be under way.
            self.fences.add(FencedJoin { group: group.clone(), needs, waiter });
            return;
        }
        let token = self.next_token;
        self.next_token += 1;
        let registration = Rc::new(self.naming.registration(group, token));
        self.tokens.insert(token, group.clone());
        self.groups.insert(
            group.clone(),
            JoinedGroup { registration: Rc::clone(&registration), confirmed: 0, waiters: vec![waiter], left: None },
        );
        self.tell(&Update::Add(registration));
    }

    /// Removes a connection's channel from a group's set.
    pub fn discard(&self, group: &GroupName, id: &str) {
        let (key, host) = self.naming.set_of(group);
        if let Some(ops) = self.links.get(host).and_then(|link| link.ops.as_ref()) {
            // Without a session it expires with the set, as if a process of Channels had ended.
            let _ = ops.send(Update::Discard(Rc::new((key, self.naming.connection_channel(id)))));
        }
    }

    /// Sends a marker for the joins that wait for one, if none is under way.
    pub fn fence(&mut self) {
        let hosts = self.serving();
        if let Some(number) = self.fences.start(hosts, Instant::now()) {
            self.mark(number, hosts);
        }
    }

    /// Sends a marker again that may be lost.
    pub fn fence_again(&mut self, now: Instant) {
        if let Some((number, hosts)) = self.fences.again(now) {
            self.mark(number, hosts);
        }
    }

    fn mark(&self, number: u64, hosts: u64) {
        let chosen = self.links.iter().enumerate().filter(|(host, _)| hosts & (1 << host) != 0);
        for ops in chosen.filter_map(|(_, link)| link.ops.as_ref()) {
            // A session that has just ended reports that it does not serve.
            let _ = ops.send(Update::Fence(number));
        }
    }

    /// A marker is back from a host. If joins have come meanwhile, [`Self::fence`] is due.
    pub fn fenced(&mut self, host: usize, number: u64) {
        let passed = self.fences.passed(host, number);
        self.admit(passed);
    }

    /// What was published before these joins has been passed on.
    fn admit(&mut self, joins: Vec<FencedJoin>) {
        // A plain publish may arrive on any serving host.
        let all = self.serving();
        for FencedJoin { group, needs, waiter } in joins {
            match self.groups.get_mut(&group) {
                Some(membership) if membership.confirmed & all != all => membership.waiters.push(waiter),
                _ => drop(waiter.send(self.outage(needs).map_or(Ok(()), Err))),
            }
        }
    }

    /// The last caller has left, or given up. No join that ends without a member does this by itself: others may wait
    /// for the same group, or be in it.
    pub fn leave(&mut self, group: &GroupName, now: Instant) {
        if let Some(membership) = self.groups.get_mut(group)
            && membership.left.is_none()
        {
            membership.left = Some(now);
            self.departures.push_back((now, group.clone()));
        }
    }

    /// Removes the groups that were left longer than the linger time ago and not joined since.
    pub fn sweep(&mut self, now: Instant) {
        let mut removed = Vec::new();
        while let Some((left, _)) = self.departures.front()
            && now.duration_since(*left) >= self.linger
        {
            let Some((left, group)) = self.departures.pop_front() else { return };
            if self.groups.get(&group).is_some_and(|membership| membership.left == Some(left))
                && let Some(membership) = self.groups.remove(&group)
            {
                self.tokens.remove(&membership.registration.token);
                removed.push(membership.registration);
            }
        }
        // They are freed in this order. The allocator keeps the last freed pieces of memory for the thread: pieces made
        // together are in few pages, others would keep a page each.
        removed.sort_unstable_by_key(|registration| registration.token);
        for registration in removed {
            self.tell(&Update::Remove(registration));
        }
        give_back(&mut self.groups);
        give_back(&mut self.tokens);
        if self.departures.len() < self.departures.capacity() / 8 {
            self.departures.shrink_to_fit();
        }
    }

    /// A session begins: returns its channel of changes, and the registrations to begin with.
    pub fn begin(&mut self, host: usize) -> (mpsc::UnboundedReceiver<Update>, Vec<Rc<Registration>>) {
        let (ops, receiver) = mpsc::unbounded_channel();
        self.links[host].ops = Some(ops);
        (receiver, self.registrations())
    }

    pub fn registrations(&self) -> Vec<Rc<Registration>> {
        self.groups.values().map(|membership| Rc::clone(&membership.registration)).collect()
    }

    /// A session has registered these in Redis, and serves now.
    pub fn up(&mut self, host: usize, registrations: &[Rc<Registration>]) {
        self.links[host].up = true;
        self.links[host].reason.clear();
        for registration in registrations {
            self.confirm(host, registration);
        }
    }

    /// Redis has confirmed a registration on this host.
    pub fn confirm(&mut self, host: usize, registration: &Registration) {
        let all = self.serving();
        let Some(membership) = self.groups.get_mut(&registration.group) else { return };
        if membership.registration.token != registration.token {
            return;
        }
        membership.confirmed |= 1 << host;
        membership.answer(all);
    }

    /// Whether this registration is guaranteed on this host.
    pub fn is_confirmed(&self, host: usize, registration: &Registration) -> bool {
        self.groups.get(&registration.group).is_some_and(|membership| {
            membership.registration.token == registration.token && membership.confirmed & (1 << host) != 0
        })
    }

    /// A session has ended.
    pub fn down(&mut self, host: usize, reason: &str) {
        self.links[host].ops = None;
        for membership in self.groups.values_mut() {
            membership.confirmed &= !(1 << host);
        }
        self.suspend(host, reason);
    }

    /// A session continues but its host does not answer: nothing new is guaranteed, and pending joins are refused.
    pub fn suspend(&mut self, host: usize, reason: &str) {
        let link = &mut self.links[host];
        link.up = false;
        reason.clone_into(&mut link.reason);
        let all = self.serving();
        for membership in self.groups.values_mut() {
            if membership.registration.needs & (1 << host) == 0 {
                // It does not need this host, and may have waited for it only.
                membership.answer(all);
                continue;
            }
            for waiter in membership.waiters.drain(..) {
                let _ =
                    waiter.send(Err(LayerError::Unavailable { reason: reason.to_owned(), retry_after: RETRY_AFTER }));
            }
        }
        for join in self.fences.forsake(host) {
            let error = LayerError::Unavailable { reason: reason.to_owned(), retry_after: RETRY_AFTER };
            let _ = join.waiter.send(Err(error));
        }
        let passed = self.fences.take_passed();
        self.admit(passed);
        self.fence();
    }

    /// The host answers again, and nothing was lost.
    pub fn resume(&mut self, host: usize) {
        self.links[host].up = true;
        self.links[host].reason.clear();
    }

    /// The group that a token was assigned to; `None` once it was left.
    pub fn group(&self, token: u64) -> Option<&GroupName> {
        self.tokens.get(&token)
    }

    /// Whether this token was ever assigned.
    pub const fn knows(&self, token: u64) -> bool {
        token < self.next_token
    }

    /// The groups with core-layer messages in this queue.
    pub fn groups_of_queue(&self, queue: usize) -> Vec<GroupName> {
        let of_queue = self.groups.values().filter(|membership| membership.registration.queue == queue);
        of_queue.map(|membership| membership.registration.group.clone()).collect()
    }

    fn tell(&self, op: &Update) {
        for ops in self.links.iter().filter_map(|link| link.ops.as_ref()) {
            // A session that has just ended learns everything when the next one begins.
            let _ = ops.send(op.clone());
        }
    }
}

#[cfg(test)]
mod tests;
