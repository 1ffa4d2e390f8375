//! As many messages as Redis accepts, pipelined. Each goes to a group with one member, which checks it; or to a channel
//! without members that the server reads, and then a message to a member at the end of each stretch shows that all were
//! read.

use std::io::Result;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::options::Options;
use crate::publish::Publisher;
use crate::report::{Moment, figure};
use crate::shared::{Shared, group_of, now_ns};
use crate::stamp;

/// Commands in one write.
const BATCH: usize = 250;

/// Runs the mode; returns how many numbers were published.
pub fn run(options: &Options, shared: &Shared, publisher: &mut Publisher, to: &mut Map<String, Value>) -> Result<u32> {
    let silent = options.silent.as_deref().map(|url| Publisher::open(url, &options.template)).transpose()?;
    let mut silent = silent;
    for seq in 0..options.warmup {
        shared.begun.store(seq as u32 + 1, SeqCst);
        publisher.publish(&stamp::text(seq as u32, now_ns(), options.size), group_of(seq as u32, options.groups))?;
        shared.wait_for(seq as u64 + 1, options.timeout);
    }
    let (before, start) = (Moment::now(options), now_ns());
    let end = start + (options.seconds * 1e9) as u64;
    let (mut seq, mut messages, mut patience) = (options.warmup as u32, 0usize, 2);
    // At most one stretch is published while the previous one is being read: Redis disconnects a subscriber that is 8
    // MB behind for a minute, or 32 MB at any time.
    let mut awaited = 0;
    while messages < options.messages && now_ns() < end && patience > 0 {
        let stretch = options.stretch.min(options.messages - messages);
        let mut left = stretch;
        while left > 0 {
            let batch = left.min(BATCH);
            match &mut silent {
                Some(silent) => {
                    let text = stamp::text(0, 0, options.size);
                    for number in 0..batch {
                        silent.push(&text, number % options.groups)?;
                    }
                    silent.flush()?;
                    silent.answers(batch)?;
                }
                None => {
                    for _ in 0..batch {
                        publisher.push(&stamp::text(seq, now_ns(), options.size), group_of(seq, options.groups))?;
                        seq += 1;
                    }
                    shared.begun.store(seq, SeqCst);
                    publisher.flush()?;
                    publisher.answers(batch)?;
                }
            }
            left -= batch;
        }
        messages += stretch;
        if silent.is_some() {
            publisher.publish(&stamp::text(seq, now_ns(), options.size), group_of(seq, options.groups))?;
            seq += 1;
        }
        patience -= u32::from(!shared.wait_for(awaited, options.timeout));
        awaited = u64::from(seq);
    }
    shared.wait_for(u64::from(seq), options.timeout);
    let seconds = (shared.last_delivery_ns.load(SeqCst).max(start + 1) - start) as f64 / 1e9;
    let after = Moment::now(options);
    to.insert("published".into(), json!(messages));
    to.insert("delivered".into(), json!(shared.delivered.load(SeqCst)));
    to.insert("seconds".into(), figure(seconds));
    to.insert("messages_per_s".into(), figure(messages as f64 / seconds));
    after.spent(&before, "message", messages as u64, to);
    std::thread::sleep(Duration::from_millis(200));
    shared.published.store(seq, SeqCst);
    Ok(seq)
}
