//! Answers of Django that still count for other handshakes, and questions that are under way. Pure.
//!
//! Both are found by a hash of what was passed on. The number of answers and their bytes are bounded: the oldest leave
//! first.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use super::Answer;
use crate::event::Fingerprint;

/// The most answers.
const MOST: usize = 16_384;

/// The most bytes of users.
const MOST_BYTES: usize = 32 << 20;

/// The most bytes of one user: a larger one would displace those of thousands.
const LARGEST: usize = 1 << 20;

/// An answer's place, beside its user.
const ENTRY: usize = 256;

/// A hash, with a key of this process, of what was passed on.
pub(super) type Key = [u8; 32];

/// Answers and questions. `R` is how another handshake waits for a question's answer.
pub(super) struct Known<R> {
    kept: HashMap<Key, Kept>,
    /// In the order of their arrival. An answer that was replaced or forgotten leaves its number behind.
    order: VecDeque<(Key, u64)>,
    bytes: usize,
    running: HashMap<Key, Running<R>>,
    next: u64,
}

struct Kept {
    number: u64,
    answer: Arc<Answer>,
    until: Instant,
    /// Its user, and the tokens of the handshake.
    principals: Box<[Fingerprint]>,
    weight: usize,
}

struct Running<R> {
    number: u64,
    /// When it began.
    asked: Instant,
    waiting: R,
}

/// What is known about a handshake.
pub(super) enum Found<R> {
    /// The answer.
    Kept(Arc<Answer>),
    /// The question is under way.
    Running(R),
    /// Nothing.
    Nothing,
}

impl<R> Default for Known<R> {
    fn default() -> Self {
        let (kept, order, running) = (HashMap::new(), VecDeque::new(), HashMap::new());
        Self { kept, order, bytes: 0, running, next: 0 }
    }
}

impl<R: Clone> Known<R> {
    /// What is known.
    pub fn find(&self, key: &Key, now: Instant) -> Found<R> {
        match (self.kept.get(key), self.running.get(key)) {
            (Some(kept), _) if kept.until > now => Found::Kept(Arc::clone(&kept.answer)),
            (_, Some(running)) => Found::Running(running.waiting.clone()),
            _ => Found::Nothing,
        }
    }

    /// A question began at `asked`; returns its number.
    pub fn begin(&mut self, key: Key, asked: Instant, waiting: R) -> u64 {
        self.next += 1;
        self.running.insert(key, Running { number: self.next, asked, waiting });
        self.next
    }

    /// The question with this number has ended; returns whether its answer still counts: nobody was disconnected
    /// meanwhile.
    pub fn end(&mut self, key: &Key, number: u64) -> bool {
        let is_own = self.running.get(key).is_some_and(|running| running.number == number);
        if is_own {
            self.running.remove(key);
        }
        is_own
    }

    /// Keeps an answer, whose user has this many bytes, until then.
    pub fn keep(
        &mut self,
        key: Key,
        answer: &Arc<Answer>,
        until: Instant,
        principals: Box<[Fingerprint]>,
        bytes: usize,
    ) {
        self.next += 1;
        let (number, weight) = (self.next, bytes + ENTRY);
        self.remove(&key);
        if bytes > LARGEST {
            return;
        }
        self.kept.insert(key, Kept { number, answer: Arc::clone(answer), until, principals, weight });
        self.order.push_back((key, number));
        self.bytes += weight;
        let now = Instant::now();
        while let Some((oldest, number)) = self.order.front().copied() {
            let is_over = self.kept.get(&oldest).is_none_or(|kept| kept.number != number || kept.until <= now);
            if !is_over && self.order.len() <= MOST && self.bytes <= MOST_BYTES {
                break;
            }
            self.order.pop_front();
            if self.kept.get(&oldest).is_some_and(|kept| kept.number == number) {
                self.remove(&oldest);
            }
        }
    }

    /// These users and tokens were disconnected, each at its time. What was under way then may be about them, so later
    /// handshakes ask anew.
    pub fn forget(&mut self, principals: &HashMap<Fingerprint, Instant>) {
        // An order to disconnect a socket is about no user. A node that starts or reconnects learns of those of the last hour
        // again, and most questions are younger.
        let Some(last) = principals.values().max() else { return };
        self.running.retain(|_, running| running.asked > *last);
        let ordered = |one: &Fingerprint, asked: Instant| principals.get(one).is_some_and(|at| asked <= *at);
        let about = |kept: &Kept| kept.principals.iter().any(|one| ordered(one, kept.answer.asked));
        let keys: Vec<Key> = self.kept.iter().filter(|(_, kept)| about(kept)).map(|(key, _)| *key).collect();
        keys.iter().for_each(|key| self.remove(key));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self { next: self.next, ..Self::default() };
    }

    /// The number of answers.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    fn remove(&mut self, key: &Key) {
        if let Some(kept) = self.kept.remove(key) {
            self.bytes -= kept.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::Verdict, *};

    fn answer() -> Arc<Answer> {
        Arc::new(Answer { verdict: Verdict::Nobody, asked: Instant::now() })
    }

    fn key(number: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        key
    }

    fn is_kept(known: &Known<()>, number: usize) -> bool {
        matches!(known.find(&key(number), Instant::now()), Found::Kept(_))
    }

    #[test]
    fn answers_are_bounded_in_number_and_bytes_and_the_oldest_leave() {
        let later = Instant::now() + Duration::from_secs(60);
        let mut known = Known::<()>::default();
        for number in 0..MOST + 10 {
            known.keep(key(number), &answer(), later, Box::default(), 0);
        }
        assert_eq!(known.len(), MOST);
        assert!(!is_kept(&known, 9) && is_kept(&known, 10));
        for number in 0..40 {
            known.keep(key(number), &answer(), later, Box::default(), LARGEST);
        }
        assert!(known.len() == 31 && known.bytes <= MOST_BYTES, "{}", known.len());
        // One that is larger is not kept, and does not displace the others.
        known.keep(key(41), &answer(), later, Box::default(), LARGEST + 1);
        known.keep(key(39), &answer(), later, Box::default(), LARGEST + 1);
        assert!(known.len() == 30 && is_kept(&known, 38) && !is_kept(&known, 39) && !is_kept(&known, 41));
    }

    #[test]
    fn answers_that_are_replaced_or_over_leave_nothing_behind() {
        let mut known = Known::<()>::default();
        for _ in 0..3 * MOST {
            known.keep(key(1), &answer(), Instant::now() + Duration::from_secs(60), Box::default(), 10);
        }
        assert!(known.len() == 1 && known.order.len() <= MOST && known.bytes == 10 + ENTRY);
        known.keep(key(2), &answer(), Instant::now(), Box::default(), 10);
        assert!(!is_kept(&known, 2));
    }

    #[test]
    fn a_disconnect_forgets_its_user_and_every_question_under_way() {
        let (seven, eight) = (Fingerprint::of_user("7"), Fingerprint::of_user("8"));
        let later = Instant::now() + Duration::from_secs(60);
        let mut known = Known::<()>::default();
        for (number, who) in [(1, seven), (2, eight), (3, seven)] {
            known.keep(key(number), &answer(), later, Box::new([who]), 0);
        }
        let asked = known.begin(key(4), Instant::now(), ());
        known.forget(&HashMap::from([(seven, Instant::now())]));
        assert!(!is_kept(&known, 1) && is_kept(&known, 2) && !is_kept(&known, 3));
        assert!(matches!(known.find(&key(4), Instant::now()), Found::Nothing));
        let again = known.begin(key(4), Instant::now(), ());
        assert!(!known.end(&key(4), asked), "its answer is older than the order");
        assert!(known.end(&key(4), again));
        // Nobody was disconnected: the question goes on, and its answer counts.
        let asked = known.begin(key(5), Instant::now(), ());
        known.forget(&HashMap::new());
        assert!(matches!(known.find(&key(5), Instant::now()), Found::Running(())));
        assert!(known.end(&key(5), asked));
    }

    #[test]
    fn an_order_of_before_leaves_later_questions_and_answers_as_they_are() {
        let (seven, before, mut known) = (Fingerprint::of_user("7"), Instant::now(), Known::<()>::default());
        std::thread::sleep(Duration::from_millis(1));
        let asked = known.begin(key(1), Instant::now(), ());
        known.keep(key(2), &answer(), Instant::now() + Duration::from_secs(60), Box::new([seven]), 0);
        known.forget(&HashMap::from([(seven, before)]));
        assert!(matches!(known.find(&key(1), Instant::now()), Found::Running(())));
        assert!(known.end(&key(1), asked) && is_kept(&known, 2));
    }
}
