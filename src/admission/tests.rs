#![allow(clippy::unwrap_used)]

use rand::Rng as _;

use super::*;

fn door(limits: &str) -> Arc<Door> {
    let config: Config = toml::from_str(limits).unwrap();
    Door::new(&config, "node", Metrics::new()).unwrap()
}

fn limit<T>(result: Result<T, Refused>) -> Option<Limit> {
    result.err().map(|refused| refused.limit)
}

#[test]
fn an_address_that_floods_takes_nothing_from_the_others() {
    let door = door("[limits]\nhandshakes_per_second = 10\nhandshakes_per_second_per_address = 2");
    let (bad, good) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    let refused = (0..100).filter(|_| limit(door.knock(Some(bad))) == Some(Limit::AddressRate)).count();
    assert!(refused >= 97, "{refused}");
    assert!(door.knock(Some(good)).is_ok());
    let refused = (0..100).filter(|_| limit(door.knock(None)) == Some(Limit::Rate)).count();
    assert!((88..=93).contains(&refused), "two and one of the ten were taken: {refused}");
}

#[test]
fn who_is_being_let_in_counts_as_a_connection() {
    let door = door("[server]\nmax_connections = 3");
    let held: Vec<_> = (0..3).map(|_| door.knock(None).unwrap()).collect();
    assert_eq!(limit(door.knock(None)), Some(Limit::Connections));
    drop(held);
    door.metrics.connections.set(2);
    let last = door.knock(None).unwrap();
    assert_eq!(limit(door.knock(None)), Some(Limit::Connections));
    drop(last);
    assert!(door.knock(None).is_ok());
}

#[test]
fn those_who_are_refused_together_are_not_told_to_come_back_together() {
    let door = door("[limits]\nhandshakes_per_second = 1");
    drop(door.knock(None));
    let times: Vec<Duration> = (0..200).map(|_| door.knock(None).err().unwrap().retry_after).collect();
    assert!(times.iter().all(|time| (Duration::from_secs(1)..Duration::from_secs(7)).contains(time)));
    let whole: std::collections::HashSet<u64> = times.iter().map(Duration::as_secs).collect();
    assert!(whole.len() >= 4, "{whole:?}");
}

#[test]
fn a_connection_for_which_nothing_is_counted_has_one_pointer_for_it() {
    assert_eq!(size_of::<std::cell::Cell<Option<Box<Places>>>>(), size_of::<usize>());
}

#[tokio::test]
async fn a_user_has_one_place_for_a_connection_however_many_namespaces_are_his() {
    let door = door("[limits]\nconnections_per_user = 1");
    let users = door.users().unwrap();
    let (mut one, mut other) = (Places::default(), Places::default());
    let (first, second) = (one.seat("7"), one.seat("7"));
    let both = tokio::join!(first.take(users), second.take(users));
    assert_eq!(both, (Ok(()), Ok(())));
    one.keep(1, vec![first]);
    one.keep(2, vec![second]);
    assert_eq!(limit(other.seat("7").take(users).await), Some(Limit::User));
    one.give_back(1);
    assert_eq!(limit(other.seat("7").take(users).await), Some(Limit::User));
    one.give_back(2);
    assert!(one.is_empty());
    assert!(other.seat("7").take(users).await.is_ok());
    assert_eq!(users.len(), 0);
}

/// Each thread opens and closes connections of few addresses and few users, and gives up wherever one may.
#[test]
fn ten_thousand_openings_and_closings_in_any_way_leave_every_table_empty() {
    const EACH: usize = 2_500;
    let limits = "[server]\nmax_connections = 150\n[limits]\nconnections_per_address = 20\nconnections_per_user = 5\n\
                  handshakes_per_second = 1000000\nhandshakes_per_second_per_address = 100000";
    let door = door(limits);
    let outcomes: Vec<[u32; 4]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| churn(&door, EACH))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sum = |which: usize| outcomes.iter().map(|outcome| outcome[which]).sum::<u32>();
    assert!(sum(0) > 500 && sum(1) > 100 && sum(2) > 100 && sum(3) > 500, "{outcomes:?}");
    let addresses = door.addresses.as_ref().unwrap();
    addresses.sweep(Instant::now() + Duration::from_secs(2));
    assert_eq!(addresses.len(), 0);
    assert_eq!(door.users().unwrap().len(), 0);
    assert_eq!(door.admitting.load(Ordering::Relaxed), 0);
}

/// How many came in, were refused by the address or the node, by the user, and gave up.
fn churn(door: &Arc<Door>, count: usize) -> [u32; 4] {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut random = rand::rng();
    let (mut open, mut outcome): (Vec<Places>, _) = (Vec::new(), [0; 4]);
    for _ in 0..count {
        if open.len() > 60 || (!open.is_empty() && random.random_bool(0.4)) {
            open.swap_remove(random.random_range(0..open.len()));
        }
        let address = IpAddr::from([10, 0, 0, random.random_range(0..8)]);
        let Ok(Pass { admitting, address }) = door.knock(Some(address)) else {
            outcome[1] += 1;
            continue;
        };
        let mut places = Places::default();
        places.address = address;
        let users = door.users().unwrap();
        let came_in = runtime.block_on(async {
            for attempt in 0..random.random_range(0..3) {
                let seat = places.seat(&random.random_range(0..20).to_string());
                if random.random_bool(0.1) {
                    // Gone while it was being let in.
                    let taking = seat.take(users);
                    tokio::select! { biased; () = std::future::ready(()) => {}, _ = taking => {} }
                    return None;
                }
                if seat.take(users).await.is_err() {
                    return Some(false);
                }
                places.keep(attempt, vec![seat]);
                if random.random_bool(0.2) {
                    places.give_back(attempt);
                }
            }
            Some(true)
        });
        drop(admitting);
        match came_in {
            Some(true) if random.random_bool(0.8) => {
                outcome[0] += 1;
                open.push(places);
            }
            Some(false) => outcome[2] += 1,
            _ => outcome[3] += 1,
        }
    }
    outcome
}
