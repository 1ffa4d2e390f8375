//! Exact membership for any order of joins and leaves on any number of workers.

use std::collections::{BTreeMap, BTreeSet};

use super::{emissions::fastrand, *};

const WORKERS: usize = 4;
const MEMBERS: usize = 25;
const GROUPS: usize = 12;
/// On each worker.
const CHANGES: usize = 2_500;

type Key = (usize, ConsumerId);

/// The expected groups of one worker's members at the end.
type Model = Vec<BTreeSet<Key>>;

/// Random joins and leaves, many of them concurrent, on one worker's thread.
async fn shuffle(worker: &Worker, members: &mut [Rc<Member>], seed: u64) -> Model {
    let mut random = fastrand(seed);
    let mut model: Model = vec![BTreeSet::new(); members.len()];
    for _ in 0..CHANGES / 25 {
        let mut joins = Vec::new();
        for _ in 0..25 {
            let at = random(members.len());
            let key = (random(GROUPS), [FEED, CHAT][random(2)]);
            let group = name(&format!("g{}", key.0));
            match random(20) {
                0..10 => {
                    let (shard, member) = (Rc::clone(&worker.shard), Rc::clone(&members[at]));
                    joins.push(tokio::task::spawn_local(async move {
                        let joined = shard.join(&member, &group, key.1).await;
                        (at, key, member, joined)
                    }));
                    // Its first poll must come before the next action of this member.
                    tokio::task::yield_now().await;
                    model[at].insert(key);
                }
                10..18 => {
                    worker.shard.leave(&members[at], &group, key.1);
                    model[at].remove(&key);
                }
                18 if members[at].is_held() => {
                    worker.shard.release(&members[at]);
                }
                18 => worker.shard.hold(&members[at]),
                _ => {
                    worker.shard.leave_all(&members[at]);
                    model[at].clear();
                    members[at] = fresh(worker, at, random(2) == 0);
                }
            }
        }
        for join in joins {
            let (.., joined) = join.await.unwrap();
            joined.unwrap();
        }
    }
    model
}

fn fresh(worker: &Worker, at: usize, held: bool) -> Rc<Member> {
    if held { worker.held(&format!("{}-{at}", worker.receiver.worker)) } else { worker.plain() }
}

#[test]
fn ten_thousand_joins_and_leaves_end_in_exact_membership() {
    let node = Node::new();
    let published = Arc::new(std::sync::Barrier::new(WORKERS + 1));
    let settled = Arc::clone(&published);
    let threads: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (node, settled) = (node.clone(), Arc::clone(&settled));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                tokio::task::LocalSet::new().block_on(&runtime, async {
                    let mut worker = node.worker();
                    let mut members: Vec<_> = (0..MEMBERS).map(|at| fresh(&worker, at, at % 2 == 0)).collect();
                    let seed = worker.receiver.worker as u64 + 1;
                    let model = shuffle(&worker, &mut members, seed).await;
                    settled.wait();
                    // Now the test publishes to every group.
                    settled.wait();
                    worker.turn();
                    for member in &members {
                        worker.shard.release(member);
                    }
                    for (member, groups) in members.iter().zip(&model) {
                        let mut numbers: Vec<i64> = got(member).iter().map(|text| text.parse().unwrap()).collect();
                        numbers.sort_unstable();
                        let mut expected: Vec<i64> = groups.iter().map(|(group, _)| *group as i64).collect();
                        expected.sort_unstable();
                        assert_eq!(numbers, expected);
                    }
                    assert_eq!(worker.backlog(), 0);
                    let mut counts: BTreeMap<Key, usize> = BTreeMap::new();
                    model.iter().flatten().for_each(|key| *counts.entry(*key).or_default() += 1);
                    for group in 0..GROUPS {
                        for consumer in [FEED, CHAT] {
                            let here = worker.count(&format!("g{group}"), consumer);
                            assert_eq!(here, counts.get(&(group, consumer)).copied().unwrap_or(0));
                        }
                    }
                    settled.wait();
                    members.iter().for_each(|member| worker.shard.leave_all(member));
                    (worker.receiver.worker, counts.into_keys().collect::<BTreeSet<_>>())
                })
            })
        })
        .collect();
    published.wait();
    let mut masks: BTreeMap<Key, u64> = BTreeMap::new();
    for group in 0..GROUPS {
        let name = name(&format!("g{group}"));
        let mut audiences = Vec::new();
        node.registry.audiences(&name, |audience| audiences.push(audience));
        assert_eq!(node.layer.has(&name), !audiences.is_empty(), "{name}");
        for audience in audiences {
            masks.insert((group, audience.consumer), audience.workers);
        }
        node.event(name.as_str(), group as i64);
    }
    published.wait();
    published.wait();
    let mut expected: BTreeMap<Key, u64> = BTreeMap::new();
    for thread in threads {
        let (worker, keys) = thread.join().unwrap();
        for key in keys {
            *expected.entry(key).or_default() |= 1 << worker;
        }
    }
    assert_eq!(masks, expected);
    assert_eq!(node.registry.groups(), 0);
    assert!((0..GROUPS).all(|group| !node.layer.has(&name(&format!("g{group}")))));
}

#[test]
fn events_published_after_a_join_arrive_while_others_join_and_leave() {
    let node = Node::new();
    let all_have_published = Arc::new(std::sync::Barrier::new(WORKERS));
    let threads: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (node, all_have_published) = (node.clone(), Arc::clone(&all_have_published));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut worker = node.worker();
                    let mut random = fastrand(worker.receiver.worker as u64 + 99);
                    for n in 0..500 {
                        let (member, group) = (worker.plain(), ["a", "b"][random(2)]);
                        worker.join(&member, group, FEED).await;
                        let own = n * WORKERS as i64 + worker.receiver.worker as i64;
                        node.event(group, own);
                        worker.turn();
                        assert!(got(&member).contains(&own.to_string()));
                        worker.shard.leave(&member, &name(group), FEED);
                        let before = got(&member).len();
                        node.event(group, own);
                        worker.turn();
                        assert_eq!(got(&member).len(), before);
                    }
                    // Work that another thread was about to send when the last member left is handled, too.
                    all_have_published.wait();
                    worker.turn();
                    assert_eq!(worker.backlog(), 0);
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(node.registry.groups(), 0);
}
