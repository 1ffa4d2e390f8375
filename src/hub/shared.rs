//! A call that several members share: one of them makes it, and what the consumer does is for all.
//!
//! In: members that have come to the event in their order, each with its [`Sharer`] key. The first one leads: it makes the
//! call and adds [`Step`]s. Out: every sharer takes the steps from the beginning, at its own time and on its own worker.
//! So members that are busy with something else hold up nobody, and get the steps in the event's place among their
//! messages. Frames are encoded once. The steps are kept until no member can come for them any more, within a limit.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::watch;

use crate::{
    backend::bridge::{End, Failure, Sharing},
    config::PythonPer,
    event::{ConnectionId, GroupName, Value},
    socket::frame::Frame,
};

/// The connections that share a call of an event have the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SharerKey {
    /// The class of the consumer in Django.
    pub class: u32,
    /// What else they have in common.
    pub of: Common,
}

/// What connections that share a call have in common, beside the event's group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Common {
    /// Nothing.
    Event,
    /// The parameters of the path, as JSON.
    Room(Box<str>),
    /// The user's id.
    User(Box<str>),
    /// It is one connection, by its id.
    Alone(ConnectionId),
}

/// What a sharer carries out for itself.
#[derive(Clone, Debug)]
pub enum Step {
    /// A frame for its client.
    Frame(Arc<Frame>),
    /// The end of its connection.
    Close {
        /// The close code.
        code: u16,
        /// The close reason.
        reason: Arc<str>,
    },
    /// It joins groups.
    Join(Arc<[GroupName]>),
    /// It leaves groups.
    Leave(Arc<[GroupName]>),
    /// A message to its own channel.
    ToItself(Arc<Value>),
}

impl Step {
    /// Its approximate bytes.
    pub fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Frame(frame) => frame.size(),
                Self::ToItself(message) => message.weight(),
                Self::Close { .. } | Self::Join(_) | Self::Leave(_) => 0,
            }
    }
}

/// What follows for a sharer.
#[derive(Debug)]
pub enum Next {
    /// These steps, in order.
    Steps(Vec<Step>),
    /// It makes the call.
    Lead(Lead),
    /// The call has ended.
    End(End),
    /// Steps are gone before it could take them.
    Lost,
}

/// A call of an event.
#[derive(Debug)]
pub(super) struct SharedCall {
    log: watch::Sender<Log>,
    sharers: Arc<AtomicUsize>,
}

/// What the consumer has done so far.
#[derive(Debug, Default)]
struct Log {
    steps: VecDeque<Step>,
    /// The number of the first step that is kept.
    first: usize,
    /// The bytes of those that are kept.
    bytes: usize,
    /// A sharer makes the call.
    is_led: bool,
    end: Option<End>,
}

impl SharedCall {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { log: watch::Sender::default(), sharers: Arc::default() })
    }

    /// One more sharer.
    pub fn attend(self: &Arc<Self>) -> Sharer {
        self.sharers.fetch_add(1, Ordering::Relaxed);
        Sharer { log: self.log.subscribe(), call: Arc::clone(self), position: 0 }
    }

    /// Makes the caller the leader, unless there is one.
    fn claim(self: &Arc<Self>) -> Option<Lead> {
        let mut is_mine = false;
        self.log.send_if_modified(|log| {
            is_mine = !std::mem::replace(&mut log.is_led, true);
            false
        });
        is_mine.then(|| Lead { call: Arc::clone(self), over: false })
    }
}

/// A connection's way through the steps of a call.
#[derive(Debug)]
pub struct Sharer {
    call: Arc<SharedCall>,
    log: watch::Receiver<Log>,
    position: usize,
}

impl Sharer {
    /// What follows, once it is known. It may be dropped, and asked again.
    pub async fn next(&mut self) -> Next {
        loop {
            if let Some(next) = self.now() {
                return next;
            }
            // The call is held by this sharer.
            let _ = self.log.changed().await;
        }
    }

    fn now(&mut self) -> Option<Next> {
        let log = self.log.borrow_and_update();
        let Some(from) = self.position.checked_sub(log.first) else { return Some(Next::Lost) };
        if from < log.steps.len() {
            let steps: Vec<Step> = log.steps.range(from..).cloned().collect();
            self.position += steps.len();
            return Some(Next::Steps(steps));
        }
        if let Some(end) = &log.end {
            return Some(Next::End(end.clone()));
        }
        let is_led = log.is_led;
        drop(log);
        if is_led { None } else { self.call.claim().map(Next::Lead) }
    }
}

/// The right to make a call, and the duty to end it.
#[derive(Debug)]
pub struct Lead {
    call: Arc<SharedCall>,
    over: bool,
}

impl Lead {
    /// How the call is described.
    pub fn sharing(&self, per: PythonPer) -> Sharing {
        Sharing { per, sharers: Arc::clone(&self.call.sharers) }
    }

    /// The consumer does this. Of all that is kept, at most `limit` bytes are, and the last step in any case.
    pub fn add(&self, step: Step, limit: usize) {
        self.call.log.send_modify(|log| {
            log.bytes += step.weight();
            log.steps.push_back(step);
            while log.bytes > limit && log.steps.len() > 1 {
                log.bytes -= log.steps.pop_front().map_or(0, |step| step.weight());
                log.first += 1;
            }
        });
    }

    /// The call has ended. What concerns the leader's own connection is not for the others.
    pub fn end(mut self, end: &End) {
        self.finish(match end {
            End::Open { .. } => End::Open { state: Box::default(), user: None, expires: None, vars: None, class: None },
            end => end.clone(),
        });
    }

    fn finish(&mut self, end: End) {
        self.over = true;
        self.call.log.send_modify(|log| log.end = Some(end));
    }

    /// The leader cannot make the call, and Django has done nothing of it: another sharer makes it.
    pub fn resign(mut self) {
        self.over = true;
        self.call.log.send_modify(|log| log.is_led = false);
    }

    /// The bytes that are kept, each time they change; the end of the call is the last time.
    pub fn kept(&self) -> Kept {
        Kept(self.call.log.subscribe())
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.over {
            self.finish(End::Failed(Failure::Broken("the node is stopping".to_owned())));
        }
    }
}

/// The bytes that a call keeps for its sharers.
pub struct Kept(watch::Receiver<Log>);

impl Kept {
    /// How many there are now.
    pub fn bytes(&mut self) -> usize {
        self.0.borrow_and_update().bytes
    }

    /// Waits for a change; whether the call is still kept.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Step {
        Step::Frame(Arc::new(Frame::text(text.as_bytes())))
    }

    fn shown(next: Next) -> String {
        let text = |step: &Step| match step {
            Step::Frame(frame) => String::from_utf8_lossy(&frame.bytes(None, &Default::default())[2..]).into_owned(),
            other => format!("{other:?}"),
        };
        match next {
            Next::Steps(steps) => steps.iter().map(text).collect::<Vec<_>>().join(" "),
            Next::Lead(_) => "lead".to_owned(),
            Next::End(end) => format!("{end:?}"),
            Next::Lost => "lost".to_owned(),
        }
    }

    fn now(sharer: &mut Sharer) -> Option<String> {
        sharer.now().map(shown)
    }

    const ALL: usize = usize::MAX;

    #[tokio::test]
    async fn one_sharer_leads_and_all_take_every_step_whenever_they_come() {
        let call = SharedCall::new();
        let (mut first, mut second) = (call.attend(), call.attend());
        let Next::Lead(lead) = first.next().await else { panic!("the first one leads") };
        assert_eq!((now(&mut first), now(&mut second)), (None, None));
        lead.add(frame("a"), ALL);
        assert_eq!(now(&mut second).unwrap(), "a");
        assert_eq!(now(&mut second), None);
        lead.add(frame("b"), ALL);
        let mut late = call.attend();
        assert_eq!(now(&mut late).unwrap(), "a b");
        assert_eq!(lead.sharing(PythonPer::Event).sharers.load(Ordering::Relaxed), 3);
        let waiting = tokio::spawn(async move { shown(late.next().await) });
        lead.end(&End::Stopped);
        assert_eq!(waiting.await.unwrap(), "Stopped");
        assert_eq!([now(&mut second).unwrap(), now(&mut second).unwrap()], ["b", "Stopped"]);
        let mut last = call.attend();
        assert_eq!([now(&mut last).unwrap(), now(&mut last).unwrap()], ["a b", "Stopped"]);
    }

    #[tokio::test]
    async fn a_leader_that_resigns_is_followed_by_another_sharer() {
        let call = SharedCall::new();
        let (mut first, mut second) = (call.attend(), call.attend());
        let Next::Lead(lead) = first.next().await else { panic!("the first one leads") };
        assert_eq!(now(&mut second), None);
        let waiting = tokio::spawn(async move {
            let next = second.next().await;
            let is_lead = matches!(next, Next::Lead(_));
            (next, is_lead)
        });
        lead.resign();
        let (lead, is_lead) = waiting.await.unwrap();
        assert!(is_lead);
        drop(lead);
        assert!(now(&mut first).unwrap().contains("Broken"), "a leader that is gone ends the call for all");
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_and_who_comes_too_late_learns_it() {
        let call = SharedCall::new();
        let (mut first, mut follower) = (call.attend(), call.attend());
        let Next::Lead(lead) = first.next().await else { panic!("the first one leads") };
        let mut kept = lead.kept();
        for number in 0..10 {
            lead.add(frame(&number.to_string()), 3 * frame("0").weight());
            assert_eq!(now(&mut follower).unwrap(), number.to_string());
        }
        assert_eq!(kept.bytes(), 3 * frame("0").weight());
        let mut late = call.attend();
        assert_eq!(now(&mut late).unwrap(), "lost");
        lead.add(frame(&"x".repeat(100)), 1);
        assert_eq!(now(&mut follower).unwrap(), "x".repeat(100), "the last step is kept, whatever its size");
        lead.end(&End::Stopped);
        assert!(kept.changed().await);
        drop((call, first, follower, late));
        assert!(!kept.changed().await, "nobody can come any more");
    }

    #[test]
    fn the_state_of_the_leader_is_not_for_the_others() {
        let call = SharedCall::new();
        let mut first = call.attend();
        let Some(Next::Lead(lead)) = first.now() else { panic!("the first one leads") };
        let user = Some(Value::from("ann"));
        lead.end(&End::Open { state: "secret".into(), user, expires: None, vars: None, class: None });
        let ended = now(&mut first).unwrap();
        assert!(!ended.contains("secret") && !ended.contains("ann"), "{ended}");
    }
}
