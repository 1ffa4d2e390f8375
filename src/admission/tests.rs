#![allow(clippy::unwrap_used)]

use std::rc::Rc;

use rand::Rng as _;

use super::*;

fn control(limits: &str) -> Arc<AdmissionControl> {
    let config: Config = toml::from_str(limits).unwrap();
    AdmissionControl::new(&config, "node", Metrics::new()).unwrap()
}

fn limit<T>(result: Result<T, OverLimit>) -> Option<Limit> {
    result.err().map(|refused| refused.limit)
}

#[test]
fn an_address_that_floods_takes_nothing_from_the_others() {
    let control = control("[limits]\nhandshakes_per_second = 10\nhandshakes_per_second_per_address = 2");
    let (bad, good) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    let refused = (0..100).filter(|_| limit(control.try_admit(Some(bad))) == Some(Limit::AddressRate)).count();
    assert!(refused >= 97, "{refused}");
    assert!(control.try_admit(Some(good)).is_ok());
    let refused = (0..100).filter(|_| limit(control.try_admit(None)) == Some(Limit::Rate)).count();
    assert!((88..=93).contains(&refused), "two and one of the ten were taken: {refused}");
}

#[test]
fn a_connection_counts_during_its_admission() {
    let control = control("[server]\nmax_connections = 3");
    let held: Vec<_> = (0..3).map(|_| control.try_admit(None).unwrap()).collect();
    assert_eq!(limit(control.try_admit(None)), Some(Limit::Connections));
    drop(held);
    control.metrics.connections.set(2);
    let last = control.try_admit(None).unwrap();
    assert_eq!(limit(control.try_admit(None)), Some(Limit::Connections));
    drop(last);
    assert!(control.try_admit(None).is_ok());
}

#[test]
fn clients_refused_together_do_not_retry_together() {
    let control = control("[limits]\nhandshakes_per_second = 1");
    drop(control.try_admit(None));
    let times: Vec<Duration> = (0..200).map(|_| control.try_admit(None).err().unwrap().retry_after).collect();
    assert!(times.iter().all(|time| (Duration::from_secs(1)..Duration::from_secs(7)).contains(time)));
    let whole: std::collections::HashSet<u64> = times.iter().map(Duration::as_secs).collect();
    assert!(whole.len() >= 4, "{whole:?}");
}

#[test]
fn a_connection_without_permits_costs_one_pointer() {
    assert_eq!(size_of::<std::cell::Cell<Option<Box<ConnectionPermits>>>>(), size_of::<usize>());
}

#[tokio::test]
async fn a_connection_counts_once_for_its_user_in_any_number_of_namespaces() {
    let control = control("[limits]\nconnections_per_user = 1");
    let users = control.users().unwrap();
    let (mut one, mut other) = (ConnectionPermits::default(), ConnectionPermits::default());
    let (first, second) = (one.of_user("7"), one.of_user("7"));
    let both = tokio::join!(first.take(users), second.take(users));
    assert_eq!(both, (Ok(()), Ok(())));
    one.keep(1, vec![first]);
    one.keep(2, vec![second]);
    assert_eq!(limit(other.of_user("7").take(users).await), Some(Limit::User));
    one.give_back(1);
    assert_eq!(limit(other.of_user("7").take(users).await), Some(Limit::User));
    one.give_back(2);
    assert!(one.is_empty());
    assert!(other.of_user("7").take(users).await.is_ok());
    assert_eq!(users.len(), 0);
}

#[tokio::test]
async fn a_changed_user_takes_its_own_permit_and_gives_the_other_back_once() {
    let control = control("[limits]\nconnections_per_user = 1");
    let users = control.users().unwrap();
    let mut one = ConnectionPermits::default();
    let (seven, again) = (one.of_user("7"), one.of_user("7"));
    assert!(seven.take(users).await.is_ok());
    // Two consumers of one namespace have user 7, and one consumer of another namespace.
    one.keep(1, vec![seven, Rc::clone(&again)]);
    one.keep(2, vec![again]);
    let eight = one.of_user("8");
    assert!(eight.take(users).await.is_ok());
    one.exchange(1, Some("7"), Some(eight));
    assert_eq!(users.len(), 2, "the others still have user 7");
    one.exchange(1, Some("7"), None);
    one.exchange(1, Some("7"), None);
    assert_eq!(users.len(), 2);
    one.give_back(2);
    assert_eq!(users.len(), 1);
    one.give_back(1);
    assert_eq!(users.len(), 0);
}

/// Each thread opens and closes connections of few addresses and few users, and cancels at every possible step.
#[test]
fn ten_thousand_openings_and_closings_leave_every_table_empty() {
    const EACH: usize = 2_500;
    let limits = "[server]\nmax_connections = 150\n[limits]\nconnections_per_address = 20\nconnections_per_user = 5\n\
                  handshakes_per_second = 1000000\nhandshakes_per_second_per_address = 100000";
    let control = control(limits);
    let outcomes: Vec<[u32; 4]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| churn(&control, EACH))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sum = |which: usize| outcomes.iter().map(|outcome| outcome[which]).sum::<u32>();
    assert!(sum(0) > 500 && sum(1) > 100 && sum(2) > 100 && sum(3) > 500, "{outcomes:?}");
    let addresses = control.addresses.as_ref().unwrap();
    addresses.sweep(Instant::now() + Duration::from_secs(2));
    assert_eq!(addresses.len(), 0);
    assert_eq!(control.users().unwrap().len(), 0);
    assert_eq!(control.admitting.load(Ordering::Relaxed), 0);
}

/// The numbers of those admitted, refused by the address or the node, refused by the user, and cancelled.
fn churn(control: &Arc<AdmissionControl>, count: usize) -> [u32; 4] {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut random = rand::rng();
    let (mut open, mut outcome): (Vec<ConnectionPermits>, _) = (Vec::new(), [0; 4]);
    for _ in 0..count {
        if open.len() > 60 || (!open.is_empty() && random.random_bool(0.4)) {
            open.swap_remove(random.random_range(0..open.len()));
        }
        let address = IpAddr::from([10, 0, 0, random.random_range(0..8)]);
        let Ok(HandshakePermit { admitting, address }) = control.try_admit(Some(address)) else {
            outcome[1] += 1;
            continue;
        };
        let mut permits = ConnectionPermits::default();
        permits.address = address;
        let users = control.users().unwrap();
        let came_in = runtime.block_on(async {
            for attempt in 0..random.random_range(0..3) {
                let permit = permits.of_user(&random.random_range(0..20).to_string());
                if random.random_bool(0.1) {
                    // Cancelled during admission.
                    let taking = permit.take(users);
                    tokio::select! { biased; () = std::future::ready(()) => {}, _ = taking => {} }
                    return None;
                }
                if permit.take(users).await.is_err() {
                    return Some(false);
                }
                permits.keep(attempt, vec![permit]);
                if random.random_bool(0.2) {
                    permits.give_back(attempt);
                }
            }
            Some(true)
        });
        drop(admitting);
        match came_in {
            Some(true) if random.random_bool(0.8) => {
                outcome[0] += 1;
                open.push(permits);
            }
            Some(false) => outcome[2] += 1,
            _ => outcome[3] += 1,
        }
    }
    outcome
}
