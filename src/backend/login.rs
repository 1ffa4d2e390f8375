//! Questions who clients are: a part of the calls, so that strangers who come in a storm leave turns to the handlers of
//! clients who are connected.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::{Backend, CallResult, Unanswered, ended, turns::Turns};
use crate::{
    auth::AskDjango,
    config,
    consumer::{CallRequest, Outcome},
    telemetry::Metrics,
};

/// They have one of so many turns.
const SHARE: usize = 4;

/// Why a question is not asked.
const CROWDED: &str = "too many clients wait for their turn to be asked about";
const SLOW: &str = "many clients wait to be asked about, and no answer came in time";

/// A backend that says who clients are.
pub(super) struct LoginQuestions {
    backend: Arc<dyn Backend>,
    turns: Turns,
    timeout: Duration,
    metrics: Metrics,
}

impl LoginQuestions {
    /// Asks this backend.
    pub fn new(config: &config::Backend, backend: Arc<dyn Backend>, metrics: Metrics) -> Self {
        let turns = Turns::part(config.concurrency / SHARE, config.concurrency);
        Self { backend, turns, timeout: config.timeout.0, metrics }
    }

    /// No question was asked.
    fn unasked(&self, action: &str, began: Instant, ending: CallResult, reason: &str) -> Outcome {
        let (ending, outcome) = ended(action, "backend", Err(Unanswered { ending, reason: reason.to_owned() }));
        self.metrics.backend_call(action, ending.label(), began.elapsed());
        outcome
    }
}

impl AskDjango for LoginQuestions {
    fn ask(&self, request: CallRequest) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let began = Instant::now();
            let deadline = began + request.timeout.unwrap_or(self.timeout);
            match timeout_at(deadline, self.turns.take()).await {
                Ok(Ok(_turn)) if Instant::now() < deadline => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    self.backend.call(CallRequest { timeout: Some(left), ..request }).await
                }
                Ok(Err(_)) => self.unasked(&request.action, began, CallResult::Overload, CROWDED),
                Ok(Ok(_)) | Err(_) => self.unasked(&request.action, began, CallResult::Timeout, SLOW),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::{join, join_all};
    use tokio::{
        sync::Semaphore,
        time::{sleep, timeout},
    };

    use super::*;
    use crate::{config::Span, consumer::BodyKind, event::Value};

    /// A backend that answers when the test says so, and within a question's time.
    struct Slow {
        at_once: AtomicUsize,
        most: AtomicUsize,
        answers: Semaphore,
    }

    impl Backend for Slow {
        fn call(&self, request: CallRequest) -> BoxFuture<'_, Outcome> {
            Box::pin(async move {
                let now = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
                self.most.fetch_max(now, Ordering::Relaxed);
                let answer = timeout(request.timeout.unwrap(), self.answers.acquire()).await;
                self.at_once.fetch_sub(1, Ordering::Relaxed);
                let Ok(Ok(answer)) = answer else { return Outcome::Failed("late".to_owned()) };
                answer.forget();
                Outcome::Answer { status: 200, body: Value::Null, kind: BodyKind::Json, retry_after: None }
            })
        }
    }

    fn question() -> CallRequest {
        CallRequest {
            action: "who_am_i".into(),
            data: Value::Null,
            user: Value::Null,
            connection: Arc::default(),
            consumer: Arc::default(),
            idempotent: true,
            timeout: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_take_a_quarter_of_the_turns_and_wait_within_the_deadline() {
        let slow = Slow { at_once: AtomicUsize::new(0), most: AtomicUsize::new(0), answers: Semaphore::new(0) };
        let backend = Arc::new(slow);
        let config = config::Backend { concurrency: 8, timeout: Span::seconds(5), ..config::Backend::default() };
        let logins = LoginQuestions::new(&config, Arc::clone(&backend) as Arc<dyn Backend>, Metrics::new());
        let all = join_all((0..2 + 8 * 16 + 1).map(|_| logins.ask(question())));
        let answering = async {
            sleep(Duration::from_secs(1)).await;
            backend.answers.add_permits(5);
        };
        let begun = Instant::now();
        let (outcomes, ()) = join(all, answering).await;
        assert_eq!((backend.most.load(Ordering::Relaxed), begun.elapsed().as_secs()), (2, 5));
        let failed =
            |reason: &str| outcomes.iter().filter(|one| matches!(one, Outcome::Failed(text) if text == reason)).count();
        assert_eq!(outcomes.iter().filter(|one| matches!(one, Outcome::Answer { .. })).count(), 5);
        assert_eq!((failed(CROWDED), failed("late"), failed(SLOW)), (1, 2, 123));
    }
}
