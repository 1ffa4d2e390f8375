//! Slow clients over real sockets: what is lost, who learns of it, and which connections the node drops first.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    task::LocalSet,
    time::{Duration, Instant, timeout},
};

use super::*;
use crate::{
    event::Payload,
    socket::{
        driver::Driver,
        encoded::{EncodedMessage, Loss},
        frame::{self, EncodedFrames},
        takeover::Accepted,
    },
};

const PATIENCE: Duration = Duration::from_secs(10);

/// One worker of a node.
struct Worker {
    metrics: Metrics,
    socket: config::Socket,
    connections: Rc<Connections>,
}

impl Worker {
    fn new(socket: config::Socket) -> Self {
        let metrics = Metrics::new();
        let server = config::Server { workers: 1, ..config::Server::default() };
        let connections = Connections::new(&socket, &server, metrics.clone());
        Self { metrics, socket, connections }
    }

    fn pending(&self) -> Rc<Connection> {
        let limits = ConnectionLimits::new(&self.socket, None);
        Connection::pending(Rc::clone(&self.connections), Arc::new(limits), None)
    }

    /// An open connection and its client, with kernel buffers of a few kilobytes.
    async fn open(&self, handler: Option<Rc<Recorder>>) -> (Rc<Connection>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        SockRef::from(&listener).set_send_buffer_size(4096).unwrap();
        let client = tokio::net::TcpSocket::new_v4().unwrap();
        client.set_recv_buffer_size(4096).unwrap();
        let connected = client.connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(connected, listener.accept());
        let connection = self.pending();
        if let Some(handler) = handler {
            connection.handled_by(handler);
        }
        tokio::task::spawn_local(Driver::new(Rc::clone(&connection), accepted.unwrap().0, BytesMut::new()));
        (connection, client.unwrap())
    }

    fn drops(&self, reason: DropReason) -> u64 {
        self.metrics.drops(reason)
    }

    /// Delivers this many numbered messages of a kilobyte, together or one by one.
    fn deliver(&self, connection: &Connection, numbers: std::ops::Range<u32>, loss: &Loss, together: bool) -> u32 {
        let all: Vec<EncodedMessage> = numbers.map(|number| message(number, loss.clone())).collect();
        if together {
            let bytes: Vec<u8> = all.iter().flat_map(|message| message.bytes().to_vec()).collect();
            let whole = EncodedMessage::new(bytes.into(), u32::try_from(all.len()).unwrap(), Loss::Never);
            return connection.deliver(&whole, &all);
        }
        all.iter().map(|message| connection.deliver(message, &[])).sum()
    }
}

/// Records losses, and reports them to the client.
#[derive(Default)]
struct Recorder {
    lost: RefCell<Vec<u64>>,
    connection: RefCell<Option<Rc<Connection>>>,
}

impl ConnectionHandler for Recorder {
    fn received(self: Rc<Self>, _: &Rc<Connection>, _: Incoming<'_>) {}

    fn lost(self: Rc<Self>, messages: u64) {
        self.lost.borrow_mut().push(messages);
        let connection = self.connection.borrow().clone();
        connection.unwrap().send(&Payload::Text(format!("gap of {messages}").into()));
    }

    fn gone(self: Rc<Self>) {
        *self.connection.borrow_mut() = None;
    }
}

fn message(number: u32, loss: Loss) -> EncodedMessage {
    EncodedMessage::new(frame::text(format!("{number} {}", "x".repeat(1000)).as_bytes()), 1, loss)
}

/// The first words of the messages up to and including the one that begins with `last`.
async fn read_to(client: &mut TcpStream, last: &str) -> Vec<String> {
    let mut bytes = Vec::new();
    loop {
        let words: Vec<String> = EncodedFrames(&bytes)
            .filter_map(|part| match part.content() {
                Some(frame::FrameContent::Text(text)) => Some(String::from_utf8(text.to_vec()).unwrap()),
                _ => None,
            })
            .map(|text| text.trim_end_matches('x').trim().to_owned())
            .collect();
        if words.last().is_some_and(|word| word == last) {
            let whole: usize = EncodedFrames(&bytes).map(|part| part.frame.len()).sum();
            assert_eq!(whole, bytes.len());
            return words;
        }
        let read = timeout(PATIENCE, client.read_buf(&mut bytes)).await.expect("more to read").unwrap();
        assert!(read > 0, "ended after {words:?}");
    }
}

#[tokio::test]
async fn a_handler_learns_of_a_loss_once_after_the_client_has_caught_up() {
    let run = async {
        let worker = Worker::new(config::Socket { outbox: 50_000, ..config::Socket::default() });
        let recorder = Rc::new(Recorder::default());
        let (connection, mut client) = worker.open(Some(Rc::clone(&recorder))).await;
        *recorder.connection.borrow_mut() = Some(Rc::clone(&connection));
        let mut before = 0;
        for (round, together) in [false, true].into_iter().enumerate() {
            assert_eq!(worker.deliver(&connection, 0..500, &Loss::Oldest, together), 500);
            let lost = worker.drops(DropReason::Oldest) - before;
            before += lost;
            assert!((100..450).contains(&lost), "{lost}");
            assert_eq!(recorder.lost.borrow().len(), round, "not before it has caught up");
            let words = read_to(&mut client, &format!("gap of {lost}")).await;
            let numbers: Vec<u32> = words.iter().filter_map(|word| word.parse().ok()).collect();
            assert!(numbers.is_sorted() && numbers.last() == Some(&499));
            assert_eq!(numbers.len() as u64 + lost, 500);
        }
        assert_eq!(recorder.lost.borrow().len(), 2);
        // Without a loss nothing is sent.
        assert_eq!(worker.deliver(&connection, 0..30, &Loss::Oldest, false), 30);
        assert_eq!(read_to(&mut client, "29").await.len(), 30);
        worker.deliver(&connection, 30..31, &Loss::Oldest, false);
        read_to(&mut client, "30").await;
        assert_eq!(recorder.lost.borrow().len(), 2);
        connection.abort();
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn a_connection_counts_as_open_before_its_client_learns_of_it() {
    let worker = Worker::new(config::Socket::default());
    let (open, abandoned) = (worker.pending(), worker.pending());
    let count = || worker.metrics.connections.get();
    let mut accepted = [&open, &abandoned].map(|one| Accepted::new(Rc::clone(one), None));
    assert_eq!(count(), 0);
    accepted.iter_mut().for_each(Accepted::count);
    assert_eq!(count(), 2, "the answer is written after this");
    let [taken, lost] = accepted;
    taken.keep();
    open.open_without_socket();
    assert_eq!(count(), 2, "once");
    drop(lost);
    assert_eq!(count(), 1, "its socket never came");
    open.hang_up();
    assert_eq!((count(), worker.connections.len()), (0, 0));
}

#[tokio::test]
async fn a_polling_client_learns_of_a_loss_too() {
    let worker = Worker::new(config::Socket { outbox: 5000, ..config::Socket::default() });
    let recorder = Rc::new(Recorder::default());
    let connection = worker.pending();
    connection.handled_by(Rc::clone(&recorder) as Rc<dyn ConnectionHandler>);
    *recorder.connection.borrow_mut() = Some(Rc::clone(&connection));
    connection.open_without_socket();
    worker.deliver(&connection, 0..10, &Loss::Oldest, true);
    let mut taken = 0;
    connection.take_messages(|_| {
        taken += 1;
        taken <= 2
    });
    assert_eq!(*recorder.lost.borrow(), [0; 0]);
    connection.take_messages(|_| true);
    assert_eq!(*recorder.lost.borrow(), [6]);
    assert_eq!(connection.waiting(), frame::text(b"gap of 6"));
}

#[tokio::test]
async fn a_full_outbox_without_a_loss_policy_closes_and_counts_all_messages() {
    let run = async {
        let worker = Worker::new(config::Socket { outbox: 50_000, ..config::Socket::default() });
        let (connection, mut client) = worker.open(None).await;
        let taken = worker.deliver(&connection, 0..500, &Loss::Never, false);
        let mut bytes = Vec::new();
        timeout(PATIENCE, async {
            while client.read_buf(&mut bytes).await.unwrap() > 0 && !ends_with_close(&bytes) {}
        })
        .await
        .unwrap();
        let got = EncodedFrames(&bytes).count() as u64 - 1;
        assert!(!connection.is_open() && taken < 500);
        // Messages accepted and not read are lost, and the one that did not fit; later ones had no receiver.
        assert_eq!(worker.drops(DropReason::SlowClient), u64::from(taken) - got + 1);
    };
    LocalSet::new().run_until(run).await;
}

fn ends_with_close(bytes: &[u8]) -> bool {
    EncodedFrames(bytes).last().is_some_and(|part| part.content() == Some(frame::FrameContent::Close))
}

#[tokio::test]
async fn the_node_drops_the_connections_that_cost_the_most_and_no_more_than_needed() {
    let worker = Worker::new(config::Socket { outbox_total: 260_000, ..config::Socket::default() });
    let open = || {
        let connection = worker.pending();
        connection.open_without_socket();
        connection
    };
    let all: Vec<Rc<Connection>> = (0..5).map(|_| open()).collect();
    // A message that waits for many counts against none of them.
    let shared = message(0, Loss::Never);
    let many: Vec<Rc<Connection>> = (0..200).map(|_| open()).collect();
    assert!(many.iter().all(|connection| connection.deliver(&shared, &[]) == 1));
    for (count, connection) in [10, 20, 60, 30, 40].into_iter().zip(&all) {
        worker.deliver(connection, 0..count, &Loss::Never, false);
    }
    assert!(all.iter().all(|connection| connection.is_open()));
    let losing = open();
    worker.deliver(&losing, 0..58, &Loss::Oldest, false);
    let are_open = || all.iter().map(|connection| connection.is_open()).collect::<Vec<bool>>();
    assert_eq!((are_open(), worker.drops(DropReason::Shed)), (vec![true, true, false, true, true], 60));
    // A connection with droppable messages loses them, and stays.
    worker.deliver(&losing, 58..120, &Loss::Oldest, false);
    assert_eq!((are_open(), losing.is_open()), (vec![true, true, false, true, true], true));
    let shed = worker.drops(DropReason::Shed) - 60;
    assert!((58..120).contains(&shed), "{shed}");
    assert!(many.iter().all(|connection| connection.is_open()));
    worker.connections.pressure().report();
    assert!((100_000..260_000).contains(&worker.metrics.outbox_bytes.get()));
    for connection in many.iter().chain(&all).chain([&losing]) {
        connection.hang_up();
    }
    drop(shared);
    assert_eq!(worker.metrics.outbox_bytes.get(), 0);
}

#[tokio::test]
async fn losable_messages_do_not_stop_reading_from_a_slow_client() {
    let worker = Worker::new(config::Socket { outbox: 10_000, ..config::Socket::default() });
    let connection = worker.pending();
    connection.open_without_socket();
    worker.deliver(&connection, 0..50, &Loss::Oldest, false);
    assert!(connection.is_behind() && !connection.is_congested());
    worker.deliver(&connection, 0..6, &Loss::Never, false);
    assert!(connection.is_congested(), "its own answers do");
}

#[tokio::test(start_paused = true)]
async fn who_sends_much_waits_for_a_slow_client_until_it_has_read_or_is_closed() {
    let worker = Worker::new(config::Socket { outbox: 10_500, ..config::Socket::default() });
    let connection = worker.pending();
    connection.open_without_socket();
    worker.deliver(&connection, 0..4, &Loss::Never, false);
    timeout(Duration::ZERO, connection.wait_for_room()).await.expect("less than half of it waits");
    worker.deliver(&connection, 4..7, &Loss::Never, false);
    let read = |count: usize| {
        let mut left = count;
        connection.take_messages(|_| left.checked_sub(1).map(|rest| left = rest).is_some());
    };
    let mut waiting = pin!(connection.wait_for_room());
    assert!(timeout(Duration::from_secs(9), &mut waiting).await.is_err());
    read(1);
    assert!(timeout(Duration::from_secs(9), &mut waiting).await.is_err(), "it reads, and has not read enough");
    read(1);
    timeout(Duration::ZERO, waiting).await.expect("half of it waits");
    worker.deliver(&connection, 7..9, &Loss::Never, false);
    let began = Instant::now();
    connection.wait_for_room().await;
    assert_eq!(began.elapsed().as_secs(), 10);
    assert!(!connection.is_open());
    assert_eq!(worker.drops(DropReason::SlowClient), 7);
}

#[tokio::test]
async fn who_sends_much_before_the_socket_is_there_waits_until_it_has_taken_some() {
    let set = LocalSet::new();
    let work = async {
        let worker = Worker::new(config::Socket { outbox: 10_500, ..config::Socket::default() });
        let connection = worker.pending();
        worker.deliver(&connection, 0..7, &Loss::Never, false);
        let mut waiting = pin!(connection.wait_for_room());
        assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        tokio::task::spawn_local(Driver::new(Rc::clone(&connection), accepted.unwrap().0, BytesMut::new()));
        timeout(PATIENCE, waiting).await.expect("the kernel has taken all of it");
        assert!(!connection.is_behind());
        drop(client);
    };
    set.run_until(work).await;
}

#[test]
fn an_idle_connection_reserves_no_memory_for_an_outbox() {
    assert_eq!(size_of::<Outbox>(), 8);
    // Before there were policies, rates and admission limits it was 176 and 40.
    assert!(size_of::<Connection>() <= 144 && size_of::<Driver>() <= 64);
}

#[test]
fn a_piece_shares_its_bytes() {
    let bytes = Bytes::from(vec![1; 100]);
    let worker = Worker::new(config::Socket::default());
    let message = EncodedMessage::new(bytes.clone(), 1, Loss::Never);
    assert_eq!(message.queued(worker.connections.pressure()).bytes.as_ptr(), bytes.as_ptr());
}

#[test]
fn a_message_that_is_made_anew_for_each_client_counts_once_where_it_waits() {
    let worker = Worker::new(config::Socket { outbox: 4 << 20, ..config::Socket::default() });
    let [one, other] = [b"x", b"y"].map(|byte| Bytes::from(byte.repeat(1 << 20)));
    let waits = |bytes: &Bytes| {
        let connection = worker.pending();
        connection.deliver(&EncodedMessage::recurring(bytes.clone(), Loss::Never), &[]);
        connection
    };
    // The gauge is exact to 64 KiB.
    let counted = |megabytes: i64| (megabytes << 20) - (70 << 10)..(megabytes << 20) + (70 << 10);
    let is = |megabytes: i64| counted(megabytes).contains(&worker.metrics.outbox_bytes.get());
    let mut clients: Vec<_> = (0..5).map(|_| waits(&one)).collect();
    assert!(is(1), "{}", worker.metrics.outbox_bytes.get());
    let second = waits(&other);
    assert!(is(2), "other bytes");
    // A part of the same bytes is another message.
    let part = waits(&one.slice(..1 << 19));
    assert!(counted(2).end < worker.metrics.outbox_bytes.get());
    drop(part);
    clients.truncate(1);
    assert!(is(2), "one of them waits");
    clients.clear();
    assert!(is(1));
    let again = waits(&one);
    assert!(is(2));
    drop((second, again));
    assert_eq!(worker.metrics.outbox_bytes.get(), 0);
}
