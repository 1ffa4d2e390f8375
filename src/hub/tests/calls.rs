//! Calls of the consumers of Django: their place among the messages of a member, and their bounds.

use std::{cell::RefCell, rc::Weak};

use super::{
    shared::{Common, SharerKey},
    *,
};
use crate::config::PythonPer;

/// A handler that notes what it is asked for; the test releases its member.
pub(super) struct Recorder {
    shard: Rc<Shard>,
    pub member: Rc<Member>,
    pub consumer: Arc<Consumer>,
    pub woken: RefCell<usize>,
}

/// The handler of its connection, which is never driven, and so would keep the recorder for good.
struct Handler(Weak<Recorder>);

impl ConnectionHandler for Handler {
    fn received(self: Rc<Self>, _: &Rc<Connection>, _: Incoming<'_>) {}

    fn gone(self: Rc<Self>) {}

    fn work_waits(self: Rc<Self>, _: Option<ConnectionId>) {
        let recorder = self.0.upgrade().unwrap();
        assert!(recorder.member.is_held(), "it is held before its handler learns that work waits");
        *recorder.woken.borrow_mut() += 1;
    }

    fn takes_messages(&self) -> bool {
        self.0.upgrade().is_some_and(|recorder| recorder.consumer.django().is_any())
    }

    fn direct(self: Rc<Self>, event: Arc<Event>) {
        let recorder = self.0.upgrade().unwrap();
        recorder.shard.react_for(&recorder.member, &recorder.consumer, &event);
    }
}

impl Recorder {
    /// An open member of the bridged consumer, with a handler.
    pub fn open(node: &Node, worker: &Worker, member: Rc<Member>) -> Rc<Self> {
        Self::open_as(node, worker, member, BRIDGED)
    }

    /// The same of any consumer.
    pub fn open_as(node: &Node, worker: &Worker, member: Rc<Member>, consumer: ConsumerId) -> Rc<Self> {
        let consumer = Arc::clone(node.consumers.now().get(consumer).unwrap());
        let recorder = Rc::new(Self { shard: Rc::clone(&worker.shard), member, consumer, woken: RefCell::default() });
        recorder.shard.hold(&recorder.member);
        recorder.serve();
        recorder.shard.announce(&recorder.member);
        assert_eq!(recorder.shard.release(&recorder.member), Released::Complete);
        recorder
    }

    fn serve(self: &Rc<Self>) {
        self.member.connection.handled_by(Rc::new(Handler(Rc::downgrade(self))));
        self.member.serves_calls();
    }

    /// The next call, as the text `type n`; or how the hold ended.
    pub fn release(&self) -> String {
        match self.shard.release(&self.member) {
            Released::Call(EventCall { event, .. }) => {
                let Some(Value::Int(number)) = event.body.get("n") else { panic!("{event:?}") };
                format!("{} {number}", event.kind().unwrap())
            }
            Released::Outcome(_) => "outcome".to_owned(),
            other => format!("{other:?}"),
        }
    }

    pub fn got(&self) -> Vec<String> {
        got(&self.member)
    }
}

pub(super) async fn bridged(node: &Node, worker: &Worker, id: &str) -> Rc<Recorder> {
    let recorder = Recorder::open(node, worker, worker.held(id));
    worker.join(&recorder.member, "a", BRIDGED).await;
    recorder
}

#[tokio::test]
async fn a_call_takes_its_place_among_the_frames() {
    let node = Node::new();
    let mut worker = node.worker();
    let one = bridged(&node, &worker, "one").await;
    let other = bridged(&node, &worker, "other").await;
    worker.join(&one.member, "b", BRIDGED).await;
    node.event("a", 1);
    node.typed("a", "call", 2);
    node.event("b", 3);
    node.typed("b", "call", 4);
    node.event("a", 5);
    node.event("b", 6);
    worker.turn();
    assert_eq!((one.got(), *one.woken.borrow()), (vec!["1".to_owned()], 1), "it is woken once");
    assert_eq!(one.release(), "call 2");
    assert_eq!(one.got(), ["1"]);
    assert!(one.member.is_held(), "while it is called, everything waits");
    node.event("a", 7);
    node.typed("a", "call", 8);
    worker.turn();
    assert_eq!(*one.woken.borrow(), 1, "its own release hands out what waits");
    assert_eq!(one.release(), "call 4");
    assert_eq!(one.got(), ["1", "3"]);
    assert_eq!(one.release(), "call 8");
    assert_eq!(one.got(), ["1", "3", "5", "6", "7"]);
    assert_eq!(one.release(), "Complete");
    assert!(!one.member.is_held());
    node.event("a", 9);
    worker.turn();
    assert_eq!(one.got().last().unwrap(), "9");
    assert_eq!(other.got(), ["1"]);
    assert_eq!([other.release(), other.release(), other.release()], ["call 2", "call 8", "Complete"]);
    assert_eq!(other.got(), ["1", "5", "7", "9"]);
    assert_eq!(worker.backlog(), 0);
    assert_eq!(node.metrics.drops(DropReason::NoHandler), 0);
}

#[tokio::test]
async fn what_needs_no_python_makes_no_call() {
    let node = Node::new();
    let mut worker = node.worker();
    let one = bridged(&node, &worker, "one").await;
    let native = worker.plain();
    worker.join(&native, "a", PRICES).await;
    // `when` is false: nothing is sent, and no method is called.
    node.event("a", 13);
    worker.turn();
    assert_eq!((one.got(), *one.woken.borrow()), (vec![], 0));
    // A native consumer of the same group has no handler, and nobody calls it.
    node.typed("a", "other", 1);
    worker.turn();
    assert_eq!((*one.woken.borrow(), node.metrics.drops(DropReason::NoHandler)), (1, 1));
    assert!(got(&native).len() > 1, "it got the first");
}

#[tokio::test]
async fn types_that_channels_refuses_are_for_python_to_refuse() {
    let node = Node::new();
    let mut worker = node.worker();
    let one = bridged(&node, &worker, "one").await;
    for kind in ["_private", ".hidden", "a b", ""] {
        node.typed("a", kind, 1);
    }
    worker.turn();
    let calls = ["_private 1", ".hidden 1", "a b 1", " 1", "Complete"];
    assert_eq!(calls.map(|_| one.release()), calls);
}

#[tokio::test]
async fn an_event_that_cannot_be_mapped_ends_the_connection_after_what_came_before() {
    let node = Node::new();
    let mut worker = node.worker();
    let one = bridged(&node, &worker, "one").await;
    let native = worker.plain();
    worker.join(&native, "a", FEED).await;
    node.typed("a", "call", 1);
    node.event("a", 2);
    node.typed("a", "wrong", 3);
    node.event("a", 4);
    worker.turn();
    assert_eq!(closed(&one.member), None);
    assert_eq!(one.release(), "call 1");
    let Released::Close(ending) = worker.shard.release(&one.member) else { panic!("it is to be closed") };
    assert_eq!((ending.code, &*ending.reason), (CloseCode::INTERNAL_ERROR, "an event could not be handled"));
    assert_eq!(one.got(), ["2"]);
    assert!(one.member.is_held(), "nothing is sent after it");
    assert_eq!(closed(&native), None, "only the members of a consumer of Django");
    assert_eq!(node.metrics.drops(DropReason::Mapping), 1);
    // A member whose session has not begun is closed when it begins; one without a handler at once.
    let bare = worker.plain();
    worker.join(&bare, "a", BRIDGED).await;
    node.typed("a", "wrong", 5);
    worker.turn();
    assert_eq!(closed(&bare), Some(1011));
    assert!(node.metrics.render().contains("closes_total{reason=\"event_failed\"} 1"));
}

#[tokio::test]
async fn one_event_makes_so_many_calls_of_the_node_and_no_more() {
    let node = Node::new();
    let (mut first, mut second) = (node.worker(), node.worker());
    let mut all = Vec::new();
    for at in 0..6 {
        let worker = if at % 2 == 0 { &first } else { &second };
        all.push(bridged(&node, worker, &format!("id{at}")).await);
    }
    all[4].member.tell_gaps(BRIDGED);
    all[5].member.tell_gaps(BRIDGED);
    node.typed("a", "call", 1);
    node.event("a", 2);
    second.turn();
    first.turn();
    let called = all.iter().filter(|one| *one.woken.borrow() == 1).count();
    assert_eq!(called, MAX_CALLS);
    // The one that misses it had asked for notices, and gets one in the place of the call.
    assert_eq!(all[4].got(), [r#"["calls",["a"]]"#, "2"]);
    assert!(all.iter().all(|one| closed(&one.member).is_none()));
    assert_eq!(node.metrics.drops(DropReason::Calls), 1);
    assert!(node.metrics.render().contains("gaps_total{reason=\"calls\"} 1"));
    // The next event has its own.
    all.iter().for_each(|one| while one.release() != "Complete" {});
    node.typed("a", "call", 3);
    first.turn();
    assert_eq!(all[4].release(), "call 3");
    assert_eq!((first.backlog(), node.metrics.drops(DropReason::Calls)), (0, 1));
}

#[tokio::test]
async fn one_event_makes_so_many_shared_calls_and_no_more() {
    let node = Node::new();
    let (mut first, mut second) = (node.worker(), node.worker());
    let mut all = Vec::new();
    for at in 0..8 {
        let worker = if at % 2 == 0 { &first } else { &second };
        all.push(bridged(&node, worker, &format!("id{at}")).await);
    }
    node.typed("a", "shared", 1);
    node.event("a", 2);
    first.turn();
    second.turn();
    // Six users, of whom the first has three connections.
    let key = |at: usize| SharerKey { class: 0, of: Common::User(at.saturating_sub(2).to_string().into()) };
    let attend = |(at, one): (usize, &Rc<Recorder>)| {
        let Released::Call(EventCall { shared: Some(calls), .. }) = one.shard.release(&one.member) else {
            panic!("it is a shared call")
        };
        assert_eq!(calls.per(), PythonPer::User);
        calls.attend(key(at)).is_some()
    };
    let served: Vec<bool> = all.iter().enumerate().map(attend).collect();
    assert_eq!(served, [true, true, true, true, true, true, true, false], "the sixth user has none");
    assert_eq!(node.metrics.drops(DropReason::Calls), 1);
    let metrics = node.metrics.render();
    assert!(
        metrics.contains("bridge_sharers_total{per=\"user\"} 7") && metrics.contains("gaps_total{reason=\"calls\"} 1")
    );
    for one in &all {
        assert_eq!((one.release(), one.got()), ("Complete".to_owned(), vec!["2".to_owned()]));
    }
    assert_eq!((first.backlog(), second.backlog(), node.metrics.outbox_bytes.get()), (0, 0, 0));
}

#[tokio::test]
async fn a_topic_and_a_condition_hold_for_calls_of_python_too() {
    let node = Node::new();
    let mut worker = node.worker();
    let open = |id: &str| {
        let member = Member::new(worker.connection(), Some(self::id(id)), BeforeSubscribe::None);
        Recorder::open(&node, &worker, member)
    };
    let (subscribed, other) = (open("subscribed"), open("other"));
    subscribed.member.subscribe(vec!["all".into()], 5).unwrap();
    for one in [&subscribed, &other] {
        worker.join(&one.member, "a", BRIDGED).await;
    }
    for n in [1, 13, 2] {
        node.typed("a", "picked", n);
    }
    worker.turn();
    assert_eq!(
        [subscribed.release(), subscribed.release(), subscribed.release()],
        ["picked 1", "picked 2", "Complete"]
    );
    assert_eq!(other.release(), "Complete");
    // A message to its own channel is a call for it alone, with the same conditions.
    for (one, n, expected) in [(&subscribed, 3, "picked 3"), (&subscribed, 13, "Complete"), (&other, 3, "Complete")] {
        let event =
            Event { group: name("id"), body: body("picked", n), source: Source::Core, received: Instant::now() };
        worker.shard.react_for(&one.member, &one.consumer, &Arc::new(event));
        assert_eq!(one.release(), expected);
    }
}

#[tokio::test]
async fn calls_that_wait_are_bounded_like_frames() {
    for with_frames in [false, true] {
        let node = Node::new();
        let mut worker = node.worker();
        let small = |name: &str| Member::new(worker.connection_with(1000), Some(id(name)), BeforeSubscribe::All);
        let members = [small("asked"), small("silent")];
        let [asked, silent] = members.map(|member| Recorder::open(&node, &worker, member));
        asked.member.tell_gaps(BRIDGED);
        for one in [&asked, &silent] {
            worker.join(&one.member, "a", BRIDGED).await;
        }
        let weight = body("call", 0).weight();
        assert!((20..500).contains(&weight), "{weight}");
        node.typed("a", "call", 0);
        worker.turn();
        assert_eq!([asked.release(), silent.release()], ["call 0", "call 0"]);
        let mut sent = 0;
        while closed(&silent.member).is_none() {
            sent += 1;
            node.typed("a", "call", sent);
            if with_frames {
                node.event("a", sent);
            }
            worker.turn();
            assert!(sent < 1000, "there is a bound");
        }
        let room = 1000 / weight as i64;
        assert!((room..=room + 1).contains(&sent), "{sent} of {weight} bytes");
        assert_eq!((closed(&silent.member), closed(&asked.member)), (Some(1013), None));
        assert_eq!(asked.release(), "Lossy");
        assert!(asked.got().is_empty());
        let lost = node.metrics.drops(DropReason::Held);
        assert!((sent as u64 * 2..=sent as u64 * 4).contains(&lost), "{lost} of {sent}");
        node.typed("a", "call", 500);
        worker.turn();
        assert_eq!([asked.release(), asked.release()], ["call 500", "Complete"]);
    }
}

#[tokio::test]
async fn the_number_of_waiting_calls_is_bounded_too() {
    let node = Node::new();
    let mut worker = node.worker();
    let one = bridged(&node, &worker, "one").await;
    for n in 0..1024 {
        node.typed("a", "c", n);
    }
    worker.turn();
    assert_eq!(closed(&one.member), None);
    node.typed("a", "c", 1024);
    worker.turn();
    assert_eq!(closed(&one.member), Some(1013));
    assert_eq!(node.metrics.drops(DropReason::Held), 1025);
    worker.shard.leave_all(&one.member);
    drop(one);
    assert_eq!(node.metrics.outbox_bytes.get(), 0, "nothing is counted that is gone");
}

#[tokio::test]
async fn calls_count_among_all_that_waits_on_the_node_once_per_event() {
    let node = Node::new();
    let mut worker = node.worker();
    let socket = config::Socket { outbox_total: 60_000, ..config::Socket::default() };
    let server = config::Server { workers: 1, ..config::Server::default() };
    worker.connections = Connections::new(&socket, &server, node.metrics.clone());
    let all =
        [bridged(&node, &worker, "0").await, bridged(&node, &worker, "1").await, bridged(&node, &worker, "2").await];
    let large = |n: &str| {
        let body = [("type", Value::from("call")), ("x", n.repeat(10_000).into())].into_iter().collect();
        Event { group: name("a"), body, source: Source::Memory, received: Instant::now() }
    };
    for n in ["1", "2", "3", "4"] {
        node.dispatcher.take(Signal::Event(large(n)));
        worker.turn();
    }
    assert!(all.iter().all(|one| closed(&one.member).is_none()), "three members share each event");
    for n in ["5", "6", "7"] {
        node.dispatcher.take(Signal::Event(large(n)));
        worker.turn();
    }
    assert!(all.iter().any(|one| closed(&one.member) == Some(1013)));
    all.iter().for_each(|one| worker.shard.leave_all(&one.member));
    drop(all);
    assert_eq!((worker.backlog(), node.metrics.outbox_bytes.get()), (0, 0));
}

#[tokio::test]
async fn the_calls_of_a_member_that_leaves_are_not_made() {
    let node = Node::new();
    let mut worker = node.worker();
    let one = bridged(&node, &worker, "one").await;
    let gone = bridged(&node, &worker, "gone").await;
    node.typed("a", "call", 1);
    worker.accept();
    worker.shard.leave_all(&gone.member);
    worker.turn();
    assert_eq!((*gone.woken.borrow(), *one.woken.borrow()), (0, 1));
    worker.shard.leave_all(&one.member);
    assert_eq!(one.release(), "Complete");
    assert_eq!(node.metrics.drops(DropReason::Closed), 1);
}

#[tokio::test]
async fn a_member_that_is_connecting_is_called_when_its_session_is_open() {
    let node = Node::new();
    let mut worker = node.worker();
    let member = worker.held("id");
    worker.join(&member, "a", BRIDGED).await;
    node.typed("a", "call", 1);
    node.event("a", 2);
    worker.turn();
    let one = Rc::new(Recorder {
        shard: Rc::clone(&worker.shard),
        member,
        consumer: Arc::clone(node.consumers.now().get(BRIDGED).unwrap()),
        woken: RefCell::default(),
    });
    one.serve();
    assert_eq!([one.release(), one.release()], ["call 1", "Complete"]);
    assert_eq!((one.got(), *one.woken.borrow()), (vec!["2".to_owned()], 0));
}

#[tokio::test]
async fn messages_that_are_lost_before_a_call_are_told_after_it() {
    let node = Node::new();
    let mut worker = node.worker();
    let member = Member::new(worker.connection_with(20), Some(id("id")), BeforeSubscribe::All);
    let one = Recorder::open(&node, &worker, member);
    worker.join(&one.member, "a", LOG).await;
    worker.shard.hold(&one.member);
    for n in 100..110 {
        node.event("a", n);
    }
    worker.turn();
    worker.shard.deliver_to(&one.member, ForMember::Close(Ending::event_failed()));
    assert!(matches!(worker.shard.release(&one.member), Released::Close(_)));
    assert_eq!(one.got(), ["106", "107", "108", "109"]);
    assert_eq!(one.release(), "Lossy");
}

#[test]
fn a_member_without_calls_pays_nothing_for_them() {
    assert_eq!(size_of::<Member>(), 96);
    assert_eq!(size_of::<crate::hub::hold::Hold>(), 24);
}

#[tokio::test]
async fn a_member_keeps_nothing_for_its_calls_while_it_has_none() {
    let node = Node::new();
    let mut worker = node.worker();
    let one = bridged(&node, &worker, "one").await;
    node.typed("a", "call", 1);
    worker.turn();
    for expected in ["call 1", "Complete"] {
        assert_eq!(one.release(), expected);
    }
    assert!(one.member.kept.take().is_none());
}
