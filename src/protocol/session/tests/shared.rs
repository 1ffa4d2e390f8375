//! Calls that connections share: who makes them, who gets what and where, and what happens when one fails.

use std::collections::BTreeMap;

use super::{
    calls::{ScriptedBridge, accept, got, line, open, text, until},
    *,
};
use crate::{
    backend::bridge::{BridgeCall, CallEvent, Command, End, Failure, Line},
    telemetry::DropReason,
};

const ROOM: &str = r#"
[server]
allowed_origins = ["https://example.org"]
[backend]
url = "http://127.0.0.1:1/channelgate"
secret = "s"
[bridge]
[[consumer]]
path = "/room/<int:room>/"
django = true
[consumer.on_event.tick]
send = "event.n"
[consumer.on_event.stats]
python_per = "event"
[consumer.on_event.room]
python_per = "room"
[consumer.on_event.user]
python_per = "user"
[consumer.on_event.each]
python_per = "connection"
[consumer.on_event.even]
python_per = "event"
when = "event.n % 2 == 0"
"#;

/// A connection that has joined the group `room`.
struct Peer {
    connection: Rc<Connection>,
    member: Rc<Member>,
    session: Rc<Session>,
}

impl Peer {
    fn got(&self) -> Vec<String> {
        got(&self.connection)
    }

    fn rest(&self) -> bool {
        self.session.queue.borrow().is_none()
    }
}

struct Room {
    bridge: Arc<ScriptedBridge>,
    worker: Worker,
    peers: Vec<Peer>,
}

/// The id of the connection with this number.
fn id(at: usize) -> String {
    format!("{:A<20}", format!("id{at}"))
}

/// Its state after `connect()`.
fn state(at: usize) -> String {
    format!("{}-0", id(at))
}

/// The route, the user and the class of a connection.
type Of = (i64, Option<i64>, &'static str);

impl Room {
    async fn with(all: &[Of]) -> Self {
        Self::of(ROOM, all).await
    }

    async fn of(config: &str, all: &[Of]) -> Self {
        let bridge = Arc::new(ScriptedBridge::default());
        let worker = Worker::new(config, Arc::clone(&bridge) as Arc<dyn Bridge>);
        worker.run();
        let mut room = Self { bridge, worker, peers: Vec::new() };
        for (at, of) in all.iter().enumerate() {
            let peer = room.connect(&format!("id{at}"), *of).await;
            room.peers.push(peer);
        }
        room
    }

    async fn connect(&self, id: &str, of: Of) -> Peer {
        let (peer, accepted) = self.accepted(id, of).await;
        peer.session.opened(None, Some(accepted.call));
        until(|| peer.rest()).await;
        peer
    }

    /// A connection that is in its group, and not open yet.
    async fn accepted(&self, id: &str, (route, user, class): Of) -> (Peer, Accepted) {
        let route: Value = [("room", Value::from(route))].into_iter().collect();
        let (connection, member, session) =
            self.worker.session_at(route, "", ConnectionId::parse(&format!("{id:A<20}")).unwrap());
        connection.handled_by(Rc::clone(&session) as Rc<dyn crate::socket::ConnectionHandler>);
        self.worker.services.shard.hold(&member);
        self.worker.services.shard.announce(&member);
        session.serve_calls(&member);
        let user = user.map_or(Value::Null, |id| [("id", Value::from(id))].into_iter().collect());
        let answering = async {
            let (_, answer) = self.bridge.next().await;
            let group = GroupName::new("room").unwrap();
            let end = End::Open {
                state: format!("{id:A<20}-0").into(),
                user: Some(user),
                expires: None,
                vars: None,
                class: Some(class.into()),
            };
            for line in [line(Command::GroupAdd(group)), accept(), Line::End(end)] {
                answer.send(line).await.unwrap();
            }
        };
        let (accepted, ()) = tokio::join!(session.connect(|| Value::Null), answering);
        (Peer { connection, member, session }, accepted.unwrap().unwrap())
    }

    fn event(&self, kind: &str, number: i64) {
        self.worker.event("room", kind, number);
    }

    async fn settled(&self) {
        until(|| self.peers.iter().all(Peer::rest)).await;
    }

    /// What each connection has got.
    fn all(&self) -> Vec<String> {
        self.peers.iter().map(|peer| peer.got().join(" ")).collect()
    }

    async fn got(&self, expected: &[&str]) {
        for _ in 0..10_000 {
            if self.all() == expected {
                return;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(self.all(), expected);
    }

    fn no_call_waits(&self) {
        assert!(self.bridge.calls.lock().unwrap().is_empty());
    }
}

/// So many connections that differ in nothing.
const fn alike<const N: usize>() -> [Of; N] {
    [(1, Some(7), "Chat"); N]
}

fn is_shared(call: &BridgeCall) -> bool {
    matches!(call.event, CallEvent::Shared(..))
}

#[actix_rt::test]
async fn one_call_is_made_and_each_connection_gets_its_frames_in_the_place_of_the_event() {
    let room = Room::with(&alike::<3>()).await;
    for (kind, number) in [("tick", 1), ("stats", 2), ("tick", 3), ("even", 5), ("even", 4), ("tick", 6)] {
        room.event(kind, number);
    }
    let (call, answer) = room.bridge.next().await;
    assert!(is_shared(&call), "{call:?}");
    let state = format!("{}-0", call.connection);
    assert_eq!((call.seq, call.state.as_deref()), (1, Some(state.as_str())), "with its own state");
    answer.send(text("a")).await.unwrap();
    room.got(&["1 a"; 3]).await;
    answer.send(text("b")).await.unwrap();
    room.got(&["1 a b"; 3]).await;
    room.no_call_waits();
    answer.send(open("next")).await.unwrap();
    let (call, answer) = room.bridge.next().await;
    assert!(is_shared(&call));
    room.got(&["1 a b 3"; 3]).await;
    answer.send(open("next")).await.unwrap();
    room.got(&["1 a b 3 6"; 3]).await;
    room.settled().await;
    room.no_call_waits();
    assert!(room.peers.iter().all(|peer| !peer.member.is_held()));
    let metrics = room.worker.services.metrics.render();
    assert!(metrics.contains("bridge_sharers_total{per=\"event\"} 6"), "{metrics}");
}

#[actix_rt::test]
async fn who_shares_a_call_is_what_the_configuration_says() {
    let all = [
        (1, Some(7), "Chat"),
        (1, Some(8), "Chat"),
        (2, Some(7), "Chat"),
        (2, None, "Chat"),
        (2, None, "Chat"),
        (2, Some(7), "News"),
    ];
    for (kind, expected) in
        [("stats", [5, 1].as_slice()), ("room", &[2, 3, 1]), ("user", &[2, 1, 1, 1, 1]), ("each", &[1; 6])]
    {
        let room = Room::with(&all).await;
        room.event(kind, 1);
        let mut calls = Vec::new();
        for number in 0..expected.len() {
            let (call, answer) = room.bridge.next().await;
            assert_eq!(is_shared(&call), kind != "each");
            answer.send(text(&number.to_string())).await.unwrap();
            answer.send(open("next")).await.unwrap();
            calls.push(answer);
        }
        room.settled().await;
        room.no_call_waits();
        let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
        room.all().into_iter().for_each(|got| *sizes.entry(got).or_default() += 1);
        let mut sizes: Vec<usize> = sizes.into_values().collect();
        let mut expected = expected.to_vec();
        sizes.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sizes, expected, "{kind}");
    }
}

#[actix_rt::test]
async fn a_connection_that_is_busy_holds_up_nobody_and_gets_everything_in_its_place() {
    let room = Room::with(&alike::<3>()).await;
    room.peers[0].session.received(Incoming::Text("hello"), None);
    let (_, own) = room.bridge.next().await;
    for (kind, number) in [("tick", 1), ("stats", 2), ("tick", 3)] {
        room.event(kind, number);
    }
    let (call, answer) = room.bridge.next().await;
    assert_ne!(*call.connection, *id(0), "it makes no call while it waits for another");
    answer.send(text("shared")).await.unwrap();
    answer.send(open("next")).await.unwrap();
    room.got(&["", "1 shared 3", "1 shared 3"]).await;
    own.send(text("own")).await.unwrap();
    room.got(&["own", "1 shared 3", "1 shared 3"]).await;
    own.send(open("next")).await.unwrap();
    room.got(&["own 1 shared 3", "1 shared 3", "1 shared 3"]).await;
}

#[actix_rt::test]
async fn a_connection_that_opens_when_the_call_is_over_gets_everything_in_its_place() {
    let mut room = Room::with(&alike::<2>()).await;
    let (peer, accepted) = room.accepted("late", (1, Some(7), "Chat")).await;
    for (kind, number) in [("tick", 1), ("stats", 2), ("tick", 3), ("stats", 4), ("tick", 5)] {
        room.event(kind, number);
    }
    for number in ["two", "four"] {
        let (_, answer) = room.bridge.next().await;
        answer.send(text(number)).await.unwrap();
        answer.send(open("next")).await.unwrap();
    }
    room.got(&["1 two 3 four 5"; 2]).await;
    room.settled().await;
    assert_eq!(peer.got(), Vec::<String>::new());
    peer.session.opened(None, Some(accepted.call));
    room.peers.push(peer);
    room.got(&["1 two 3 four 5"; 3]).await;
    room.settled().await;
    room.no_call_waits();
    room.event("tick", 6);
    room.got(&["1 two 3 four 5 6"; 3]).await;
    assert!(room.peers.iter().all(|peer| !peer.member.is_held()));
    let metrics = room.worker.services.metrics.render();
    assert!(metrics.contains("bridge_sharers_total{per=\"event\"} 6"), "{metrics}");
}

#[actix_rt::test]
async fn a_connection_that_opens_when_there_are_too_many_calls_gets_what_follows() {
    let mut room = Room::of(&ROOM.replace("[bridge]", "[bridge]\nmax_calls_per_event = 1"), &alike::<1>()).await;
    let (peer, accepted) = room.accepted("late", (1, Some(8), "Chat")).await;
    for (kind, number) in [("user", 1), ("tick", 2), ("user", 3), ("tick", 4)] {
        room.event(kind, number);
    }
    for number in ["one", "three"] {
        let (_, answer) = room.bridge.next().await;
        answer.send(text(number)).await.unwrap();
        answer.send(open("next")).await.unwrap();
    }
    room.got(&["one 2 three 4"]).await;
    // Neither of its events needs a wait.
    peer.session.opened(None, Some(accepted.call));
    room.peers.push(peer);
    room.got(&["one 2 three 4", "2 4"]).await;
    room.settled().await;
    room.no_call_waits();
    assert!(!room.peers[1].member.is_held());
    assert_eq!(room.worker.services.metrics.drops(DropReason::Calls), 2);
}

#[actix_rt::test]
async fn connections_for_which_there_is_no_call_get_what_follows_at_once() {
    let all = [(1, Some(7), "Chat"), (1, Some(8), "Chat"), (1, Some(9), "Chat")];
    let room = Room::of(&ROOM.replace("[bridge]", "[bridge]\nmax_calls_per_event = 1"), &all).await;
    room.event("user", 1);
    room.event("tick", 2);
    // The two for whom there is no call wait for nothing.
    until(|| room.all().iter().filter(|got| *got == "2").count() == 2).await;
    room.event("stats", 3);
    room.event("tick", 4);
    for _ in 0..2 {
        let (call, answer) = room.bridge.next().await;
        let CallEvent::Shared(event, _) = &call.event else { panic!("{call:?}") };
        let Some(Value::Int(number)) = event.body.get("n") else { panic!("{event:?}") };
        answer.send(text(&format!("call {number}"))).await.unwrap();
        answer.send(open("next")).await.unwrap();
    }
    let expected = ["2 call 3 4", "2 call 3 4", "call 1 2 call 3 4"];
    until(|| {
        let mut all = room.all();
        all.sort();
        all == expected
    })
    .await;
    room.settled().await;
    room.no_call_waits();
    assert!(room.peers.iter().all(|peer| !peer.member.is_held()));
    assert_eq!(room.worker.services.metrics.drops(DropReason::Calls), 2);
}

#[actix_rt::test]
async fn frames_of_a_shared_call_that_wait_for_slow_clients_are_counted_once_for_a_worker() {
    let room = Room::with(&alike::<6>()).await;
    room.event("stats", 1);
    let (_, answer) = room.bridge.next().await;
    for piece in ["x", "y"] {
        answer.send(text(&piece.repeat(200_000))).await.unwrap();
    }
    answer.send(open("next")).await.unwrap();
    room.settled().await;
    let metrics = room.worker.services.metrics.clone();
    // The gauge is exact to 64 KiB. What the call kept for those who come late is given back.
    let is_counted_once = || (330_000..470_000).contains(&metrics.outbox_bytes.get());
    until(is_counted_once).await;
    assert!(room.peers.iter().all(|peer| peer.connection.waiting().len() > 400_000));
}

#[actix_rt::test]
async fn what_a_consumer_does_to_its_connection_it_does_to_all_that_share_the_call() {
    let room = Room::with(&alike::<3>()).await;
    room.event("stats", 1);
    let (_, answer) = room.bridge.next().await;
    let (news, group) = (GroupName::new("news").unwrap(), GroupName::new("room").unwrap());
    let consumer = room.worker.consumers.iter().next().unwrap().id();
    let shard = &room.worker.services.shard;
    let are_in = |name: &GroupName| room.peers.iter().filter(|peer| shard.holds(&peer.member, name, consumer)).count();
    answer.send(line(Command::GroupAdd(news.clone()))).await.unwrap();
    until(|| are_in(&news) == 3).await;
    answer.send(line(Command::GroupDiscard(group.clone()))).await.unwrap();
    until(|| are_in(&group) == 0).await;
    answer.send(line(Command::Close { code: 4001, reason: "over".to_owned() })).await.unwrap();
    room.got(&["4001"; 3]).await;
    answer.send(open("next")).await.unwrap();
    room.settled().await;
    room.peers.iter().for_each(|peer| peer.session.gone());
    let states: Vec<_> = room.bridge.disconnects().into_iter().map(|(_, state, _)| state.unwrap()).collect();
    assert_eq!(states, ["next".to_owned(), state(1), state(2)], "each with its own state");
}

#[actix_rt::test]
async fn a_call_that_fails_ends_all_its_connections_as_one_of_their_own_would() {
    let failed = |failure| Line::End(End::Failed(failure));
    let refused = |kind: &str| Line::End(End::Refused { kind: kind.to_owned(), text: "x".to_owned() });
    // The close code, and of whom `disconnect()` is called.
    for (end, code, disconnects) in [
        (Line::End(End::Error { kind: "ValueError".to_owned(), text: "x".to_owned() }), "1011", 0),
        (refused("python_per"), "1011", 0),
        (failed(Failure::Broken("cut".to_owned())), "1011", 1),
        (failed(Failure::Misconfigured("403".to_owned())), "1013", 1),
        (failed(Failure::Away { reason: "refused".to_owned(), retry_after: None }), "1013", 2),
        (failed(Failure::Overloaded), "1013", 2),
    ] {
        let room = Room::with(&alike::<2>()).await;
        room.event("stats", 1);
        room.event("tick", 2);
        let (_, answer) = room.bridge.next().await;
        answer.send(end.clone()).await.unwrap();
        room.got(&[code; 2]).await;
        room.settled().await;
        room.peers.iter().for_each(|peer| peer.session.gone());
        room.no_call_waits();
        assert_eq!(room.bridge.disconnects().len(), disconnects, "{end:?}");
    }
}

#[actix_rt::test]
async fn a_consumer_that_stops_is_called_no_more_for_any_of_them() {
    let room = Room::with(&alike::<2>()).await;
    room.event("stats", 1);
    let (_, answer) = room.bridge.next().await;
    answer.send(line(Command::GroupAdd(GroupName::new("news").unwrap()))).await.unwrap();
    answer.send(Line::End(End::Stopped)).await.unwrap();
    room.settled().await;
    let outbox = &room.worker.services.metrics.outbox_bytes;
    until(|| outbox.get() == 0).await;
    room.event("tick", 2);
    room.peers.iter().for_each(|peer| peer.session.gone());
    assert_eq!((room.all(), room.bridge.disconnects()), (vec![String::new(); 2], vec![]));
}

#[actix_rt::test]
async fn another_connection_makes_the_call_if_only_the_first_one_cannot() {
    let too_large = Line::End(End::Failed(Failure::TooLarge(9)));
    let refused = |kind: &str| Line::End(End::Refused { kind: kind.to_owned(), text: "x".to_owned() });
    let restart = Line::End(End::Restart("renamed".to_owned()));
    for (end, code) in
        [(restart, "1012"), (refused("signature"), "1011"), (refused("replay"), "1011"), (too_large, "1009")]
    {
        let room = Room::with(&alike::<3>()).await;
        room.event("stats", 1);
        let (first, answer) = room.bridge.next().await;
        answer.send(end).await.unwrap();
        let (second, answer) = room.bridge.next().await;
        assert_ne!(first.connection, second.connection);
        answer.send(text("a")).await.unwrap();
        answer.send(open("next")).await.unwrap();
        room.settled().await;
        for (at, got) in room.all().into_iter().enumerate() {
            assert_eq!(got, if *first.connection == *id(at) { code } else { "a" });
        }
    }
}

#[actix_rt::test]
async fn a_call_goes_on_for_the_others_when_the_client_that_made_it_goes() {
    let room = Room::with(&alike::<3>()).await;
    room.event("stats", 1);
    let (call, answer) = room.bridge.next().await;
    answer.send(text("a")).await.unwrap();
    room.got(&["a"; 3]).await;
    let at =
        room.peers.iter().position(|peer| peer.member.id().is_some_and(|id| *id.text() == *call.connection)).unwrap();
    let other = (at + 1) % 3;
    room.peers[at].session.gone();
    // Who only waits for it is gone at once, and hears of it with its own state.
    room.peers[other].session.gone();
    until(|| room.bridge.disconnects().len() == 1).await;
    assert_eq!(room.bridge.disconnects()[0].1, Some(state(other)));
    answer.send(text("b")).await.unwrap();
    let last = &room.peers[3 - at - other];
    until(|| last.got() == ["a", "b"]).await;
    answer.send(open("next")).await.unwrap();
    until(|| room.bridge.disconnects().len() == 2).await;
    assert_eq!(room.bridge.disconnects()[1].1.as_deref(), Some("next"));
    room.settled().await;
}

#[actix_rt::test]
async fn a_connection_that_comes_after_all_it_missed_had_no_room_is_closed() {
    let room = Room::with(&alike::<2>()).await;
    room.peers[0].session.received(Incoming::Text("hello"), None);
    let (_, own) = room.bridge.next().await;
    room.event("stats", 1);
    let (_, answer) = room.bridge.next().await;
    let limit = room.peers[1].connection.limits().outbox;
    let (piece, pieces) = ("x".repeat(100), limit / 105);
    for _ in 0..pieces {
        answer.send(text(&piece)).await.unwrap();
    }
    answer.send(open("next")).await.unwrap();
    until(|| room.peers[1].rest()).await;
    let waiting = room.worker.services.metrics.outbox_bytes.get();
    assert!(waiting > limit as i64 * 3 / 2, "what is kept for the other one is counted: {waiting}");
    room.event("stats", 2);
    own.send(open("next")).await.unwrap();
    until(|| !room.peers[0].got().is_empty()).await;
    assert_eq!(room.peers[0].got(), ["1013"]);
    let (call, _answer) = room.bridge.next().await;
    assert_eq!(*call.connection, *id(1), "it makes no further call");
    room.peers[0].session.gone();
    assert_eq!(room.bridge.disconnects().len(), 1);
}
