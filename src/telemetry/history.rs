//! The last 15 minutes of a node's counters, for the charts of the operators' page.
//!
//! In: the totals of the counters every five seconds, with the time. Out: one [`Sample`] for each step, with what was
//! added in it. Steps end at multiples of five seconds of the wall clock, so that the nodes' samples can be added up.
//! It never looks at a clock itself, and keeps no zeros: a node has a few KB of it.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// The length of a step, in seconds.
pub const STEP: u64 = 5;

/// The number of samples that are kept.
pub const STEPS: usize = 180;

/// Counters that are shown by reason or by outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Series {
    /// Drops, by reason.
    Drops,
    /// Gaps, by reason.
    Gaps,
    /// Calls that run consumers in Django, by outcome.
    Bridge,
    /// Questions to the backend, by outcome.
    Backend,
    /// A series that this release does not know.
    #[serde(other)]
    Other,
}

/// What the counters say at one moment, since the node's start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events received.
    pub events: u64,
    /// Frames handed to the kernel or to an outbox.
    pub deliveries: u64,
    /// Open connections at this moment.
    pub connections: u64,
    /// The counters with a label, zeros included, in the same order each time.
    pub labelled: Vec<(Series, &'static str, u64)>,
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// When the step ended, in seconds of Unix time: a multiple of [`STEP`].
    pub at: u64,
    /// Events received in it.
    pub events: u64,
    /// Frames sent in it.
    pub deliveries: u64,
    /// Open connections at its end.
    pub connections: u64,
    /// What the counters with a label have gained, without zeros.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub labelled: Box<[(Series, Cow<'static, str>, u64)]>,
}

/// The samples of this node.
#[derive(Default)]
pub struct History(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    last: Totals,
    samples: VecDeque<Sample>,
}

impl History {
    /// Takes a sample at this time. One that comes late counts for the last step that has ended; what happened in a
    /// step without a sample is in the next one, so that no event is missing from a sum. Readers take each step once, so
    /// a sample does not change: if the clock goes slower or is set back a little, the next step has the rest.
    pub fn take(&self, now: SystemTime, totals: Totals) {
        let at = step_of(now);
        let ring = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The clock was set back: what is later than now has not happened.
        if ring.samples.back().is_some_and(|last| last.at > at + STEP) {
            ring.samples.retain(|known| known.at <= at);
        }
        if ring.samples.back().is_some_and(|last| last.at >= at) {
            return;
        }
        if ring.samples.len() == STEPS {
            ring.samples.pop_front();
        }
        ring.samples.push_back(Sample::since(&ring.last, &totals, at));
        ring.last = totals;
    }

    /// The last samples, at most `most`, oldest first.
    pub fn latest(&self, most: usize) -> Vec<Sample> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.samples.iter().skip(ring.samples.len().saturating_sub(most)).cloned().collect()
    }
}

impl Sample {
    fn since(before: &Totals, now: &Totals, at: u64) -> Self {
        let labelled = now.labelled.iter().enumerate().filter_map(|(index, (series, label, total))| {
            let known = before.labelled.get(index).map_or(0, |(.., total)| *total);
            Some((*series, Cow::Borrowed(*label), total.saturating_sub(known))).filter(|(.., gained)| *gained > 0)
        });
        Self {
            at,
            events: now.events.saturating_sub(before.events),
            deliveries: now.deliveries.saturating_sub(before.deliveries),
            connections: now.connections,
            labelled: labelled.collect(),
        }
    }
}

/// The end of the last step that is over, in seconds of Unix time.
pub fn step_of(now: SystemTime) -> u64 {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    seconds - seconds % STEP
}

/// The time to the end of the current step.
pub fn until_next(now: SystemTime) -> Duration {
    let next = UNIX_EPOCH + Duration::from_secs(step_of(now) + STEP);
    next.duration_since(now).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    fn totals(events: u64, connections: u64, dropped: u64) -> Totals {
        let labelled = vec![(Series::Drops, "closed", 0), (Series::Drops, "slow_client", dropped)];
        Totals { events, deliveries: 10 * events, connections, labelled }
    }

    fn events(history: &History) -> Vec<(u64, u64)> {
        history.latest(STEPS).iter().map(|sample| (sample.at, sample.events)).collect()
    }

    #[test]
    fn a_sample_has_what_was_added_since_the_one_before() {
        let history = History::default();
        history.take(at(1_000_000), totals(3, 2, 0));
        history.take(at(1_005_001), totals(10, 1, 4));
        history.take(at(1_010_999), totals(10, 5, 4));
        let samples = history.latest(2);
        assert_eq!(samples.iter().map(|sample| sample.at).collect::<Vec<_>>(), [1005, 1010]);
        assert_eq!((samples[0].events, samples[0].deliveries, samples[0].connections), (7, 70, 1));
        assert_eq!(*samples[0].labelled, [(Series::Drops, "slow_client".into(), 4)]);
        assert_eq!((samples[1].events, samples[1].connections, samples[1].labelled.len()), (0, 5, 0));
    }

    #[test]
    fn what_a_late_sample_missed_is_in_it() {
        let history = History::default();
        history.take(at(1_000_000), totals(1, 0, 0));
        // The node stood still for 14 s.
        history.take(at(1_014_000), totals(8, 0, 0));
        assert_eq!(events(&history), [(1000, 1), (1010, 7)]);
    }

    #[test]
    fn a_sample_that_was_taken_does_not_change_and_the_next_one_has_the_rest() {
        let history = History::default();
        for (time, total) in [(1_000_000, 1), (1_005_005, 3), (1_009_990, 7)] {
            history.take(at(time), totals(total, total, total));
        }
        assert_eq!(events(&history), [(1000, 1), (1005, 2)]);
        // The clock is set back by 3 s, over the end of a step.
        for (time, total) in [(1_010_005, 10), (1_008_000, 15), (1_010_005, 21), (1_015_005, 28)] {
            history.take(at(time), totals(total, total, total));
        }
        assert_eq!(events(&history), [(1000, 1), (1005, 2), (1010, 7), (1015, 18)]);
        let last = history.latest(1).remove(0);
        assert_eq!((last.connections, &*last.labelled), (28, &[(Series::Drops, "slow_client".into(), 18)][..]));
    }

    #[test]
    fn a_clock_that_is_set_back_by_more_than_a_step_takes_the_future_away() {
        let history = History::default();
        for (time, total) in [(1_000_000, 1), (1_005_000, 2), (1_010_000, 3), (1_015_000, 4), (1_006_000, 7)] {
            history.take(at(time), totals(total, 0, 0));
        }
        assert_eq!(events(&history), [(1000, 1), (1005, 1)]);
        history.take(at(1_010_000), totals(9, 0, 0));
        assert_eq!(events(&history), [(1000, 1), (1005, 1), (1010, 5)]);
    }

    #[test]
    fn only_the_last_180_samples_are_kept() {
        let history = History::default();
        for step in 0..STEPS as u64 + 7 {
            history.take(at(step * STEP * 1000), totals(step, 0, 0));
        }
        let kept = history.latest(usize::MAX);
        assert_eq!((kept.len(), kept[0].at), (STEPS, 7 * STEP));
        assert_eq!(history.latest(3).len(), 3);
    }

    #[test]
    fn a_step_ends_at_a_multiple_of_five_seconds() {
        assert_eq!((step_of(at(1_004_999)), step_of(at(1_005_000))), (1000, 1005));
        assert_eq!(until_next(at(1_000_000)), Duration::from_secs(5));
        assert_eq!(until_next(at(1_004_999)), Duration::from_millis(1));
    }

    #[test]
    fn a_series_of_a_newer_release_does_not_break_a_sample() {
        let text = r#"{"at":5,"events":1,"deliveries":0,"connections":0,"labelled":[["shadows","x",1],["gaps","capacity",2]],"more":7}"#;
        let sample: Sample = serde_json::from_str(text).unwrap();
        assert_eq!(*sample.labelled, [(Series::Other, "x".into(), 1), (Series::Gaps, "capacity".into(), 2)]);
    }
}
