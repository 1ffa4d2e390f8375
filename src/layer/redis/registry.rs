//! Which groups this node belongs to, and on which hosts Redis has confirmed it.
//!
//! In: joins and leaves of the node, confirmations and losses of the hosts. Out: [`Op`]s for the hosts' sessions and answers
//! to those who wait for a join. Pure bookkeeping without I/O; it lives on the layer's thread.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use super::place::{Placement, Registration};
use crate::{event::GroupName, layer::LayerError};

/// What a session does with a registration.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Tell Redis, then [`Registry::confirm`].
    Add(Rc<Registration>),
    /// Take it away.
    Remove(Rc<Registration>),
}

/// Who waits for a join.
pub(super) type Waiter = oneshot::Sender<Result<(), LayerError>>;

struct Membership {
    registration: Rc<Registration>,
    /// One bit per host that confirmed it.
    confirmed: u64,
    waiters: Vec<Waiter>,
    left: Option<Instant>,
}

#[derive(Default)]
struct Link {
    up: bool,
    reason: String,
    ops: Option<mpsc::UnboundedSender<Op>>,
}

/// The groups of this node.
pub(super) struct Registry {
    placement: Placement,
    linger: Duration,
    groups: HashMap<GroupName, Membership>,
    tokens: HashMap<u64, GroupName>,
    next_token: u64,
    links: Vec<Link>,
    departures: VecDeque<(Instant, GroupName)>,
}

/// How long a refused client should wait; a session needs about this long to come back.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);

impl Registry {
    pub fn new(placement: Placement, linger: Duration) -> Self {
        let links = (0..placement.hosts())
            .map(|_| Link { up: false, reason: "not connected yet".to_owned(), ops: None })
            .collect();
        Self {
            placement,
            linger,
            groups: HashMap::new(),
            tokens: HashMap::new(),
            next_token: 0,
            links,
            departures: VecDeque::new(),
        }
    }

    pub const fn placement(&self) -> &Placement {
        &self.placement
    }

    fn all_confirmed(&self) -> u64 {
        u64::MAX >> (64 - self.links.len())
    }

    /// Why joins cannot be promised now.
    pub fn outage(&self) -> Option<LayerError> {
        let link = self.links.iter().find(|link| !link.up)?;
        Some(LayerError::Unavailable { reason: link.reason.clone(), retry_after: RETRY_AFTER })
    }

    pub fn join(&mut self, group: &GroupName, waiter: Waiter) {
        // A waiter that has gone needs no answer; this holds for every send below.
        if let Some(outage) = self.outage() {
            let _ = waiter.send(Err(outage));
            return;
        }
        let all = self.all_confirmed();
        if let Some(membership) = self.groups.get_mut(group) {
            membership.left = None;
            if membership.confirmed == all {
                let _ = waiter.send(Ok(()));
            } else {
                membership.waiters.push(waiter);
            }
            return;
        }
        let token = self.next_token;
        self.next_token += 1;
        let registration = Rc::new(self.placement.registration(group, token));
        self.tokens.insert(token, group.clone());
        self.groups.insert(
            group.clone(),
            Membership { registration: Rc::clone(&registration), confirmed: 0, waiters: vec![waiter], left: None },
        );
        self.tell(&Op::Add(registration));
    }

    pub fn leave(&mut self, group: &GroupName, now: Instant) {
        if let Some(membership) = self.groups.get_mut(group)
            && membership.left.is_none()
        {
            membership.left = Some(now);
            self.departures.push_back((now, group.clone()));
        }
    }

    /// Removes the groups that were left longer than the linger ago and not joined since.
    pub fn sweep(&mut self, now: Instant) {
        while let Some((left, _)) = self.departures.front()
            && now.duration_since(*left) >= self.linger
        {
            let Some((left, group)) = self.departures.pop_front() else { return };
            if self.groups.get(&group).is_some_and(|membership| membership.left == Some(left))
                && let Some(membership) = self.groups.remove(&group)
            {
                self.tokens.remove(&membership.registration.token);
                self.tell(&Op::Remove(membership.registration));
            }
        }
    }

    /// A session begins: from now on it hears of every change, and these are the registrations to begin with.
    pub fn begin(&mut self, host: usize) -> (mpsc::UnboundedReceiver<Op>, Vec<Rc<Registration>>) {
        let (ops, receiver) = mpsc::unbounded_channel();
        self.links[host].ops = Some(ops);
        (receiver, self.registrations())
    }

    pub fn registrations(&self) -> Vec<Rc<Registration>> {
        self.groups.values().map(|membership| Rc::clone(&membership.registration)).collect()
    }

    /// A session has told Redis of these, and now serves.
    pub fn up(&mut self, host: usize, registrations: &[Rc<Registration>]) {
        self.links[host].up = true;
        self.links[host].reason.clear();
        for registration in registrations {
            self.confirm(host, registration);
        }
    }

    /// Redis has confirmed a registration on this host.
    pub fn confirm(&mut self, host: usize, registration: &Registration) {
        let all = self.all_confirmed();
        let Some(membership) = self.groups.get_mut(&registration.group) else { return };
        if membership.registration.token != registration.token {
            return;
        }
        membership.confirmed |= 1 << host;
        if membership.confirmed != all || membership.waiters.is_empty() {
            return;
        }
        let mut heard = false;
        for waiter in membership.waiters.drain(..) {
            heard |= waiter.send(Ok(())).is_ok();
        }
        if !heard {
            self.leave(&registration.group, Instant::now());
        }
    }

    /// Whether everybody may rely on this registration on this host.
    pub fn is_confirmed(&self, host: usize, registration: &Registration) -> bool {
        self.groups.get(&registration.group).is_some_and(|membership| {
            membership.registration.token == registration.token && membership.confirmed & (1 << host) != 0
        })
    }

    /// A session has ended.
    pub fn down(&mut self, host: usize, reason: &str) {
        let link = &mut self.links[host];
        link.up = false;
        reason.clone_into(&mut link.reason);
        link.ops = None;
        let mut forsaken = Vec::new();
        for (group, membership) in &mut self.groups {
            membership.confirmed &= !(1 << host);
            // Whoever waits has no earlier promise, so the group has nobody once they are refused.
            if !membership.waiters.is_empty() {
                forsaken.push(group.clone());
            }
            for waiter in membership.waiters.drain(..) {
                let _ =
                    waiter.send(Err(LayerError::Unavailable { reason: reason.to_owned(), retry_after: RETRY_AFTER }));
            }
        }
        for group in forsaken {
            self.leave(&group, Instant::now());
        }
    }

    /// The group that a token was given to; `None` once it was left.
    pub fn group(&self, token: u64) -> Option<&GroupName> {
        self.tokens.get(&token)
    }

    /// Whether this token was ever given out.
    pub const fn knows(&self, token: u64) -> bool {
        token < self.next_token
    }

    /// The groups whose core-layer messages come through this queue.
    pub fn groups_of_queue(&self, queue: usize) -> Vec<GroupName> {
        let of_queue = self.groups.values().filter(|membership| membership.registration.queue == queue);
        of_queue.map(|membership| membership.registration.group.clone()).collect()
    }

    fn tell(&self, op: &Op) {
        for ops in self.links.iter().filter_map(|link| link.ops.as_ref()) {
            // A session that has just ended learns everything when it begins again.
            let _ = ops.send(op.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn registry(hosts: usize) -> Registry {
        let placement = Placement::new(&config::Layer::default(), hosts, "0123456789abcdef0123456789abcdef");
        Registry::new(placement, Duration::from_secs(5))
    }

    fn up(registry: &mut Registry, host: usize) -> mpsc::UnboundedReceiver<Op> {
        let (ops, registrations) = registry.begin(host);
        registry.up(host, &registrations);
        ops
    }

    fn added(ops: &mut mpsc::UnboundedReceiver<Op>) -> Rc<Registration> {
        match ops.try_recv() {
            Ok(Op::Add(registration)) => registration,
            other => panic!("{other:?}"),
        }
    }

    fn join(registry: &mut Registry, name: &str) -> oneshot::Receiver<Result<(), LayerError>> {
        let (waiter, answer) = oneshot::channel();
        registry.join(&GroupName::new(name).unwrap(), waiter);
        answer
    }

    #[test]
    fn a_join_is_answered_when_every_host_has_confirmed_it() {
        let mut registry = registry(2);
        let mut first = up(&mut registry, 0);
        let mut second = up(&mut registry, 1);
        let mut early = join(&mut registry, "g");
        let mut late = join(&mut registry, "g");
        let registration = added(&mut first);
        assert_eq!(added(&mut second).token, registration.token);
        assert!(first.try_recv().is_err(), "one registration per group");
        registry.confirm(0, &registration);
        assert!(early.try_recv().is_err());
        registry.confirm(1, &registration);
        assert!(early.try_recv().unwrap().is_ok() && late.try_recv().unwrap().is_ok());
        assert!(join(&mut registry, "g").try_recv().unwrap().is_ok(), "joining a joined group is free");
    }

    #[test]
    fn without_a_host_joins_are_refused_and_those_who_wait_too() {
        let mut registry = registry(1);
        assert!(join(&mut registry, "g").try_recv().unwrap().is_err());
        let mut ops = up(&mut registry, 0);
        let mut waiting = join(&mut registry, "g");
        added(&mut ops);
        registry.down(0, "gone");
        assert!(matches!(waiting.try_recv().unwrap(), Err(LayerError::Unavailable { reason, .. }) if reason == "gone"));
        assert!(join(&mut registry, "g").try_recv().unwrap().is_err());
        // Nobody was promised the group, so it goes after the linger.
        registry.sweep(Instant::now() + Duration::from_secs(6));
        assert!(registry.registrations().is_empty());
    }

    #[test]
    fn a_left_group_lingers_and_a_join_meanwhile_keeps_it() {
        let mut registry = registry(1);
        let mut ops = up(&mut registry, 0);
        let group = GroupName::new("g").unwrap();
        let _answer = join(&mut registry, "g");
        let registration = added(&mut ops);
        registry.confirm(0, &registration);
        let left = Instant::now();
        registry.leave(&group, left);
        assert!(join(&mut registry, "g").try_recv().unwrap().is_ok());
        registry.sweep(left + Duration::from_secs(60));
        assert_eq!(registry.group(registration.token), Some(&group));
        registry.leave(&group, left + Duration::from_secs(1));
        registry.sweep(left + Duration::from_secs(5));
        assert_eq!(registry.group(registration.token), Some(&group));
        registry.sweep(left + Duration::from_secs(6));
        assert_eq!(registry.group(registration.token), None);
        assert!(registry.knows(registration.token));
        assert!(matches!(ops.try_recv(), Ok(Op::Remove(removed)) if removed.token == registration.token));
    }

    #[test]
    fn a_confirmation_of_an_earlier_registration_counts_for_nothing() {
        let mut registry = registry(1);
        let mut ops = up(&mut registry, 0);
        let _gone = join(&mut registry, "g");
        let old = added(&mut ops);
        registry.confirm(0, &old);
        let group = GroupName::new("g").unwrap();
        registry.leave(&group, Instant::now());
        registry.sweep(Instant::now() + Duration::from_secs(6));
        let mut answer = join(&mut registry, "g");
        registry.confirm(0, &old);
        assert!(answer.try_recv().is_err());
    }

    #[test]
    fn a_session_begins_with_every_group() {
        let mut registry = registry(1);
        let mut ops = up(&mut registry, 0);
        for name in ["a", "b"] {
            let _answer = join(&mut registry, name);
            let registration = added(&mut ops);
            registry.confirm(0, &registration);
        }
        registry.down(0, "gone");
        let (_ops, registrations) = registry.begin(0);
        assert_eq!(registrations.len(), 2);
        registry.up(0, &registrations);
        assert!(join(&mut registry, "a").try_recv().unwrap().is_ok());
    }
}
