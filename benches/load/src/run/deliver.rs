//! Broadcast and groups: closed loop with a number of concurrent messages, or open loop at a rate.

use std::collections::VecDeque;
use std::io::Result;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::options::Options;
use crate::publish::Publisher;
use crate::report::{Moment, figure, percentiles};
use crate::shared::{Shared, group_of, histogram, now_ns};
use crate::stamp;

/// Publishing, and the expected deliveries.
struct Run<'a> {
    options: &'a Options,
    shared: &'a Shared,
    publisher: &'a mut Publisher,
    next: u32,
    expected: u64,
    /// Deliveries given up after a timeout; they count as lost, but the run goes on.
    given_up: u64,
}

impl Run<'_> {
    fn publish(&mut self, due: u64) -> Result<()> {
        let group = group_of(self.next, self.options.groups);
        self.expected += self.shared.members[if self.options.groups > 1 { group } else { 0 }].load(SeqCst);
        let text = stamp::text(self.next, due, self.options.size);
        self.next += 1;
        self.shared.begun.store(self.next, SeqCst);
        self.publisher.publish(&text, group)?;
        self.shared.published.store(self.next, SeqCst);
        Ok(())
    }

    /// Waits for this number of deliveries; after the timeout the missing ones are given up.
    fn wait(&mut self, target: u64) -> bool {
        if target <= self.given_up || self.shared.wait_for(target - self.given_up, self.options.timeout) {
            return true;
        }
        self.given_up = target.saturating_sub(self.shared.delivered.load(SeqCst));
        false
    }
}

/// Runs the mode; returns how many numbers were published.
pub fn run(options: &Options, shared: &Shared, publisher: &mut Publisher, to: &mut Map<String, Value>) -> Result<u32> {
    let mut run = Run { options, shared, publisher, next: 0, expected: 0, given_up: 0 };
    for _ in 0..options.warmup {
        run.publish(now_ns())?;
        run.wait(run.expected);
    }
    std::thread::sleep(Duration::from_millis(100));
    let (warm, before, start) = (shared.delivered.load(SeqCst), Moment::now(options), now_ns());
    shared.bytes.store(0, SeqCst);
    let end = start + (options.seconds * 1e9) as u64;
    let mut calls = histogram();
    let (mut late, mut patience) = (0u64, 3);
    let mut under_way = VecDeque::new();
    for number in 0..options.messages {
        let mut due = now_ns();
        if options.rate > 0.0 {
            due = start + (number as f64 * 1e9 / options.rate) as u64;
            while now_ns() < due {
                std::thread::sleep(Duration::from_nanos(due.saturating_sub(now_ns())));
            }
            late += u64::from(now_ns() > due + 5_000_000);
        }
        if now_ns() > end || patience == 0 {
            break;
        }
        // Stamped with the scheduled time, so that delays of the publisher count.
        let call = now_ns();
        run.publish(due)?;
        let _ = calls.record(now_ns() - call);
        if options.rate == 0.0 {
            under_way.push_back(run.expected);
            if under_way.len() >= options.inflight
                && let Some(target) = under_way.pop_front()
            {
                patience -= u32::from(!run.wait(target));
            }
        }
    }
    run.wait(run.expected);
    let seconds = (shared.last_delivery_ns.load(SeqCst).max(start + 1) - start) as f64 / 1e9;
    let after = Moment::now(options);
    let (delivered, published) = (shared.delivered.load(SeqCst) - warm, run.next as usize - options.warmup);
    to.insert("published".into(), json!(published));
    to.insert("delivered".into(), json!(delivered));
    to.insert("seconds".into(), figure(seconds));
    to.insert("messages_per_s".into(), figure(published as f64 / seconds));
    to.insert("deliveries_per_s".into(), figure(delivered as f64 / seconds));
    to.insert("bytes_per_delivery".into(), figure(shared.bytes.load(SeqCst) as f64 / delivered as f64));
    after.spent(&before, "delivery", delivered, to);
    let mut per_message = Map::new();
    after.spent(&before, "message", published as u64, &mut per_message);
    to.extend(
        per_message.into_iter().filter(|(name, _)| name.ends_with("_per_message") && !name.starts_with("client")),
    );
    to.insert("publish_call_ms".into(), percentiles(&calls));
    if options.rate > 0.0 {
        to.insert("published_late".into(), json!(late));
    }
    // A duplicate may arrive late.
    std::thread::sleep(Duration::from_millis(200));
    Ok(run.next)
}
