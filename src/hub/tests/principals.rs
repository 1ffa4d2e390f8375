//! The index of principals, and when connections end.

use std::{
    cell::Cell,
    time::{SystemTime, UNIX_EPOCH},
};

use super::*;
use crate::{
    event::{Fingerprint, Proof, WatchedToken},
    hub::PrincipalIndex,
};

const SECOND: Duration = Duration::from_secs(1);

fn proof(user: &str, token: &str) -> Proof {
    let token = Some(Fingerprint::of_jti(token));
    Proof { user: Fingerprint::of_user(user), token, began: Instant::now(), deadline: None, watch: None }
}

fn disconnection(fingerprint: Fingerprint) -> Disconnection {
    Disconnection {
        target: DisconnectTarget::Principal(fingerprint),
        until: Instant::now(),
        ending: crate::socket::close::Ending::revoked(),
    }
}

/// Principals of these users, each with its own token, and their connections.
fn crowd(worker: &Worker, users: &[&str]) -> Vec<(Rc<Principal>, Rc<Connection>)> {
    let enter = |(number, user): (usize, &&str)| {
        let connection = worker.connection();
        let principal = worker.shard.principals().enter(&connection, proof(user, &number.to_string())).unwrap();
        (principal, connection)
    };
    users.iter().enumerate().map(enter).collect()
}

fn ended(crowd: &[(Rc<Principal>, Rc<Connection>)]) -> Vec<bool> {
    crowd.iter().map(|(_, connection)| !connection.waiting().is_empty()).collect()
}

#[test]
fn a_disconnection_ends_all_connections_of_its_user_or_token_once_and_no_others() {
    let worker = Node::new().worker();
    let crowd = crowd(&worker, &["7", "8", "7", "70"]);
    assert_eq!(worker.shard.disconnect(&[disconnection(Fingerprint::of_user("7"))]), 2);
    assert_eq!(ended(&crowd), [true, false, true, false]);
    assert_eq!(worker.shard.disconnect(&[disconnection(Fingerprint::of_user("7"))]), 0);
    assert_eq!(
        worker.shard.disconnect(&[disconnection(Fingerprint::of_jti("3")), disconnection(Fingerprint::of_user("9"))]),
        1
    );
    assert_eq!(ended(&crowd), [true, false, true, true]);
}

#[test]
fn a_dropped_principal_leaves_nothing() {
    let worker = Node::new().worker();
    let mut all = crowd(&worker, &["7", "7", "8"]);
    let principals = worker.shard.principals();
    assert_eq!(principals.len(), 6);
    all.truncate(1);
    assert_eq!(principals.len(), 2);
    assert_eq!(
        worker.shard.disconnect(&[disconnection(Fingerprint::of_user("7")), disconnection(Fingerprint::of_user("8"))]),
        1
    );
    all.clear();
    assert!(principals.is_empty());
}

#[test]
fn a_socket_is_found_by_its_id() {
    let worker = Node::new().worker();
    let (one, two) = (worker.socket("one"), worker.socket("two"));
    let order =
        Disconnection { target: DisconnectTarget::Socket(id_text("one")), ..disconnection(Fingerprint::of_user("7")) };
    assert_eq!(worker.shard.disconnect(&[order.clone(), order]), 1);
    assert!(!one.connection.waiting().is_empty() && two.connection.waiting().is_empty());
}

#[test]
fn a_disconnection_applies_to_earlier_handshakes_and_to_no_later_ones() {
    let worker = Node::new().worker();
    let principals = worker.shard.principals();
    let (by_user, by_token, later) = (proof("7", "a"), proof("8", "b"), Instant::now() + SECOND);
    worker.shard.disconnect(&[disconnection(Fingerprint::of_user("7")), disconnection(Fingerprint::of_jti("b"))]);
    assert!(principals.enter(&worker.connection(), by_user).is_none());
    assert!(principals.enter(&worker.connection(), by_token).is_none());
    let back = principals.enter(&worker.connection(), Proof { began: later, ..proof("7", "c") });
    assert!(back.is_some());
    // A disconnection that arrives late does not end a connection opened after it either.
    assert_eq!(worker.shard.disconnect(&[disconnection(Fingerprint::of_user("7"))]), 0);
    let learned = Disconnection { until: later + SECOND, ..disconnection(Fingerprint::of_user("7")) };
    assert_eq!(worker.shard.disconnect(&[learned]), 1);
}

#[test]
fn disconnections_received_out_of_order_apply_to_handshakes_too() {
    let worker = Node::new().worker();
    let early = Instant::now();
    let under_way = Proof { began: early + SECOND, ..proof("7", "a") };
    let at = |user: &str, until| Disconnection { until, ..disconnection(Fingerprint::of_user(user)) };
    worker.shard.disconnect(&[at("7", early + 2 * SECOND), at("8", early + 3 * SECOND), at("9", early)]);
    let principals = worker.shard.principals();
    assert!(principals.enter(&worker.connection(), under_way.clone()).is_none());
    let user = Fingerprint::of_user("9");
    assert!(principals.enter(&worker.connection(), Proof { user, ..under_way }).is_some());
}

#[test]
fn a_new_token_replaces_the_old_one() {
    let worker = Node::new().worker();
    let crowd = crowd(&worker, &["7"]);
    let (principal, connection) = &crowd[0];
    assert!(principal.renew(proof("7", "new")));
    assert_eq!(worker.shard.principals().len(), 2);
    assert_eq!(worker.shard.disconnect(&[disconnection(Fingerprint::of_jti("0"))]), 0);
    let under_way = proof("7", "newer");
    assert_eq!(worker.shard.disconnect(&[disconnection(Fingerprint::of_jti("newer"))]), 0);
    // Disconnected during the check.
    assert!(!principal.renew(under_way));
    assert_eq!(worker.shard.disconnect(&[disconnection(Fingerprint::of_jti("new"))]), 1);
    assert!(!connection.waiting().is_empty());
}

#[test]
fn a_changed_user_moves_and_keeps_its_token() {
    let worker = Node::new().worker();
    let crowd = crowd(&worker, &["1"]);
    let (principal, connection) = &crowd[0];
    assert!(principal.become_user(Fingerprint::of_user("7"), Instant::now()));
    assert_eq!((principal.user(), principal.subject()), (Fingerprint::of_user("7"), Fingerprint::of_user("1")));
    for user in ["1", "7"] {
        assert!(principal.become_user(Fingerprint::of_user(user), Instant::now()));
        assert_eq!((principal.user(), principal.subject()), (Fingerprint::of_user(user), Fingerprint::of_user("1")));
    }
    assert_eq!(worker.shard.disconnect(&[disconnection(Fingerprint::of_user("1"))]), 0);
    // Another token of the token's user does not change that.
    assert!(principal.renew(Proof { began: Instant::now() + SECOND, ..proof("1", "new") }));
    assert_eq!(worker.shard.principals().len(), 2);
    let later = |fingerprint| Disconnection { until: Instant::now() + 2 * SECOND, ..disconnection(fingerprint) };
    assert_eq!(worker.shard.disconnect(&[later(Fingerprint::of_user("7"))]), 1);
    assert!(!connection.waiting().is_empty());
}

#[test]
fn a_change_to_a_user_disconnected_meanwhile_is_refused() {
    let worker = Node::new().worker();
    let crowd = crowd(&worker, &["1"]);
    let (principal, asked) = (&crowd[0].0, Instant::now());
    worker.shard.disconnect(&[Disconnection { until: asked + SECOND, ..disconnection(Fingerprint::of_user("7")) }]);
    assert!(!principal.become_user(Fingerprint::of_user("7"), asked));
    assert!(principal.also_user(Fingerprint::of_user("7"), asked).is_none());
    assert_eq!(principal.user(), Fingerprint::of_user("1"));
    assert!(principal.become_user(Fingerprint::of_user("7"), asked + 2 * SECOND));
}

#[test]
fn consumers_may_set_different_users_for_a_client() {
    let worker = Node::new().worker();
    let crowd = crowd(&worker, &["1"]);
    let (principal, connection) = &crowd[0];
    let other = principal.also_user(Fingerprint::of_user("7"), Instant::now()).unwrap();
    assert_eq!(worker.shard.principals().len(), 4);
    drop(other);
    assert_eq!(worker.shard.disconnect(&[disconnection(Fingerprint::of_user("7"))]), 0);
    let _other = principal.also_user(Fingerprint::of_user("8"), Instant::now() + SECOND).unwrap();
    assert_eq!(worker.shard.disconnect(&[disconnection(Fingerprint::of_user("8"))]), 1);
    assert!(!connection.waiting().is_empty());
}

#[test]
fn a_login_that_expires_takes_56_bytes_and_no_allocation_more() {
    assert_eq!(size_of::<Principal>(), 56);
    let worker = Node::new().worker();
    let login = Proof { token: None, deadline: Some(SystemTime::now() + 3600 * SECOND), ..proof("7", "a") };
    let principal = worker.shard.principals().enter(&worker.connection(), login).unwrap();
    assert!(!principal.has_extra());
}

thread_local! {
    /// How far the wall clock is ahead of the runtime's, which is paused and jumps to the next deadline.
    static AHEAD: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static BEGIN: tokio::time::Instant = tokio::time::Instant::now();
}

fn wall_clock() -> SystemTime {
    UNIX_EPOCH + 1000 * SECOND + BEGIN.with(tokio::time::Instant::elapsed) + AHEAD.get()
}

#[tokio::test(start_paused = true)]
async fn connections_end_at_their_deadlines_and_not_before() {
    let (worker, principals) = (Node::new().worker(), PrincipalIndex::with_clock(wall_clock));
    let now = wall_clock();
    let ends = |after: u32| Proof { deadline: Some(now + after * SECOND), ..proof("7", &after.to_string()) };
    let connections = [3, 1, 2, 5].map(|after| {
        let connection = worker.connection();
        let principal = principals.enter(&connection, ends(after)).unwrap();
        (principal, connection)
    });
    assert!(connections[0].0.renew(ends(4)));
    drop(principals.enter(&worker.connection(), ends(1)));
    let open = || connections.iter().map(|(_, connection)| connection.waiting().is_empty()).collect::<Vec<_>>();
    let local = tokio::task::LocalSet::new();
    local.spawn_local(Rc::clone(&principals).run());
    local
        .run_until(async {
            for (at, expected) in [
                (500, [true, true, true, true]),
                (1500, [true, false, true, true]),
                (2500, [true, false, false, true]),
                (3500, [true, false, false, true]),
                (4500, [false, false, false, true]),
                (5500, [false, false, false, false]),
            ] {
                tokio::time::sleep_until(BEGIN.with(|begin| *begin) + Duration::from_millis(at)).await;
                assert_eq!(open(), expected, "after {at} ms");
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_follows_the_wall_clock_when_that_is_set_or_the_machine_slept() {
    let (worker, principals) = (Node::new().worker(), PrincipalIndex::with_clock(wall_clock));
    let connection = worker.connection();
    let deadline = Some(wall_clock() + 3600 * SECOND);
    let _principal = principals.enter(&connection, Proof { deadline, ..proof("7", "a") }).unwrap();
    let local = tokio::task::LocalSet::new();
    local.spawn_local(Rc::clone(&principals).run());
    local
        .run_until(async {
            tokio::time::sleep(2 * SECOND).await;
            assert!(connection.waiting().is_empty());
            AHEAD.set(3600 * SECOND);
            tokio::time::sleep(2 * SECOND).await;
            assert!(!connection.waiting().is_empty());
        })
        .await;
}

#[test]
fn tokens_are_watched_until_they_expire_or_their_principals_leave() {
    let worker = Node::new().worker();
    let principals = worker.shard.principals();
    let now = Instant::now();
    let watched = |key: &str, end| {
        let watch = Some(WatchedToken { key: key.into(), end });
        principals.enter(&worker.connection(), Proof { watch, ..proof("7", key) }).unwrap()
    };
    let (brief, lasting, gone) =
        (watched("brief", Some(now + SECOND)), watched("lasting", None), watched("gone", Some(now + SECOND)));
    let keys = |at| {
        let mut keys: Vec<String> = principals.watched(at).iter().map(|one| one.watch.key.to_string()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(now), ["brief", "gone", "lasting"]);
    drop(gone);
    assert_eq!(keys(now), ["brief", "lasting"]);
    assert_eq!(keys(now + SECOND), ["lasting"]);
    assert_eq!(keys(now), ["lasting"]);
    drop((brief, lasting));
    assert_eq!(keys(now), [""; 0]);
}
