//! The state of each host as seen from outside the layer thread.
//!
//! In: successful and missed probes, lost connections. Out: whether joins can be guaranteed now, and readiness, with
//! hysteresis: after an outage a host is ready again only after several good probes in a row, so that an unstable host
//! does not make the node flap at its balancer. Pure, except for the lock.

use std::sync::{Mutex, PoisonError};

use crate::layer::Readiness;

/// The state of one host.
#[derive(Debug)]
struct Health {
    label: String,
    /// Why it cannot guarantee events now.
    outage: Option<String>,
    /// Good probes still required.
    owed: u32,
    /// It has delivered before.
    served: bool,
}

/// The state of every host.
#[derive(Debug)]
pub(super) struct HostStates {
    /// Good probes in a row required after an outage.
    successes: u32,
    hosts: Mutex<Vec<Health>>,
}

impl HostStates {
    pub fn new<'a>(labels: impl Iterator<Item = &'a str>, successes: u32) -> Self {
        let host = |label: &str| Health {
            label: label.to_owned(),
            outage: Some("not connected yet".to_owned()),
            owed: 0,
            served: false,
        };
        Self { successes, hosts: Mutex::new(labels.map(host).collect()) }
    }

    /// A host does not deliver, for this reason.
    pub fn out(&self, host: usize, reason: &str) {
        self.with(|hosts| {
            let health = &mut hosts[host];
            health.outage = Some(reason.to_owned());
            // Before its first delivery, nothing relied on it.
            health.owed = if health.served { self.successes } else { 0 };
        });
    }

    /// A host returned a probe in time.
    pub fn good(&self, host: usize) {
        self.with(|hosts| {
            let health = &mut hosts[host];
            health.outage = None;
            health.served = true;
            health.owed = health.owed.saturating_sub(1);
        });
    }

    /// Whether this host has delivered before. A supervisor that is restarted after a panic does not know it.
    pub fn has_served(&self, host: usize) -> bool {
        self.with(|hosts| hosts[host].served)
    }

    /// Why one of these hosts, a bit each, cannot guarantee events now.
    pub fn outage(&self, mask: u64) -> Option<String> {
        self.with(|hosts| {
            let asked = hosts.iter().enumerate().filter(|(host, _)| mask & (1 << host) != 0);
            asked.filter_map(|(_, health)| health.why()).next()
        })
    }

    /// Whether at least one host delivers.
    pub fn any_serves(&self) -> bool {
        self.with(|hosts| hosts.iter().any(|health| health.outage.is_none()))
    }

    pub fn readiness(&self) -> Readiness {
        self.with(|hosts| {
            let troubles: Vec<String> = hosts.iter().filter_map(|health| health.trouble(self.successes)).collect();
            match troubles.len() {
                0 => Readiness::Ready,
                some if some < hosts.len() => Readiness::Degraded(troubles.join("; ")),
                _ => Readiness::NotReady(troubles.join("; ")),
            }
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Health>) -> T) -> T {
        work(&mut self.hosts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Health {
    fn why(&self) -> Option<String> {
        self.outage.as_ref().map(|reason| format!("Redis {}: {reason}", self.label))
    }

    /// Why it is not ready.
    fn trouble(&self, successes: u32) -> Option<String> {
        self.why().or_else(|| {
            let good = successes.saturating_sub(self.owed);
            (self.owed > 0).then(|| format!("Redis {}: back, {good} of {successes} good probes", self.label))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(hosts: &[&'static str]) -> HostStates {
        HostStates::new(hosts.iter().copied(), 3)
    }

    fn not_ready(states: &HostStates) -> String {
        match states.readiness() {
            Readiness::NotReady(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn before_the_first_outage_one_probe_is_enough() {
        let states = states(&["a"]);
        assert_eq!(not_ready(&states), "Redis a: not connected yet");
        states.out(0, "refused");
        states.good(0);
        assert_eq!(states.readiness(), Readiness::Ready);
    }

    #[test]
    fn a_host_that_delivered_once_has_served_whatever_happens_to_it() {
        let states = states(&["a", "b"]);
        states.out(0, "refused");
        assert!(!states.has_served(0));
        states.good(0);
        states.out(0, "the node has a fault; see its log");
        assert!(states.has_served(0) && !states.has_served(1));
    }

    #[test]
    fn after_an_outage_it_is_ready_after_enough_good_probes_in_a_row() {
        let states = states(&["a"]);
        states.good(0);
        states.out(0, "3 probes did not come back");
        assert_eq!(not_ready(&states), "Redis a: 3 probes did not come back");
        states.good(0);
        states.good(0);
        assert_eq!(not_ready(&states), "Redis a: back, 2 of 3 good probes");
        assert_eq!(states.outage(1), None, "joins do not wait for the balancer");
        states.out(0, "gone again");
        for _ in 0..2 {
            states.good(0);
            not_ready(&states);
        }
        states.good(0);
        assert_eq!(states.readiness(), Readiness::Ready);
    }

    #[test]
    fn with_one_host_of_several_out_the_node_is_degraded_and_names_it() {
        let states = states(&["a", "b"]);
        states.good(0);
        assert_eq!(states.readiness(), Readiness::Degraded("Redis b: not connected yet".to_owned()));
        assert_eq!(states.outage(0b01), None);
        assert!(states.outage(0b10).is_some() && states.outage(0b11).is_some() && states.any_serves());
        states.out(0, "gone");
        assert_eq!(not_ready(&states), "Redis a: gone; Redis b: not connected yet");
        assert!(!states.any_serves());
    }
}
