//! What an event asks of a connection, carried out by its session: to leave and join groups, and to close.

use super::{calls::until, *};
use crate::telemetry::DropReason;

const ROOMS: &str = r#"
[[consumer]]
path = "/rooms/"
auth = ["jwt"]
groups = ["lobby"]
max_rooms = 2
[consumer.on_event]
tick = { send = "event.n" }
move = { send = "event.n", leave = "{{ group }}", join = "room_{{ event.n }}" }
more = { send = "event.n", join = "more_{{ event.n }}", close = { code = 4000, reason = "full" } }
mine = { send = "event.n", join = "of_{{ vars.name }}" }
bye = { send = "event.n", close = { code = 4001, reason = "bye {{ event.n }}" } }
[consumer.on_message.name]
set.name = "message.name"
[consumer.on_message.join]
join = "asked_{{ message.n }}"
reply = "'joined'"
"#;

const BRIDGED: &str = r#"
[[consumer]]
path = "/rooms/"
django = true
export = ["self.name"]
on_event.mine = { send = "event.n", join = "of_{{ vars.name }}" }
"#;

/// What a client has been sent; frames are short here.
fn texts(connection: &Connection) -> Vec<String> {
    let bytes = connection.waiting();
    let mut rest = bytes.as_slice();
    let mut texts = Vec::new();
    while let [first, length, more @ ..] = rest {
        let (content, after) = more.split_at(usize::from(*length));
        texts.push(match (*first & 0x0f, content) {
            (8, [high, low, reason @ ..]) => {
                format!("close {} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason))
            }
            _ => String::from_utf8_lossy(content).into_owned(),
        });
        rest = after;
    }
    texts
}

struct Client {
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    member: Rc<Member>,
    session: Rc<Session>,
}

impl Client {
    /// An open client in the group "lobby".
    async fn of(worker: &Rc<Worker>, id: &str) -> Self {
        let (connection, member, session) = worker.session("", ConnectionId::parse(&format!("{id:A<20}")).unwrap());
        worker.services.shard.hold(&member);
        connection.handled_by(Rc::clone(&session) as Rc<dyn crate::socket::ConnectionHandler>);
        session.serve_calls(&member);
        let consumer = worker.consumers.iter().next().unwrap().id();
        worker.services.shard.join(&member, &GroupName::new("lobby").unwrap(), consumer).await.unwrap();
        session.joined();
        Self { worker: Rc::clone(worker), connection, member, session }
    }

    async fn new() -> Self {
        let worker = Rc::new(Worker::new(ROOMS, Arc::new(NoBridge)));
        let client = Self::of(&worker, "one").await;
        client.session.opened(None, None);
        worker.run();
        client
    }

    /// The client has got these texts, and its session is at rest.
    async fn has(&self, expected: &[&str]) {
        until(|| texts(&self.connection) == expected && self.session.queue.borrow().is_none()).await;
    }

    /// Its groups.
    fn groups(&self) -> Vec<String> {
        let consumer = self.worker.consumers.iter().next().unwrap().id();
        let names = self.worker.services.shard.registry().names(|of| of == consumer);
        let holds = |name: &GroupName| self.worker.services.shard.holds(&self.member, name, consumer);
        let mut own: Vec<String> = names.into_iter().filter(holds).map(|name| name.as_str().to_owned()).collect();
        own.sort();
        own
    }

    fn says(&self, text: &str) {
        self.session.received(Incoming::Text(text), None);
    }
}

#[actix_rt::test]
async fn an_event_moves_a_connection_from_its_group_to_another() {
    let client = Client::new().await;
    let other = Client::of(&client.worker, "other").await;
    other.session.opened(None, None);
    for (group, kind, n) in [("lobby", "tick", 1), ("lobby", "move", 2), ("lobby", "tick", 3)] {
        client.worker.event(group, kind, n);
    }
    // What came to the old group before the session left it still comes, as in Channels.
    client.has(&["1", "2", "3"]).await;
    other.has(&["1", "2", "3"]).await;
    assert_eq!([client.groups(), other.groups()], [["room_2"], ["room_2"]]);
    client.worker.event("lobby", "tick", 4);
    client.worker.event("room_2", "tick", 5);
    client.has(&["1", "2", "3", "5"]).await;
    // Where it is already, and out of a group that it is not in.
    client.worker.event("room_2", "move", 2);
    client.has(&["1", "2", "3", "5", "2"]).await;
    assert_eq!(client.groups(), ["room_2"]);
    for n in 3..200 {
        client.worker.event(&format!("room_{}", n - 1), "move", n);
        until(|| client.groups() == [format!("room_{n}")]).await;
    }
    client.session.gone();
    assert_eq!(client.groups(), Vec::<String>::new());
}

#[actix_rt::test]
async fn an_event_closes_a_connection_after_its_frame_and_nothing_follows() {
    let client = Client::new().await;
    for (kind, n) in [("tick", 1), ("bye", 2), ("tick", 3), ("bye", 4), ("move", 5)] {
        client.worker.event("lobby", kind, n);
    }
    client.has(&["1", "2", "close 4001 bye 2"]).await;
    assert_eq!(client.groups(), Vec::<String>::new(), "it leaves at once");
    client.worker.event("lobby", "tick", 6);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(texts(&client.connection), ["1", "2", "close 4001 bye 2"]);
    client.session.gone();
    assert_eq!(client.worker.services.metrics.drops(DropReason::Mapping), 0);
}

#[actix_rt::test]
async fn an_outcome_reads_what_the_connection_has_become() {
    let client = Client::new().await;
    client.worker.event("lobby", "mine", 1);
    client.has(&["1"]).await;
    assert_eq!(client.groups(), ["lobby"], "it has no name yet: its frame is sent, and it joins nothing");
    assert_eq!(client.worker.services.metrics.drops(DropReason::Mapping), 1);
    client.says(r#"{"type": "name", "name": "ann"}"#);
    client.worker.event("lobby", "mine", 2);
    client.has(&["1", "2"]).await;
    assert_eq!(client.groups(), ["lobby", "of_ann"]);
}

#[actix_rt::test]
async fn what_an_event_joins_has_the_limits_of_a_step_and_ends_as_a_step_does() {
    let client = Client::new().await;
    client.says(r#"{"type": "join", "n": 1}"#);
    client.has(&["\"joined\""]).await;
    client.says(r#"{"type": "join", "n": 2}"#);
    client.has(&["\"joined\"", "\"joined\""]).await;
    client.worker.event("lobby", "more", 3);
    // Nothing after a failed join is done.
    client.has(&["\"joined\"", "\"joined\"", "3"]).await;
    assert_eq!(client.groups(), ["asked_1", "asked_2", "lobby"]);
    assert!(client.worker.services.metrics.render().contains("{reason=\"too_many_rooms\"} 1"));
}

#[actix_rt::test]
async fn an_event_that_comes_before_the_connection_is_open_is_carried_out_when_it_is() {
    let worker = Rc::new(Worker::new(ROOMS, Arc::new(NoBridge)));
    worker.run();
    let [moved, closed] = [Client::of(&worker, "one").await, Client::of(&worker, "two").await];
    worker.event("lobby", "tick", 1);
    worker.event("lobby", "move", 2);
    worker.event("lobby", "tick", 3);
    worker.event("lobby", "bye", 4);
    until(|| worker.services.shard.registry().groups() == 1).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!((texts(&moved.connection), moved.groups()), (vec![], vec!["lobby".to_owned()]));
    moved.session.opened(None, None);
    moved.has(&["1", "2", "3", "4", "close 4001 bye 4"]).await;
    closed.session.gone();
    closed.session.opened(None, None);
    assert_eq!(texts(&closed.connection), Vec::<String>::new());
}

#[actix_rt::test]
async fn a_consumer_in_django_ends_on_an_outcome_that_cannot_be_said() {
    let worker = Rc::new(Worker::with_django(BRIDGED, Arc::new(NoBridge)));
    let client = Client::of(&worker, "one").await;
    client.session.opened(None, None);
    worker.run();
    worker.event("lobby", "mine", 1);
    until(|| texts(&client.connection) == ["1", "close 1011 an event could not be handled"]).await;
    assert_eq!(worker.services.metrics.drops(DropReason::Mapping), 1);
}
