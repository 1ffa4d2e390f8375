//! Public keys from a URL (`JWK_URL` of simplejwt, RFC 7517), for an issuer that changes its keys by itself.
//!
//! In: the id of a key. Out: the key, from the last answer of the URL, or from a new one if that is too old or has no
//! such key. One request is under way at a time, and made-up ids cannot cause many: as their number grows, so does the
//! pause. An issuer that is away is [`AuthError::KeySetUnavailable`], never a refusal of the user, and while it is away its
//! last keys count for an hour.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use reqwest::{Client, Response, header};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{sleep, timeout},
};

use super::{
    AuthConfigError, AuthError,
    algorithm::{Algorithm, Key},
    fault::{Fault, Reason},
};
use crate::{
    event::{Value, json},
    http_client::http_client,
    warn_bounded,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest answer, in bytes; large providers have some ten keys of 400 bytes.
const MAX_SET: usize = 1 << 20;

/// Between two requests; doubled with each that did not have the wanted key, up to the second.
const PAUSE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(32)];

/// A handshake waits this long for its turn; with a longer pause it is refused as unavailable.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Between two requests for newer keys while the issuer is away.
const RETRY: Duration = Duration::from_secs(10);

/// How long keys count while the issuer is away.
const STALE: Duration = Duration::from_secs(3600);

/// The keys behind a URL.
pub struct KeySet {
    client: Client,
    url: String,
    algorithm: Algorithm,
    lifetime: Duration,
    loaded: ArcSwapOption<Loaded>,
    turn: Mutex<Turn>,
}

/// The last answer.
struct Loaded {
    keys: HashMap<Box<str>, Key>,
    /// When its request began.
    at: Instant,
}

/// The requests so far; its lock is held during one.
#[derive(Default)]
struct Turn {
    /// When the last one began.
    last: Option<Instant>,
    /// When the last one failed, if the last one failed.
    failed: Option<Instant>,
    /// How many in a row did not have the wanted key.
    fruitless: u32,
}

impl Turn {
    /// Between the last request and the next one for an id that is not known.
    fn pause(&self) -> Duration {
        let [first, longest] = PAUSE;
        first.saturating_mul(1 << self.fruitless.min(5)).min(longest)
    }

    /// Whether it is too soon for a request that is only due.
    fn is_soon_after(&self) -> bool {
        let within = |at: Option<Instant>, pause| at.is_some_and(|at| at.elapsed() < pause);
        within(self.last, PAUSE[0]) || within(self.failed, RETRY)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("url", &self.url).finish_non_exhaustive()
    }
}

impl KeySet {
    /// Keys for `algorithm` at `url`, used for `lifetime`. Asks on first use.
    pub fn new(key: &str, url: &str, algorithm: Algorithm, lifetime: Duration) -> Result<Self, AuthConfigError> {
        let client = http_client().map_err(|error| AuthConfigError::new(key, error.to_string()))?;
        let (loaded, turn) = (ArcSwapOption::empty(), Mutex::default());
        Ok(Self { client, url: url.to_owned(), algorithm, lifetime, loaded, turn })
    }

    /// The key with this id.
    pub async fn find(&self, id: &str) -> Result<Key, AuthError> {
        let asked = Instant::now();
        if let Some(key) = self.known(id, self.lifetime) {
            return Ok(key);
        }
        // A key that is only due for a look need not wait for the look of another client, nor for a pause, nor for an
        // issuer that is away.
        let stale = self.known(id, STALE.max(self.lifetime));
        let mut turn = match (self.turn.try_lock(), &stale) {
            (Ok(turn), Some(key)) if turn.is_soon_after() => return Ok(key.clone()),
            (Ok(turn), _) => turn,
            (Err(_), Some(key)) => return Ok(key.clone()),
            (Err(_), None) => self.turn.lock().await,
        };
        if let Some(key) = self.known(id, self.lifetime) {
            return Ok(key);
        }
        let is_answered = |at: Option<Instant>| at.is_some_and(|at| at >= asked);
        if !is_answered(self.loaded.load().as_ref().map(|loaded| loaded.at)) && !is_answered(turn.failed) {
            // Made-up ids do not delay the look that is due.
            let pause = if stale.is_some() { PAUSE[0] } else { turn.pause() };
            self.look(&mut turn, pause, id).await?;
        }
        match turn.failed {
            Some(_) => self.known(id, self.lifetime).or(stale).ok_or_else(|| unavailable(RETRY)),
            // The answer is newer than the question, so its age does not matter, and a key that it lacks has ended.
            None => self.known(id, Duration::MAX).ok_or_else(|| {
                Fault::new(Reason::UnknownKey, "the key set has no key with the id (\"kid\") in its header").into()
            }),
        }
    }

    /// Whether [`Self::find`] would have to ask for this key.
    pub fn lacks(&self, id: &str) -> bool {
        self.known(id, STALE.max(self.lifetime)).is_none()
    }

    /// Takes the last answer of a set that a reload ends, if it is an answer of the same URL.
    pub fn take_over(&self, old: &Self) {
        if self.url == old.url && self.algorithm == old.algorithm && self.loaded.load().is_none() {
            self.loaded.store(old.loaded.load_full());
        }
    }

    /// The key with this id, if the last answer has it and is not older than `age`.
    fn known(&self, id: &str, age: Duration) -> Option<Key> {
        let loaded = self.loaded.load();
        loaded.as_ref().filter(|loaded| loaded.at.elapsed() < age)?.keys.get(id).cloned()
    }

    /// Whether one of the keys that are known now passes.
    pub fn any_known(&self, passes: impl Fn(&Key) -> bool) -> bool {
        self.loaded.load().as_ref().is_some_and(|loaded| loaded.keys.values().any(passes))
    }

    /// Asks the URL once, after the pause since the last time.
    async fn look(&self, turn: &mut MutexGuard<'_, Turn>, pause: Duration, wanted: &str) -> Result<(), AuthError> {
        let wait = turn.last.map_or(Duration::ZERO, |last| pause.saturating_sub(last.elapsed()));
        if wait > MAX_WAIT {
            return Err(unavailable(wait));
        }
        sleep(wait).await;
        let at = Instant::now();
        turn.last = Some(at);
        match timeout(PATIENCE, self.fetch()).await.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok(keys) => {
                turn.failed = None;
                turn.fruitless = if keys.contains_key(wanted) { 0 } else { turn.fruitless.saturating_add(1) };
                self.loaded.store(Some(Arc::new(Loaded { keys, at })));
            }
            Err(reason) => {
                warn_bounded!("the key set at {} cannot be read: {reason}", self.url);
                turn.failed = Some(Instant::now());
            }
        }
        Ok(())
    }

    async fn fetch(&self) -> Result<HashMap<Box<str>, Key>, String> {
        // Each request may come from another worker thread, so no connection is kept.
        let request = self.client.get(&self.url).header(header::CONNECTION, "close");
        let answer = request.send().await.map_err(|error| error.without_url().to_string())?;
        let status = answer.status();
        if !status.is_success() {
            let more = if status.is_redirection() { "; write the address to which it leads" } else { "" };
            return Err(format!("it answers with status {}{more}", status.as_u16()));
        }
        let set = json::read(&body(answer).await?).map_err(|_| "its answer is not JSON".to_owned())?;
        let Some(Value::List(listed)) = set.get("keys") else {
            return Err("its answer has no list \"keys\"".to_owned());
        };
        let named = |jwk: &Value| Some((jwk.get("kid")?.as_str()?.into(), self.algorithm.key_of_set(jwk)?));
        // Of several keys with one id the first counts, as in PyJWT.
        let keys: HashMap<_, _> = listed.iter().rev().filter_map(named).collect();
        if keys.is_empty() {
            return Err(format!("it has no key for {} with a \"kid\"", self.algorithm));
        }
        Ok(keys)
    }
}

async fn body(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
        if body.len() + part.len() > MAX_SET {
            return Err("its answer is too large".to_owned());
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

const fn unavailable(retry_after: Duration) -> AuthError {
    AuthError::KeySetUnavailable { retry_after }
}
