//! Joins and leaves on several hosts, and who is answered when.

use tokio::sync::oneshot;

use super::*;
use crate::config;

fn registry(hosts: usize) -> JoinedGroups {
    let naming = GroupNaming::new(&config::Layer::default(), hosts, "0123456789abcdef0123456789abcdef");
    JoinedGroups::new(naming, Duration::from_secs(5))
}

fn up(registry: &mut JoinedGroups, host: usize) -> mpsc::UnboundedReceiver<Update> {
    let (ops, registrations) = registry.begin(host);
    registry.up(host, &registrations);
    ops
}

fn added(ops: &mut mpsc::UnboundedReceiver<Update>) -> Rc<Registration> {
    match ops.try_recv() {
        Ok(Update::Add(registration)) => registration,
        other => panic!("{other:?}"),
    }
}

fn join(registry: &mut JoinedGroups, name: &str) -> oneshot::Receiver<Result<(), LayerError>> {
    let (waiter, answer) = oneshot::channel();
    registry.join(&GroupName::new(name).unwrap(), waiter);
    answer
}

/// The markers of the joins so far come back from every host.
fn markers_come_back(registry: &mut JoinedGroups) {
    registry.fence();
    for host in 0..registry.naming().hosts() {
        registry.fenced(host, u64::MAX);
    }
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
    markers_come_back(&mut registry);
    registry.confirm(1, &registration);
    assert!(early.try_recv().unwrap().is_ok() && late.try_recv().unwrap().is_ok());
}

#[test]
fn a_join_of_a_joined_group_waits_for_a_marker_that_is_sent_after_it() {
    let mut registry = registry(1);
    let mut ops = up(&mut registry, 0);
    let _first = join(&mut registry, "g");
    let registration = added(&mut ops);
    registry.confirm(0, &registration);
    let mut second = join(&mut registry, "g");
    registry.fence();
    let mut third = join(&mut registry, "g");
    registry.fence();
    assert!(matches!(ops.try_recv(), Ok(Update::Fence(1))));
    assert!(ops.try_recv().is_err(), "one at a time");
    assert!(second.try_recv().is_err());
    registry.fenced(0, 1);
    assert!(second.try_recv().unwrap().is_ok() && third.try_recv().is_err());
    registry.fence();
    assert!(matches!(ops.try_recv(), Ok(Update::Fence(2))));
    registry.down(0, "gone");
    assert!(third.try_recv().unwrap().is_err());
}

#[test]
fn without_a_host_joins_are_refused_including_pending_ones() {
    let mut registry = registry(1);
    assert!(join(&mut registry, "g").try_recv().unwrap().is_err());
    let mut ops = up(&mut registry, 0);
    let mut waiting = join(&mut registry, "g");
    added(&mut ops);
    registry.down(0, "gone");
    assert!(matches!(waiting.try_recv().unwrap(), Err(LayerError::Unavailable { reason, .. }) if reason == "gone"));
    assert!(join(&mut registry, "g").try_recv().unwrap().is_err());
    // The refused caller leaves, so the group is removed after the linger time.
    registry.leave(&GroupName::new("g").unwrap(), Instant::now());
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
    let mut again = join(&mut registry, "g");
    markers_come_back(&mut registry);
    assert!(again.try_recv().unwrap().is_ok());
    assert!(matches!(ops.try_recv(), Ok(Update::Fence(1))));
    registry.sweep(left + Duration::from_secs(60));
    assert_eq!(registry.group(registration.token), Some(&group));
    registry.leave(&group, left + Duration::from_secs(1));
    registry.sweep(left + Duration::from_secs(5));
    assert_eq!(registry.group(registration.token), Some(&group));
    registry.sweep(left + Duration::from_secs(6));
    assert_eq!(registry.group(registration.token), None);
    assert!(registry.knows(registration.token));
    assert!(matches!(ops.try_recv(), Ok(Update::Remove(removed)) if removed.token == registration.token));
}

#[test]
fn groups_are_freed_in_the_order_in_which_they_were_made() {
    let mut registry = registry(1);
    let mut ops = up(&mut registry, 0);
    let names: Vec<String> = (0..20).map(|number| format!("g{number}")).collect();
    for name in &names {
        let _answer = join(&mut registry, name);
        let registration = added(&mut ops);
        registry.confirm(0, &registration);
    }
    let left = Instant::now();
    for name in names.iter().rev() {
        registry.leave(&GroupName::new(name).unwrap(), left);
    }
    registry.sweep(left + Duration::from_secs(5));
    let removed = std::iter::from_fn(|| match ops.try_recv() {
        Ok(Update::Remove(registration)) => Some(registration.group.as_str().to_owned()),
        _ => None,
    });
    assert_eq!(removed.collect::<Vec<_>>(), names);
}

#[test]
fn a_caller_that_gives_up_takes_the_group_from_no_other() {
    let mut registry = registry(1);
    let mut ops = up(&mut registry, 0);
    let group = GroupName::new("g").unwrap();
    drop(join(&mut registry, "g"));
    registry.leave(&group, Instant::now());
    let mut other = join(&mut registry, "g");
    let registration = added(&mut ops);
    registry.confirm(0, &registration);
    markers_come_back(&mut registry);
    assert!(other.try_recv().unwrap().is_ok());
    registry.sweep(Instant::now() + Duration::from_secs(60));
    assert_eq!(registry.group(registration.token), Some(&group), "it has a member");
}

#[test]
fn a_confirmation_of_an_earlier_registration_is_ignored() {
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
    let mut again = join(&mut registry, "a");
    markers_come_back(&mut registry);
    assert!(again.try_recv().unwrap().is_ok());
}

#[test]
fn a_silent_host_refuses_pending_joins_and_keeps_confirmed_ones() {
    let mut registry = registry(1);
    let mut ops = up(&mut registry, 0);
    let _joined = join(&mut registry, "joined");
    let registration = added(&mut ops);
    registry.confirm(0, &registration);
    let mut waiting = join(&mut registry, "late");
    registry.suspend(0, "silent");
    assert!(waiting.try_recv().unwrap().is_err());
    assert!(join(&mut registry, "joined").try_recv().unwrap().is_err());
    registry.resume(0);
    let mut again = join(&mut registry, "joined");
    markers_come_back(&mut registry);
    assert!(again.try_recv().unwrap().is_ok(), "nothing is registered again");
}

#[test]
fn a_group_waits_for_the_hosts_that_serve_and_is_refused_only_for_those_that_it_needs() {
    let mut registry = registry(2);
    let (_first, _second) = (up(&mut registry, 0), up(&mut registry, 1));
    let all = (0..60).map(|n| format!("g{}{n}", "x".repeat(n)));
    let needs = |registry: &JoinedGroups, name: &String| registry.naming().needs(&GroupName::new(name).unwrap());
    let (alone, both): (Vec<_>, Vec<_>) = all.partition(|name| needs(&registry, name) == 0b01);
    let both = both.iter().find(|name| needs(&registry, name) == 0b11).unwrap();
    let (mut first, mut second) = (join(&mut registry, &alone[0]), join(&mut registry, both));
    let registrations = registry.registrations();
    for registration in &registrations {
        registry.confirm(0, registration);
    }
    assert!(first.try_recv().is_err(), "a plain publish may come on the other host, too");
    registry.down(1, "gone");
    assert!(first.try_recv().unwrap().is_ok(), "the host that is down is not waited for");
    assert!(second.try_recv().unwrap().is_err());
}
