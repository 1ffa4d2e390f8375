//! How far a live stream has sent the history, so that each step is sent once and with the samples of every node.
//!
//! In: overviews. Out: what the page does not have; or that it must get everything again. It looks at no clock.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::super::{overview::Overview, stats::FEW};
use crate::{
    cluster::NodeId,
    telemetry::history::{STEP, STEPS},
};

/// Everything is sent again at most this often, in seconds: a clock that goes wrong would ask for it each time.
const AGAIN: u64 = 60;

/// What the page has.
#[derive(Default)]
pub struct Sent {
    /// The end of its last step; 0 before the first message.
    last: u64,
    /// The same when it got everything.
    whole: u64,
    /// The last sample of each node that answered, or may still do so.
    of: BTreeMap<NodeId, u64>,
}

impl Sent {
    /// Whether the last samples are enough to go on, at this step. They are not after a long pause, nor after the clock was
    /// set back.
    pub const fn goes_on(&self, now: u64) -> bool {
        // Three steps less: samples may be newer than the step that is sent.
        self.last > 0 && self.last <= now + STEP && now.saturating_sub(self.last) < (FEW as u64 - 3) * STEP
    }

    /// What is new; `None` if a node shows samples of steps that were sent without it.
    pub fn news(&mut self, overview: &Overview) -> Option<Json> {
        let lacks = |(id, at): (&NodeId, u64)| at <= self.last && at > self.of.get(id).copied().unwrap_or(0);
        if self.last >= self.whole + AGAIN && overview.samples().any(lacks) {
            return None;
        }
        // A node of another release has answered, but never has a sample.
        let alive = |id: &NodeId| (!overview.has_answer_of(id)).then_some(self.last);
        let end = overview.end_after(|id| self.of.get(id).copied().or_else(|| alive(id))).max(self.last);
        let data = overview.since(self.last, end);
        self.learn(overview, end);
        Some(data)
    }

    /// Everything.
    pub fn all(&mut self, overview: &Overview) -> Json {
        let end = overview.end();
        // At first, nodes may have been about to start.
        (self.last, self.whole) = (0, if self.last == 0 { 0 } else { end });
        self.learn(overview, end);
        overview.of_last(STEPS)
    }

    fn learn(&mut self, overview: &Overview, end: u64) {
        self.last = self.last.max(end);
        self.of.retain(|id, _| overview.silent.contains(id));
        // Samples come oldest first.
        for (id, at) in overview.samples().filter(|(_, at)| *at <= end) {
            self.of.insert(id.clone(), at);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{cluster::NodeOverview, http::admin::overview::Reply, telemetry::history::Sample};

    /// Each node with the ends of its samples, one event in each; a node without any is silent.
    fn overview(now: u64, nodes: &[(&str, &[u64])]) -> Overview {
        let sample = |at: &u64| Sample { at: *at, events: 1, ..Sample::default() };
        let reply = |(id, samples): &(&str, &[u64])| {
            let samples = samples.iter().map(sample).collect();
            ((*id).into(), Reply::All(Box::new(NodeOverview { samples, ..NodeOverview::default() })))
        };
        let is_silent = |(_, samples): &&(&str, &[u64])| samples.is_empty();
        let replies = nodes.iter().filter(|node| !is_silent(node)).map(reply).collect();
        let silent = nodes.iter().filter(is_silent).map(|(id, _)| (*id).into()).collect();
        Overview::new(replies, silent, &BTreeMap::new(), 0, now)
    }

    fn events(data: Option<Json>) -> Json {
        data.map_or(Json::Null, |data| data["history"]["events"].clone())
    }

    fn after(nodes: &[(&str, &[u64])]) -> Sent {
        let mut sent = Sent::default();
        sent.all(&overview(1000, nodes));
        sent
    }

    #[test]
    fn a_node_that_is_silent_once_is_waited_for() {
        let mut sent = after(&[("a", &[1000]), ("b", &[1000])]);
        assert_eq!(events(sent.news(&overview(1005, &[("a", &[1000, 1005]), ("b", &[])]))), json!([]));
        let both = overview(1010, &[("a", &[1000, 1005, 1010]), ("b", &[1000, 1005, 1010])]);
        assert_eq!(events(sent.news(&both)), json!([2, 2]));
    }

    #[test]
    fn a_node_that_has_just_started_is_waited_for_as_well() {
        let mut sent = after(&[("a", &[1000]), ("b", &[])]);
        assert_eq!(events(sent.news(&overview(1005, &[("a", &[1000, 1005]), ("b", &[])]))), json!([]));
        let both = overview(1010, &[("a", &[1005, 1010]), ("b", &[1005, 1010])]);
        assert_eq!(events(sent.news(&both)), json!([2, 2]));
    }

    #[test]
    fn a_node_that_stays_silent_delays_the_others_by_two_steps() {
        let mut sent = after(&[("a", &[1000]), ("b", &[1000])]);
        let ends = [1005, 1010, 1015, 1020].map(|now| {
            sent.news(&overview(now, &[("a", &[now - 15, now - 10, now - 5, now]), ("b", &[])])).unwrap()["history"]
                ["end"]
                .clone()
        });
        assert_eq!(ends, [1000, 1000, 1005, 1010]);
        // It has gone for good.
        assert_eq!(events(sent.news(&overview(1025, &[("a", &[1010, 1015, 1020, 1025])]))), json!([1, 1, 1]));
    }

    #[test]
    fn what_was_sent_without_a_node_is_sent_again() {
        let mut sent = after(&[("a", &[1000]), ("b", &[])]);
        let steps = |from: u64, to: u64| (from / STEP..=to / STEP).map(|step| step * STEP).collect::<Vec<_>>();
        let now = 1000 + AGAIN;
        assert_eq!(events(sent.news(&overview(now, &[("a", &steps(1005, now))]))), json!(vec![1; 12]));
        let all = overview(now, &[("a", &steps(1000, now)), ("b", &steps(1000, now))]);
        assert!(sent.news(&all).is_none());
        sent.all(&all);
        assert_eq!(events(sent.news(&all)), json!([]));
        let next = overview(now + 5, &[("a", &[now + 5]), ("b", &[now + 5])]);
        assert_eq!(events(sent.news(&next)), json!([2]));
    }

    #[test]
    fn a_clock_that_goes_wrong_does_not_ask_for_everything_each_time() {
        let mut sent = after(&[("a", &[1000]), ("late", &[940])]);
        let next = |now| overview(now, &[("a", &[now - 5, now]), ("late", &[now - 65, now - 60])]);
        assert!(sent.news(&next(1005)).is_none());
        sent.all(&next(1005));
        assert!((202..202 + AGAIN / STEP).all(|step| sent.news(&next(step * STEP)).is_some()));
        assert!(sent.news(&next(1010 + AGAIN)).is_none());
    }

    #[test]
    fn a_pause_and_a_clock_that_is_set_back_begin_anew() {
        let sent = after(&[("a", &[1000])]);
        assert!(sent.goes_on(1000) && sent.goes_on(1005) && sent.goes_on(995));
        assert!(!sent.goes_on(990) && !sent.goes_on(1000 + FEW as u64 * STEP) && !Sent::default().goes_on(1000));
    }
}
