//! Calls of the project's own consumer: their order, and what happens to a connection when one fails.

use std::{sync::Mutex, time::Duration};

use tokio::sync::mpsc;

use super::*;
use crate::{
    backend::bridge::{Bridge, BridgeCall, CallEvent, Command, End, Failure, Line, Lines},
    event::{Fingerprint, Payload},
    hub::{DisconnectTarget, Disconnection},
    protocol::refusal::Refusal,
    socket::close::Ending,
};

const CHAT: &str = r#"
[[consumer]]
path = "/chat/"
django = true
on_event.tick = { send = "event.n" }
"#;

const ID: &str = "k2Jx-AAAAAAAAAAAAAA_";

/// Hands each call to the test, which answers it line by line.
#[derive(Default)]
pub(super) struct ScriptedBridge {
    pub calls: Mutex<Vec<(BridgeCall, mpsc::Sender<Line>)>>,
    disconnects: Mutex<Vec<BridgeCall>>,
}

impl Bridge for ScriptedBridge {
    fn call(&self, call: BridgeCall) -> Lines {
        let (sender, lines) = Lines::new();
        self.calls.lock().unwrap().push((call, sender));
        lines
    }

    fn disconnect(&self, call: BridgeCall) {
        self.disconnects.lock().unwrap().push(call);
    }
}

impl ScriptedBridge {
    /// The next call, once the session has made it.
    pub async fn next(&self) -> (BridgeCall, mpsc::Sender<Line>) {
        until(|| !self.calls.lock().unwrap().is_empty()).await;
        self.calls.lock().unwrap().remove(0)
    }

    pub fn disconnects(&self) -> Vec<(u64, Option<String>, u16)> {
        let row = |call: &BridgeCall| {
            let CallEvent::Disconnect { code, .. } = call.event else { panic!("{call:?}") };
            (call.seq, call.state.as_deref().map(str::to_owned), code)
        };
        self.disconnects.lock().unwrap().iter().map(row).collect()
    }
}

/// Lets the session's tasks run until something is so.
pub(super) async fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never became so");
}

struct Client {
    bridge: Arc<ScriptedBridge>,
    connection: Rc<Connection>,
    session: Rc<Session>,
    worker: Worker,
}

impl Client {
    fn new() -> Self {
        let bridge = Arc::new(ScriptedBridge::default());
        let worker = Worker::with_django(CHAT, Arc::clone(&bridge) as Arc<dyn Bridge>);
        let (connection, member, session) = worker.session("", ConnectionId::parse(ID).unwrap());
        worker.services.shard.hold(&member);
        worker.services.shard.announce(&member);
        connection.handled_by(Rc::clone(&session) as Rc<dyn crate::socket::ConnectionHandler>);
        session.serve_calls(&member);
        Self { bridge, connection, session, worker }
    }

    /// Answers `connect()` with these lines; the answer goes on while its sender lives.
    async fn connect(&self, lines: Vec<Line>) -> (Result<Option<Accepted>, Refusal>, mpsc::Sender<Line>) {
        let answering = async {
            let (call, answer) = self.bridge.next().await;
            assert!(matches!(call.event, CallEvent::Connect(_)) && call.state.is_none() && call.seq == 0, "{call:?}");
            for line in lines {
                answer.send(line).await.unwrap();
            }
            answer
        };
        tokio::join!(self.session.connect(|| Value::Null), answering)
    }

    /// A client that is accepted, with the state `0`.
    async fn connected() -> Self {
        let client = Self::new();
        let (accepted, _) = client.connect(vec![accept(), open("0")]).await;
        let accepted = accepted.unwrap().unwrap();
        client.session.opened(None, Some(accepted.call));
        until(|| client.session.waiting() == 0 && client.session.queue.borrow().is_none()).await;
        client
    }

    fn got(&self) -> Vec<String> {
        got(&self.connection)
    }

    fn sends(&self, text: &str) {
        self.session.received(Incoming::Text(text), None);
    }
}

/// What the client has been sent, as text; frames are short here.
pub(super) fn got(connection: &Connection) -> Vec<String> {
    let bytes = connection.waiting();
    let mut rest = bytes.as_slice();
    let mut texts = Vec::new();
    while let [first, length, more @ ..] = rest {
        let (text, after) = more.split_at(usize::from(*length));
        let close = *first & 0x0f == 8;
        let code = || u16::from_be_bytes([text[0], text[1]]).to_string();
        texts.push(if close { code() } else { String::from_utf8_lossy(text).into_owned() });
        rest = after;
    }
    texts
}

pub(super) fn line(command: Command) -> Line {
    Line::Command(command)
}

pub(super) fn text(text: &str) -> Line {
    line(Command::Send(Payload::Text(text.to_owned().into())))
}

pub(super) fn open(state: &str) -> Line {
    Line::End(End::Open { state: state.into(), user: None, expires: None, vars: None, class: None })
}

pub(super) fn accept() -> Line {
    line(Command::Accept { subprotocol: None, headers: Vec::new() })
}

#[actix_rt::test]
async fn a_message_waits_for_the_call_of_the_one_before_and_gets_its_state() {
    let client = Client::connected().await;
    client.sends("a");
    client.sends("b");
    let (first, answer) = client.bridge.next().await;
    assert_eq!((first.seq, first.state.as_deref(), &*first.connection), (1, Some("0"), ID));
    assert!(matches!(&first.event, CallEvent::Text(text) if **text == *"a"), "{first:?}");
    answer.send(text("working")).await.unwrap();
    until(|| client.got() == ["working"]).await;
    assert!(client.bridge.calls.lock().unwrap().is_empty(), "the second waits");
    answer.send(text("done")).await.unwrap();
    answer.send(open("1")).await.unwrap();
    let (second, answer) = client.bridge.next().await;
    assert_eq!((second.seq, second.state.as_deref()), (2, Some("1")));
    assert_eq!(client.got(), ["working", "done"]);
    answer.send(open("2")).await.unwrap();
    until(|| client.session.queue.borrow().is_none()).await;
    client.session.gone();
    assert_eq!(client.bridge.disconnects(), [(3, Some("2".to_owned()), 1006)]);
}

#[actix_rt::test]
async fn a_client_that_sends_faster_than_django_answers_is_read_no_further() {
    for (message, most) in [("a".to_owned(), 16), ("a".repeat(32 << 10), 8)] {
        let client = Client::connected().await;
        client.sends("first");
        let (_, answer) = client.bridge.next().await;
        for _ in 1..most {
            client.sends(&message);
            assert!(!client.connection.is_held(), "{most}");
        }
        client.sends(&message);
        assert!(client.connection.is_held(), "{most}");
        answer.send(open("1")).await.unwrap();
        for number in 2..2 + most {
            let (call, answer) = client.bridge.next().await;
            assert_eq!(call.seq, number, "nothing is dropped");
            answer.send(open("s")).await.unwrap();
        }
        until(|| client.session.queue.borrow().is_none()).await;
        assert!(!client.connection.is_held());
    }
}

#[actix_rt::test]
async fn a_client_that_is_refused_is_disconnected_if_its_consumer_goes_on() {
    let refused = |refusal: Result<Option<Accepted>, Refusal>| match refusal {
        Err(Refusal::Bridge(refusal)) => format!("{refusal:?}"),
        other => panic!("{:?}", other.map(|_| ())),
    };
    let close = || line(Command::Close { code: 4001, reason: String::new() });
    let error = || Line::End(End::Error { kind: "ValueError".to_owned(), text: "x".to_owned() });
    for (lines, expected, disconnects) in [
        (vec![close(), open("0")], "Closed", 1),
        (vec![close(), Line::End(End::Stopped)], "Closed", 0),
        (vec![error()], "Error", 0),
        (vec![text("early")], "Broken", 0),
    ] {
        let client = Client::new();
        let refusal = refused(client.connect(lines).await.0);
        assert!(refusal.starts_with(expected), "{refusal}");
        assert!(client.session.queue.borrow().is_none());
        client.session.gone();
        assert_eq!(client.bridge.disconnects().len(), disconnects, "{expected}");
    }
}

#[actix_rt::test]
async fn each_way_to_fail_has_its_close_code_and_only_a_known_state_is_disconnected() {
    let failed = |failure| Line::End(End::Failed(failure));
    let away = || failed(Failure::Away { reason: "refused".to_owned(), retry_after: None });
    let error = || Line::End(End::Error { kind: "ValueError".to_owned(), text: "x".to_owned() });
    let refused = || Line::End(End::Refused { kind: "state".to_owned(), text: "x".to_owned() });
    let unseen = [(1, Some("0".to_owned()), 1006)];
    for (end, code, disconnects) in [
        (error(), "1011", &[][..]),
        (refused(), "1011", &[]),
        (Line::End(End::Restart("renamed".to_owned())), "1012", &[]),
        (failed(Failure::Broken("cut".to_owned())), "1011", &[]),
        (failed(Failure::Misconfigured("403".to_owned())), "1013", &[]),
        (away(), "1013", &unseen),
        (failed(Failure::Overloaded), "1013", &unseen),
        (failed(Failure::TooLarge(9)), "1009", &unseen),
    ] {
        let client = Client::connected().await;
        client.sends("a");
        client.sends("not handled");
        let (_, answer) = client.bridge.next().await;
        answer.send(end).await.unwrap();
        until(|| client.got() == [code]).await;
        client.session.gone();
        until(|| client.session.queue.borrow().is_none()).await;
        assert_eq!(client.bridge.disconnects(), disconnects, "{code}");
    }
}

#[actix_rt::test]
async fn a_consumer_that_stopped_is_called_no_more_and_its_connection_stays() {
    let client = Client::connected().await;
    client.sends("a");
    let (_, answer) = client.bridge.next().await;
    answer.send(Line::End(End::Stopped)).await.unwrap();
    until(|| client.session.queue.borrow().is_none()).await;
    client.sends("b");
    client.session.gone();
    assert!(client.bridge.calls.lock().unwrap().is_empty() && client.bridge.disconnects().is_empty());
    assert_eq!(client.got(), Vec::<String>::new());
}

#[actix_rt::test]
async fn no_event_waits_for_a_consumer_that_has_stopped() {
    let client = Client::new();
    client.worker.run();
    let group = GroupName::new("room").unwrap();
    let (accepted, _) = client.connect(vec![line(Command::GroupAdd(group)), accept(), open("0")]).await;
    client.session.opened(None, Some(accepted.unwrap().unwrap().call));
    client.sends("a");
    let (_, answer) = client.bridge.next().await;
    answer.send(Line::End(End::Stopped)).await.unwrap();
    until(|| client.session.queue.borrow().is_none()).await;
    (0..1100).for_each(|number| client.worker.event("room", "chat.message", number));
    client.worker.event("room", "tick", 1);
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
    assert!(client.bridge.calls.lock().unwrap().is_empty());
    assert_eq!(client.got(), Vec::<String>::new(), "under Daphne it stays, and nothing comes");
}

#[actix_rt::test]
async fn a_user_who_is_disconnected_while_a_call_runs_is_not_let_in_by_it() {
    let of_seven = || Disconnection {
        target: DisconnectTarget::Principal(Fingerprint::of_user("7")),
        until: Instant::now(),
        ending: Ending::revoked(),
    };
    let named = || {
        let user = std::iter::once(("id", Value::from("7"))).collect();
        Line::End(End::Open { state: "0".into(), user: Some(user), expires: None, vars: None, class: None })
    };
    // Its login is part of connect(), or of a message.
    for is_connect in [true, false] {
        let client = Client::new();
        let (accepted, mut answer) = client.connect(vec![accept()]).await;
        client.session.opened(None, Some(accepted.unwrap().unwrap().call));
        if !is_connect {
            answer.send(open("0")).await.unwrap();
            until(|| client.session.queue.borrow().is_none()).await;
            client.sends("log me in");
            answer = client.bridge.next().await.1;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        client.worker.services.shard.disconnect(&[of_seven()]);
        answer.send(named()).await.unwrap();
        until(|| client.session.queue.borrow().is_none()).await;
        assert_eq!(client.got().len(), 1, "{is_connect}: {:?}", client.got());
    }
}

#[actix_rt::test]
async fn what_no_answer_can_have_is_an_error_of_the_consumer_and_nothing_of_it_is_left_out() {
    let accepts = |subprotocol: Option<&str>, header: (&str, &str)| {
        let headers = vec![(header.0.to_owned(), header.1.to_owned())];
        vec![line(Command::Accept { subprotocol: subprotocol.map(str::to_owned), headers }), open("0")]
    };
    let deny = |pieces: usize| {
        let piece = || line(Command::DenyBody(vec![b'x'; 100_000].into()));
        let deny = line(Command::Deny { status: 403, headers: Vec::new() });
        std::iter::once(deny).chain(std::iter::repeat_with(piece).take(pieces)).chain([open("0")]).collect()
    };
    for (lines, expected) in [
        (accepts(Some("v2"), ("x-a", "\u{e9}")), "Ok"),
        (accepts(Some(""), ("x-a", "1")), "Ok"),
        (accepts(Some("a\r\nx-b: 1"), ("x-a", "1")), "Error"),
        (accepts(Some("\u{e9}"), ("x-a", "1")), "Error"),
        (accepts(None, ("x-a", "1\r\nx-b: 1")), "Error"),
        (accepts(None, ("x a", "1")), "Error"),
        (accepts(None, ("x-a", "\u{20ac}")), "Error"),
        (deny(10), "Denied"),
        (deny(11), "Error"),
    ] {
        let client = Client::new();
        let got = match client.connect(lines.clone()).await.0 {
            Ok(accepted) => {
                assert_ne!(accepted.and_then(|accepted| accepted.subprotocol).as_deref(), Some(""));
                "Ok".to_owned()
            }
            Err(Refusal::Bridge(refusal)) => format!("{refusal:?}"),
            Err(_) => "another refusal".to_owned(),
        };
        assert!(got.starts_with(expected), "{got:.80}");
    }
}

#[actix_rt::test]
async fn a_call_goes_on_when_its_client_goes_and_then_the_client_is_disconnected() {
    let client = Client::connected().await;
    let group = GroupName::new("room").unwrap();
    client.sends("a");
    let (_, answer) = client.bridge.next().await;
    client.session.gone();
    let message = std::iter::once(("type", Value::from("chat.message"))).collect();
    answer.send(line(Command::GroupSend { group, message })).await.unwrap();
    answer.send(text("lost")).await.unwrap();
    answer.send(open("1")).await.unwrap();
    until(|| client.session.queue.borrow().is_none()).await;
    assert_eq!(client.bridge.disconnects(), [(2, Some("1".to_owned()), 1006)]);
    drop(client.worker);
}

#[actix_rt::test]
async fn a_call_that_does_not_end_is_given_up_after_the_client_has_gone() {
    tokio::time::pause();
    let client = Client::connected().await;
    client.sends("a");
    let (_, answer) = client.bridge.next().await;
    client.session.gone();
    tokio::time::sleep(FORGET - Duration::from_millis(100)).await;
    assert!(!answer.is_closed());
    tokio::time::sleep(Duration::from_millis(200)).await;
    until(|| answer.is_closed()).await;
    assert!(client.bridge.disconnects().is_empty(), "Django ends the consumer itself");
}

#[actix_rt::test]
async fn events_that_need_a_call_come_in_order_with_the_others_and_wait_for_each_other() {
    let client = Client::new();
    client.worker.run();
    let group = GroupName::new("room").unwrap();
    let (accepted, connecting) = client.connect(vec![line(Command::GroupAdd(group)), accept(), text("hello")]).await;
    client.session.opened(None, Some(accepted.unwrap().unwrap().call));
    let events = [("tick", 1), ("chat.message", 2), ("tick", 3), ("tick", 4), ("chat.message", 5), ("tick", 6)];
    events.iter().for_each(|(kind, number)| client.worker.event("room", kind, *number));
    // A message of the client takes turns with them.
    client.sends("a");
    until(|| client.got() == ["hello"]).await;
    connecting.send(open("0")).await.unwrap();
    for (expected, answer, sent) in [
        ("chat.message 2", "called 2", &["hello", "1"][..]),
        ("chat.message 5", "called 5", &["hello", "1", "called 2", "3", "4"]),
        ("a", "said", &["hello", "1", "called 2", "3", "4", "called 5"]),
    ] {
        let (call, lines) = client.bridge.next().await;
        let what = match &call.event {
            CallEvent::Text(text) => text.to_string(),
            CallEvent::Event(event) => format!("{} {:?}", event.kind().unwrap(), event.body.get("n").unwrap()),
            other => panic!("{other:?}"),
        };
        assert_eq!(what.replace("Int(", "").replace(')', ""), expected);
        assert_eq!(client.got(), sent, "before {expected}");
        lines.send(text(answer)).await.unwrap();
        lines.send(open("1")).await.unwrap();
    }
    until(|| client.got().len() == 8).await;
    assert_eq!(client.got()[6..], ["said", "6"]);
}
