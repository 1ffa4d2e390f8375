//! Backends that are slow, absent, broken or greedy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use channelgate::{backend::Backend as _, config, consumer::Outcome, event::Value};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::{
    A_MOMENT, backend, counted,
    nobody::nobody,
    request,
    server::{Server, answer},
    settings,
};

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed(reason) | Outcome::Unusable(reason) | Outcome::NotAsked(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_deadline_of_the_backend_or_of_the_question() {
    let server = Server::start(|_| async {
        sleep(Duration::from_secs(60)).await;
        Vec::new()
    })
    .await;
    let config = config::Backend { timeout: config::Span::millis(300), ..settings() };
    let (backend, metrics) = backend(&config, &server.url());
    for (timeout, idempotent) in [(None, false), (Some(Duration::from_millis(100)), true)] {
        let started = Instant::now();
        let question = channelgate::consumer::CallRequest { timeout, idempotent, ..request() };
        let said = reason(backend.call(question).await);
        let expected = timeout.unwrap_or(A_MOMENT);
        assert_eq!(said, format!("no answer in {} ms", expected.as_millis()));
        assert!(started.elapsed() >= expected && started.elapsed() < expected + Duration::from_secs(2));
    }
    assert_eq!((server.count(), counted(&metrics, "timeout")), (2, 2), "asked once each");
}

#[tokio::test]
async fn a_body_that_never_ends_is_a_timeout_and_a_huge_one_is_refused() {
    let endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"a\":".to_vec();
    let server = Server::start(move |_| {
        let endless = endless.clone();
        async move { endless }
    })
    .await;
    let config = config::Backend { timeout: config::Span::millis(300), ..settings() };
    let (slow, _) = backend(&config, &server.url());
    assert!(reason(slow.call(request()).await).contains("no answer in 300 ms"));

    let huge = answer("200 OK", &format!("\"{}\"", "x".repeat(1 << 20)));
    let server = Server::start(move |_| {
        let huge = huge.clone();
        async move { huge }
    })
    .await;
    let (backend, metrics) = backend(&settings(), &server.url());
    assert!(reason(backend.call(request()).await).contains("larger than 1048576 bytes"));
    assert_eq!(counted(&metrics, "too_large"), 1);
}

#[tokio::test]
async fn a_call_that_is_too_large_is_not_sent() {
    let server = Server::start(|_| async { answer("200 OK", "1") }).await;
    let config = config::Backend { max_request: 1000, ..settings() };
    let (backend, metrics) = backend(&config, &server.url());
    // Eighteen characters each in JSON.
    let data = Value::List(vec![Value::Float(1e15); 100]);
    let said = reason(backend.call(channelgate::consumer::CallRequest { data, ..request() }).await);
    assert_eq!(said, "the request is larger than 1000 bytes (backend.max_request)");
    assert_eq!((server.count(), counted(&metrics, "request_too_large")), (0, 1));
    let data = Value::List(vec![Value::Float(1e15); 10]);
    let small = backend.call(channelgate::consumer::CallRequest { data, ..request() }).await;
    assert!(matches!(small, Outcome::Answer { status: 200, .. }), "{small:?}");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn an_unreachable_backend_is_tried_twice_and_then_reported() {
    let address = nobody();
    let (backend, metrics) = backend(&settings(), &format!("http://{address}"));
    let said = reason(backend.call(request()).await);
    assert!(said.starts_with("the backend is not reachable"), "{said}");
    assert!(!said.contains("markAttendance"), "{said}");
    assert_eq!(counted(&metrics, "unreachable"), 1);

    // It starts between the two attempts: nothing was sent before, so even a call that must not be repeated is sent.
    let backend = Arc::new(backend);
    for _ in 0..20 {
        let asked = Arc::clone(&backend);
        let asking = tokio::spawn(async move { asked.call(request()).await });
        sleep(Duration::from_millis(10)).await;
        let server = Server::at(address, |_| async { answer("200 OK", "{}") }).await;
        match asking.await.unwrap() {
            Outcome::Answer { status: 200, .. } => return assert_eq!(server.count(), 1),
            // On a busy machine it has started after the second attempt.
            outcome => assert!(reason(outcome).starts_with("the backend is not reachable") && server.count() == 0),
        }
    }
    panic!("it never started between the two attempts");
}

#[tokio::test]
async fn only_an_idempotent_call_is_repeated_after_it_may_have_been_done() {
    let failures =
        ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"].map(|status| answer(status, "{}"));
    for broken in failures.into_iter().chain([Vec::new()]) {
        for idempotent in [false, true] {
            let first = broken.clone();
            let server = Server::start(move |number| {
                let bytes = if number == 0 { first.clone() } else { answer("200 OK", "{}") };
                async move { bytes }
            })
            .await;
            let (backend, _) = backend(&settings(), &server.url());
            let outcome = backend.call(channelgate::consumer::CallRequest { idempotent, ..request() }).await;
            let keys: Vec<_> =
                server.received.lock().unwrap().iter().map(|asked| asked.headers["idempotency-key"].clone()).collect();
            if idempotent {
                assert!(matches!(outcome, Outcome::Answer { status: 200, .. }), "{outcome:?}");
                assert_eq!(keys.len(), 2);
                assert_eq!(keys[0], keys[1], "the same question has the same key");
            } else {
                assert!(!matches!(outcome, Outcome::Answer { status: 200, .. }), "{outcome:?}");
                assert_eq!(keys.len(), 1);
            }
        }
    }
}

#[tokio::test]
async fn garbage_is_a_failure() {
    for garbage in ["nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "\u{16}\u{3}\u{1}"] {
        let server = Server::start(move |_| async move { garbage.as_bytes().to_vec() }).await;
        let config = config::Backend { timeout: config::Span::seconds(2), ..settings() };
        let (backend, _) = backend(&config, &server.url());
        reason(backend.call(request()).await);
        assert_eq!(server.count(), 1);
    }
}

#[tokio::test]
async fn concurrent_and_waiting_calls_are_bounded_and_the_rest_fail() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, peak) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::start(move |_| {
        let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
        async move {
            peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_millis(20)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            answer("200 OK", "{}")
        }
    })
    .await;
    let config = config::Backend { concurrency: 3, ..settings() };
    let (backend, metrics) = backend(&config, &server.url());
    let outcomes = join_all((0..80).map(|_| backend.call(request()))).await;
    let answered = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Answer { .. })).count();
    assert_eq!(answered, 3 + 3 * 16);
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(counted(&metrics, "overload"), 80 - 51);
    assert!(outcomes.contains(&Outcome::Failed("too many calls wait for the backend".into())));
    assert!(matches!(backend.call(request()).await, Outcome::Answer { .. }), "and then there is room again");
}

#[tokio::test]
async fn waiting_for_a_slot_counts_toward_the_timeout() {
    let server = Server::start(|_| async {
        sleep(Duration::from_millis(600)).await;
        answer("200 OK", "{}")
    })
    .await;
    let config = config::Backend { concurrency: 1, timeout: config::Span::millis(800), ..settings() };
    let (backend, _) = backend(&config, &server.url());
    let outcomes = join_all((0..3).map(|_| backend.call(request()))).await;
    let answered = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Answer { .. })).count();
    assert_eq!(answered, 1, "{outcomes:?}");
}

#[test]
fn a_caller_that_ends_does_not_affect_other_calls() {
    // A worker's runtime ends during its call, and another one uses its connection.
    let main = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (server, backend) = main.block_on(async {
        let server = Server::start(|_| async {
            sleep(Duration::from_millis(50)).await;
            answer("200 OK", "{}")
        })
        .await;
        let (backend, _) = backend(&settings(), &server.url());
        (server, backend)
    });
    for _ in 0..3 {
        let worker = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(matches!(worker.block_on(backend.call(request())), Outcome::Answer { status: 200, .. }));
        let given_up =
            worker.block_on(async { tokio::time::timeout(Duration::from_millis(5), backend.call(request())).await });
        assert!(given_up.is_err());
    }
    drop(server);
}
