//! Figures as JSON.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::client::Totals;
use crate::ledger::Missing;
use crate::options::{Mode, Options};
use crate::procfs::Cpu;
use crate::shared::group_of;

/// A figure with at most three decimals; null if it is not finite.
pub fn figure(value: f64) -> Value {
    if value.is_finite() { json!((value * 1000.0).round() / 1000.0) } else { Value::Null }
}

/// Percentiles in milliseconds.
pub fn percentiles(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let at = |quantile| figure(histogram.value_at_quantile(quantile) as f64 / 1e6);
    json!({
        "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p99_9": at(0.999),
        "max": figure(histogram.max() as f64 / 1e6),
    })
}

/// CPU time of the server and the other processes at one moment.
pub struct Moment {
    pub server: Cpu,
    aux: Vec<(String, Cpu)>,
    own: u64,
}

impl Moment {
    pub fn now(options: &Options) -> Self {
        Self {
            server: Cpu::of(&options.server_pid),
            aux: options.aux.iter().map(|(name, pid)| (name.clone(), Cpu::of(&[*pid]))).collect(),
            own: crate::procfs::own_cpu_ns(),
        }
    }

    /// Adds the time spent since an earlier moment, divided by `count`.
    pub fn spent(&self, earlier: &Self, each: &str, count: u64, to: &mut Map<String, Value>) {
        let count = count as f64;
        to.insert(format!("server_us_per_{each}"), figure(self.server.us_since(&earlier.server) / count));
        to.insert("server_user_share".to_owned(), figure(self.server.user_share_since(&earlier.server)));
        for ((name, now), (_, then)) in self.aux.iter().zip(&earlier.aux) {
            to.insert(format!("{name}_us_per_{each}"), figure(now.us_since(then) / count));
        }
        to.insert(format!("client_us_per_{each}"), figure((self.own - earlier.own) as f64 / 1000.0 / count));
    }
}

/// Numbers below `published` that connections have not received.
pub fn missing(options: &Options, totals: &Totals, published: u32) -> Missing {
    let mut all = Missing::default();
    for (connection, &group) in totals.groups.iter().enumerate() {
        let wants = |seq| options.groups <= 1 || group_of(seq, options.groups) == group;
        let missing = totals.ledger.missing(connection, published, wants);
        all.lost += missing.lost;
        all.cut += missing.cut;
        all.away += missing.away;
    }
    if options.mode != Mode::Storm {
        // No connection was meant to be away.
        all.lost += all.cut + all.away;
    }
    all
}

/// The counts of received and missing numbers.
pub fn reconciled(totals: &Totals, missing: Missing, storm: bool, to: &mut Map<String, Value>) {
    to.insert("lost".into(), json!(missing.lost));
    to.insert("doubled".into(), json!(totals.doubled));
    to.insert("reordered".into(), json!(totals.reordered));
    to.insert("misrouted".into(), json!(totals.misrouted));
    to.insert("other_frames".into(), json!(totals.other));
    if storm {
        to.insert("missed_away".into(), json!(missing.away));
        to.insert("cut_at_the_end".into(), json!(missing.cut));
    }
    if !totals.failures.is_empty() {
        to.insert("failures".into(), json!(totals.failures));
    }
    if !totals.ended.is_empty() {
        let codes: Map<String, Value> =
            totals.ended.iter().map(|(code, count)| (code.to_string(), json!(count))).collect();
        to.insert("ended_by_code".into(), codes.into());
    }
}
