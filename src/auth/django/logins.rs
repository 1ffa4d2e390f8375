//! Asks Django who clients are: once for all handshakes that show the same at a time.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use hmac::{Hmac, Mac as _};
use scopeguard::guard;
use sha2::Sha256;
use tokio::sync::watch;

use super::{
    Answer, AskDjango, Forwarded, RETRY_AFTER, Verdict,
    known::{Found, Key, Known},
    question,
};
use crate::{
    auth::claims::user_id_of,
    event::{Fingerprint, json::text},
    telemetry::Metrics,
};

/// How long an answer counts that names no user.
const WITHOUT_USER: Duration = Duration::from_secs(1);

/// How a handshake waits for an answer.
type Waiting = watch::Receiver<Option<Arc<Answer>>>;

/// What Django has said about clients, and the way to ask it. One per node.
pub struct DjangoLogins {
    way: Arc<dyn AskDjango>,
    /// Without it, a hash of a session's key could be looked for in a dump of the memory.
    key: [u8; 32],
    known: Mutex<Known<Waiting>>,
    metrics: Metrics,
}

impl fmt::Debug for DjangoLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoLogins").finish_non_exhaustive()
    }
}

impl DjangoLogins {
    /// Asks in this way.
    pub fn new(way: Arc<dyn AskDjango>, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { way, key: rand::random(), known: Mutex::default(), metrics })
    }

    /// Who the client is that sent this; `tokens` are its fingerprints, and an answer is kept for `keep`.
    pub async fn ask(
        self: &Arc<Self>,
        forwarded: &Forwarded,
        tokens: impl Iterator<Item = Fingerprint>,
        keep: Duration,
    ) -> Arc<Answer> {
        let key = self.key_of(forwarded);
        let (outcome, waiting) = {
            let mut known = self.known();
            match known.find(&key, Instant::now()) {
                Found::Kept(answer) => {
                    self.metrics.django_login("cached");
                    return answer;
                }
                Found::Running(waiting) => ("shared", waiting),
                Found::Nothing => ("asked", self.begin(&mut known, key, forwarded, tokens.collect(), keep)),
            }
        };
        self.metrics.django_login(outcome);
        let mut waiting = waiting;
        let answer = waiting.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        // The node is stopping.
        answer.unwrap_or_else(|| {
            Arc::new(Answer { verdict: Verdict::Unavailable { retry_after: RETRY_AFTER }, asked: Instant::now() })
        })
    }

    /// Users or tokens were disconnected: what Django had said about them until then counts no more.
    pub fn forget(&self, principals: &HashMap<Fingerprint, Instant>) {
        self.known().forget(principals);
    }

    /// The rules have changed.
    pub fn clear(&self) {
        self.known().clear();
    }

    /// Asks in a task: the clients that wait may go.
    fn begin(
        self: &Arc<Self>,
        known: &mut Known<Waiting>,
        key: Key,
        forwarded: &Forwarded,
        tokens: Vec<Fingerprint>,
        keep: Duration,
    ) -> Waiting {
        let (sender, waiting) = watch::channel(None);
        let (asked, request) = (Instant::now(), question(forwarded));
        let number = known.begin(key, asked, waiting.clone());
        let logins = Arc::clone(self);
        tokio::spawn(async move {
            let ended = guard(Arc::clone(&logins), |logins| {
                let _ = logins.known().end(&key, number);
            });
            let verdict = Verdict::of(logins.way.ask(request).await);
            let answer = Arc::new(Answer { verdict, asked });
            scopeguard::ScopeGuard::into_inner(ended);
            let mut known = logins.known();
            if known.end(&key, number)
                && let Some((time, user, bytes)) = keeping(&answer, keep)
            {
                let principals = tokens.into_iter().chain(user).collect();
                known.keep(key, &answer, Instant::now() + time, principals, bytes);
            }
            drop(known);
            sender.send_replace(Some(answer));
        });
        waiting
    }

    fn key_of(&self, forwarded: &Forwarded) -> Key {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return Key::default() };
        mac.update(text(&forwarded.data).as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn known(&self) -> MutexGuard<'_, Known<Waiting>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long an answer counts, its user, and the bytes of that; `None`: for nobody else.
pub(super) fn keeping(answer: &Answer, keep: Duration) -> Option<(Duration, Option<Fingerprint>, usize)> {
    let (time, user, bytes) = match &answer.verdict {
        Verdict::User { user, expires, .. } => {
            let left = expires.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
            let id = user_id_of(user).map(|id| Fingerprint::of_user(&id));
            (left.map_or(keep, |left| keep.min(left)), id, user.weight())
        }
        Verdict::Nobody | Verdict::Invalid | Verdict::Denied => (keep.min(WITHOUT_USER), None, 0),
        Verdict::Unavailable { .. } => return None,
    };
    (!time.is_zero()).then_some((time, user, bytes))
}
