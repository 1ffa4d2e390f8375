//! The output always consists of whole messages in order, and missing ones are counted.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    config,
    socket::frame::{self, Frame},
    telemetry::{DropReason, Metrics},
};

/// One outbox, with its counters of losses.
struct Bench {
    metrics: Metrics,
    pressure: Rc<Pressure>,
    outbox: Outbox,
    limit: usize,
}

impl Bench {
    fn new(limit: usize) -> Self {
        let metrics = Metrics::new();
        let pressure = Pressure::new(&config::Socket::default(), &config::Server::default(), &metrics);
        Self { metrics, pressure: Rc::new(pressure), outbox: Outbox::default(), limit }
    }

    fn message(&self, bytes: impl Into<Bytes>, loss: Loss) -> Rc<QueuedMessage> {
        QueuedMessage::new(bytes.into(), 1, loss, &self.pressure)
    }

    fn push(&mut self, bytes: impl Into<Bytes>, loss: Loss) -> Result<(), Full> {
        let message = self.message(bytes, loss);
        self.outbox.push(&message, 0, self.limit, (&self.pressure, 0))
    }

    /// The bytes that the kernel accepts, in chunks; and the number of lost messages if the outbox is empty then.
    fn write(&mut self, mut room: usize, chunk: usize) -> (Vec<u8>, Option<u64>) {
        let mut out = Vec::new();
        let done = self.outbox.flush(|slices| {
            if room == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            let taken = all.len().min(room).min(chunk);
            room -= taken;
            out.extend_from_slice(&all[..taken]);
            Ok(taken)
        });
        (out, done.unwrap())
    }

    fn rest(&mut self) -> (Vec<u8>, Option<u64>) {
        self.write(usize::MAX, usize::MAX)
    }

    fn lost(&self) -> (u64, u64) {
        (self.metrics.drops(DropReason::Oldest), self.metrics.drops(DropReason::Superseded))
    }
}

fn key(name: &str) -> Loss {
    Loss::Superseded(name.into())
}

#[test]
fn every_byte_is_written_once_and_in_order_in_chunks_of_any_size() {
    for chunk in 1..9 {
        let mut bench = Bench::new(100);
        let first = bench.message("xxabc", Loss::Never);
        bench.outbox.push(&first, 2, 100, (&bench.pressure, 0)).unwrap();
        for frame in ["defg", "h", "ijkl"] {
            bench.push(frame, Loss::Never).unwrap();
        }
        assert_eq!(bench.write(5, chunk), (b"abcde".to_vec(), None));
        assert_eq!((bench.outbox.bytes(), bench.outbox.kept()), (7, 7));
        assert_eq!(bench.write(usize::MAX, chunk), (b"fghijkl".to_vec(), Some(0)));
        assert!(bench.outbox.is_empty() && bench.outbox.bytes() == 0);
    }
}

#[test]
fn messages_are_taken_one_by_one_from_pieces_of_several_frames() {
    let mut bench = Bench::new(100);
    let two = Bytes::from([frame::text(b"one"), frame::binary(b"\x02")].concat());
    bench.push(two, Loss::Never).unwrap();
    bench.push(frame::text(b"three"), Loss::Never).unwrap();
    let take = |outbox: &mut Outbox, mut count: usize| {
        let mut taken = Vec::new();
        outbox.take_messages(|content| {
            count = count.wrapping_sub(1);
            let wanted = count != usize::MAX;
            if wanted {
                taken.push(format!("{content:?}"));
            }
            wanted
        });
        taken
    };
    assert_eq!(take(&mut bench.outbox, 1), [format!("{:?}", FrameContent::Text(b"one"))]);
    assert_eq!(bench.outbox.bytes(), 3 + 7);
    let rest = [format!("{:?}", FrameContent::Binary(b"\x02")), format!("{:?}", FrameContent::Text(b"three"))];
    assert_eq!(take(&mut bench.outbox, 9), rest);
    assert!(bench.outbox.is_empty() && bench.outbox.bytes() == 0);
}

#[test]
fn discarding_keeps_the_rest_of_a_partly_written_frame() {
    let mut bench = Bench::new(100);
    bench.push("abcd", Loss::Never).unwrap();
    bench.push("efgh", Loss::Oldest).unwrap();
    bench.write(1, 9);
    assert_eq!((bench.outbox.discard(), bench.outbox.bytes()), (1, 3));
    let close = bench.message("close", Loss::Never);
    bench.outbox.push_last(&close, (&bench.pressure, 0));
    assert_eq!(bench.rest().0, b"bcdclose");
    bench.push("abcd", Loss::Never).unwrap();
    assert_eq!((bench.outbox.discard(), bench.outbox.is_empty()), (1, true));
}

#[test]
fn the_oldest_make_room_except_partly_written_or_undroppable_ones() {
    let mut bench = Bench::new(10);
    bench.push("aaa", Loss::Oldest).unwrap();
    bench.push("KK", Loss::Never).unwrap();
    bench.push("bbb", Loss::Oldest).unwrap();
    assert_eq!(bench.write(1, 9).0, b"a");
    bench.push("cccc", Loss::Oldest).unwrap();
    // "aa" is the rest of a message, "KK" is never dropped, "bbb" is dropped.
    assert_eq!(bench.outbox.contents(), b"aaKKcccc");
    // Also for a message that is never dropped; after that nothing can be dropped.
    bench.push("LLLL", Loss::Never).unwrap();
    assert_eq!(bench.outbox.contents(), b"aaKKLLLL");
    assert_eq!(bench.push("dddd", Loss::Oldest), Err(Full));
    assert_eq!(bench.lost(), (2, 0));
    assert_eq!(bench.rest(), (b"aaKKLLLL".to_vec(), Some(2)));
    // The next episode starts from zero.
    bench.push("e", Loss::Oldest).unwrap();
    assert_eq!(bench.rest().1, Some(0));
}

#[test]
fn a_newer_message_takes_the_place_of_the_one_with_its_key() {
    let mut bench = Bench::new(12);
    for (message, name) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("c1", "c"), ("a3", "a"), ("b2", "b")] {
        bench.push(message, key(name)).unwrap();
    }
    assert_eq!((bench.outbox.contents(), bench.lost()), (b"a3b2c1".to_vec(), (0, 3)));
    // A partly written message counts as sent: the newer one comes after it.
    assert_eq!(bench.write(1, 9).0, b"a");
    bench.push("a4", key("a")).unwrap();
    bench.push("a5", key("a")).unwrap();
    assert_eq!(bench.outbox.contents(), b"3b2c1a5");
    // Too large; the attempt drops nothing uncounted.
    assert_eq!(bench.push("c222222222", key("c")), Err(Full));
    assert_eq!((bench.outbox.contents(), bench.lost()), (b"3b2c1a5".to_vec(), (0, 4)));
    // Replaced messages are not reported as lost: the newest of each key is there.
    assert_eq!(bench.rest(), (b"3b2c1a5".to_vec(), Some(0)));
}

#[test]
fn a_message_larger_than_the_outbox_is_let_through_and_what_follows_has_its_room() {
    for loss in [Loss::Never, Loss::Oldest] {
        let mut bench = Bench::new(10);
        bench.push("abc", Loss::Never).unwrap();
        bench.push(vec![b'x'; 100], loss.clone()).unwrap();
        bench.push("defg", Loss::Never).unwrap();
        bench.push("hij", Loss::Never).unwrap();
        assert_eq!(bench.push("k", Loss::Never), Err(Full), "the others may not take more than before");
        assert_eq!(bench.lost().0, u64::from(loss == Loss::Oldest));
    }
    let mut bench = Bench::new(10);
    bench.push(vec![b'x'; 100], Loss::Never).unwrap();
    bench.write(40, 9);
    bench.push("abcdefghij", Loss::Never).unwrap();
    assert_eq!(bench.push(vec![b'y'; 100], Loss::Never), Err(Full), "one such at a time");
    bench.write(61, 9);
    bench.push(vec![b'z'; 100], Loss::Never).unwrap();
}

#[test]
fn a_message_for_many_is_counted_once_and_completely_released() {
    let bench = Bench::new(1 << 20);
    let message = bench.message(vec![0; 50_000], Loss::Oldest);
    let mut all: Vec<Outbox> = (0..1000).map(|_| Outbox::default()).collect();
    for outbox in &mut all {
        outbox.push(&message, 0, 1 << 20, (&bench.pressure, 7)).unwrap();
    }
    drop(message);
    bench.pressure.report();
    let counted = bench.metrics.outbox_bytes.get();
    assert!((50_000..450_000).contains(&counted), "{counted}");
    let cost: usize = all.iter().map(Outbox::cost).sum();
    assert!((50_000..120_000).contains(&cost), "{cost}");
    assert_eq!(bench.pressure.behind(), [7; 1000]);
    drop(all);
    assert_eq!((bench.metrics.outbox_bytes.get(), bench.pressure.behind().len()), (0, 0));
}

#[test]
fn holes_do_not_pile_up_behind_a_message_that_stays() {
    let mut bench = Bench::new(1000);
    bench.push("KK", Loss::Never).unwrap();
    for _ in 0..100_000 {
        bench.push("0123456789", Loss::Oldest).unwrap();
    }
    let queue = &bench.outbox.0.as_ref().unwrap().queue;
    assert!(queue.len() < 300 && queue.capacity() < 1000, "{} {}", queue.len(), queue.capacity());
    assert_eq!(bench.lost(), (100_000 - 99, 0));
}

/// An event in the life of an outbox.
#[derive(Clone, Debug)]
enum Step {
    /// A message of a kind, with attachments of these sizes.
    Message { kind: u8, size: usize, attachments: Vec<usize> },
    /// The kernel accepts this much.
    Write { room: usize, chunk: usize },
    /// The node needs the memory.
    Shed,
}

fn step() -> impl Strategy<Value = Step> {
    let message = (0..7u8, 0..300usize, prop::collection::vec(0..200usize, 0..3));
    prop_oneof![
        6 => message.prop_map(|(kind, size, attachments)| Step::Message { kind, size, attachments }),
        3 => (1..900usize, 1..400usize).prop_map(|(room, chunk)| Step::Write { room, chunk }),
        1 => Just(Step::Shed),
    ]
}

/// A message that contains its number; and its number of frames.
fn message(number: usize, size: usize, attachments: &[usize]) -> (Bytes, usize) {
    let text = Bytes::from(format!("{number}:{}", "x".repeat(size)));
    if attachments.is_empty() {
        return (Frame::text(&text).into_bytes(), 1);
    }
    let binary: Vec<Bytes> =
        attachments.iter().map(|size| Bytes::from(format!("{number}:{}", "y".repeat(*size)))).collect();
    let frames = 1 + binary.len();
    (Frame::new(&crate::event::Payload::Packet { text, attachments: binary.into() }).into_bytes(), frames)
}

/// The numbers of the messages in a stream of complete frames, each as often as it has frames.
fn numbers(stream: &[u8]) -> Vec<usize> {
    let parts: Vec<_> = EncodedFrames(stream).collect();
    assert_eq!(parts.iter().map(|part| part.frame.len()).sum::<usize>(), stream.len(), "only whole frames");
    let number = |payload: &[u8]| String::from_utf8_lossy(payload).split(':').next().unwrap().parse().unwrap();
    parts.iter().map(|part| number(part.payload)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    #[test]
    fn whole_messages_come_out_and_every_other_is_counted(
        limit in 200..3000usize,
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let mut bench = Bench::new(limit);
        let mut stream = Vec::new();
        let mut told = 0;
        let (mut shed, mut refused) = (0, 0);
        // Number, frames and kind of every accepted message.
        let mut sent: BTreeMap<usize, (usize, u8)> = BTreeMap::new();
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Message { kind, size, attachments } => {
                    let (bytes, frames) = message(number, *size, attachments);
                    let loss = match kind {
                        0 => Loss::Never,
                        1 | 2 => Loss::Oldest,
                        other => key(&other.to_string()),
                    };
                    match bench.push(bytes, loss) {
                        Ok(()) => drop(sent.insert(number, (frames, *kind))),
                        // The connection would be closed; here it continues without the message.
                        Err(Full) => refused += 1,
                    }
                    let backlog = bench.outbox.0.as_ref().unwrap();
                    prop_assert!(backlog.bytes - backlog.rest_of_large() <= limit);
                    prop_assert!(backlog.queue.len() <= 2 * (HOLES + backlog.queue.iter().flatten().count()));
                }
                Step::Write { room, chunk } => {
                    let (bytes, done) = bench.write(*room, *chunk);
                    stream.extend(bytes);
                    told += done.unwrap_or(0);
                }
                Step::Shed => shed += bench.outbox.discard_oldest(),
            }
        }
        let (bytes, done) = bench.rest();
        stream.extend(bytes);
        told += done.unwrap();
        let got = numbers(&stream);
        // A message is complete, with its frames adjacent, or absent.
        let mut each: Vec<(usize, usize)> = Vec::new();
        for number in got {
            match each.last_mut() {
                Some((last, count)) if *last == number => *count += 1,
                _ => each.push((number, 1)),
            }
        }
        for (number, count) in &each {
            prop_assert_eq!(*count, sent[number].0);
        }
        // In order, except for those that replaced an older one; and of each key the newest arrived.
        let ordered: Vec<usize> = each.iter().map(|(number, _)| *number).filter(|number| sent[number].1 < 3).collect();
        prop_assert!(ordered.is_sorted());
        for kind in 3..7 {
            let newest = sent.iter().filter(|(_, (_, of))| *of == kind).map(|(number, _)| *number).max();
            let of_kind: Vec<usize> = each.iter().map(|(number, _)| *number).filter(|n| sent[n].1 == kind).collect();
            prop_assert!(of_kind.is_sorted());
            prop_assert_eq!(of_kind.last().copied(), newest);
        }
        // All others were counted.
        let (oldest, superseded) = bench.lost();
        prop_assert_eq!(sent.len() as u64, each.len() as u64 + oldest + superseded + shed);
        prop_assert_eq!(told, oldest + shed);
        prop_assert_eq!(sent.len() + refused, steps.iter().filter(|step| matches!(step, Step::Message { .. })).count());
        prop_assert!(sent.iter().filter(|(_, (_, kind))| *kind == 0).all(|(number, _)| each.iter().any(|(n, _)| n == number)));
        // And nothing is left over.
        prop_assert_eq!(bench.metrics.outbox_bytes.get(), 0);
    }
}
