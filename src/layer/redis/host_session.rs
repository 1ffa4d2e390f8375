//! One connection of one host: connect, register everything in Redis, prove that events arrive, then serve until it
//! fails.
//!
//! In: [`Update`]s of the registry. Out: registrations in Redis with their confirmations, and the reason of the end. A
//! session that ends is never repaired: the next one starts from nothing, so there is a single way into a working
//! state.

use std::{collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, ProtocolVersion, RedisError, aio::MultiplexedConnection};
use tokio::sync::{mpsc, oneshot};

use super::{
    LayerContext,
    core::{self, pop_forever, pop_wait},
    joined::Update,
    naming::Registration,
    old::Look,
    probes::Prober,
};
use crate::{
    event::GapReason,
    redis::{AbortOnDrop, CONNECT, Probe, Published, RESPONSE, Subscription, every, one_line, timed_out},
};

/// Maximum number of changes per batch.
const BATCH: usize = 4096;

/// How often a change is sent to a Redis that does not confirm it in time; its probes show first whether it still
/// answers.
const TRIES: usize = 5;

/// Memberships are renewed at least this often, so that a flushed Redis is noticed.
const REFRESH: Duration = Duration::from_secs(60);

/// A connected host.
pub(super) struct HostSession {
    context: Rc<LayerContext>,
    host: usize,
    commands: MultiplexedConnection,
    /// The address of the connection.
    address: String,
    subscription: Subscription,
    probe: Arc<Probe>,
    popper: Option<(AbortOnDrop, oneshot::Receiver<RedisError>)>,
    ops: mpsc::UnboundedReceiver<Update>,
    look: Look,
}

impl HostSession {
    /// Connects, subscribes, registers, and waits for a probe to return. Nothing is guaranteed before that.
    pub async fn establish(context: &Rc<LayerContext>, host: usize) -> Result<Self, String> {
        let reason = |error: RedisError| one_line(&error);
        let at = &context.hosts[host];
        let client = at.client(ProtocolVersion::RESP2).await.map_err(reason)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPONSE))
            .set_pipeline_buffer_size(1024);
        let commands = client.get_multiplexed_async_connection_with_config(&config).await.map_err(reason)?;
        let address = client.get_connection_info().addr().to_string();
        let probe = Arc::new(Probe::default());
        let (decoder, back) = (Arc::clone(&context.decoder), Arc::clone(&probe));
        let hear = move |message: Published<'_>| decoder.hear(message, &back);
        let subscription = Subscription::open(at, hear).await.map_err(reason)?;
        let (ops, registrations) = context.groups.borrow_mut().begin(host);
        let look = Look::new(&context.options.prefix);
        let mut session =
            Self { context: Rc::clone(context), host, commands, address, subscription, probe, popper: None, ops, look };
        session.register(&registrations).await.map_err(reason)?;
        if !context.queues.is_empty() {
            let wait = pop_wait(context.options.expiry.0);
            // A pause that the probes tolerate must not end it.
            let config = config.set_response_timeout(Some(wait + context.options.probe_timeout.0.max(RESPONSE)));
            let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.map_err(reason)?;
            core::replace_popper(context, host, &mut connection).await;
            session.start_popping(connection);
        }
        session.prober().first().await?;
        context.groups.borrow_mut().up(host, &registrations);
        context.publisher.set(host, Some(session.commands.clone()));
        Ok(session)
    }

    async fn register(&mut self, registrations: &[Rc<Registration>]) -> Result<(), RedisError> {
        let decoder = Rc::clone(&self.context);
        let decoder = &decoder.decoder;
        let mut channels = decoder.fixed_channels();
        channels.extend(registrations.iter().flat_map(|one| one.channels(self.host)).map(str::to_owned));
        self.subscription.subscribe(&channels).await?;
        self.subscription.psubscribe(&decoder.fixed_patterns()).await?;
        core::add(&mut self.commands, self.host, registrations, self.context.options.group_expiry.0).await?;
        Ok(())
    }

    fn start_popping(&mut self, connection: MultiplexedConnection) {
        let (failed, failure) = oneshot::channel();
        let (context, host) = (Rc::clone(&self.context), self.host);
        let task = tokio::task::spawn_local(async move {
            // A session that has ended already does not receive it.
            let _ = failed.send(pop_forever(context, host, connection).await);
        });
        self.popper = Some((AbortOnDrop(task), failure));
    }

    fn prober(&self) -> Prober {
        let connection = (self.commands.clone(), self.address.clone());
        Prober::new(&self.context, self.host, connection, Arc::clone(&self.probe))
    }

    /// Serves until the connection fails, and returns its reason, or until the node stops; then removes what it has in
    /// Redis.
    pub async fn serve(mut self) -> Option<String> {
        let mut stop = self.context.stop.subscribe();
        let lost = self.subscription.lost();
        let mut popper = self.popper.take();
        let prober = self.prober();
        let ended = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => None,
            () = lost.notified() => Some("the subscription's connection was closed".to_owned()),
            error = failure(&mut popper) => Some(one_line(&error)),
            reason = prober.run() => Some(reason),
            error = self.work() => Some(one_line(&error)),
        };
        if ended.is_none() {
            self.popper = popper;
            self.withdraw().await;
        }
        ended
    }

    /// Sends joins and leaves to Redis until that fails.
    async fn work(&mut self) -> RedisError {
        let mut refresh = every((self.context.options.group_expiry.0 / 3).min(REFRESH));
        let mut batch = Vec::new();
        loop {
            let done = tokio::select! {
                _ = self.ops.recv_many(&mut batch, BATCH) => self.apply(std::mem::take(&mut batch)).await,
                _ = refresh.tick() => match self.refresh().await {
                    // The next one is on time.
                    Err(error) if error.is_timeout() => Ok(()),
                    done => done,
                },
            };
            if let Err(error) = done {
                return error;
            }
        }
    }

    /// Carries out a batch of joins and leaves: many handshakes at once cost few round trips.
    async fn apply(&mut self, batch: Vec<Update>) -> Result<(), RedisError> {
        let mut wanted: HashMap<String, bool> = HashMap::new();
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for op in batch {
            // Of several changes to a channel the last one counts; member names never repeat.
            let (registration, want, list) = match op {
                Update::Add(registration) => (registration, true, &mut added),
                Update::Remove(registration) => (registration, false, &mut removed),
            };
            wanted.extend(registration.channels(self.host).map(|channel| (channel.to_owned(), want)));
            list.push(registration);
        }
        let (join, leave): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(_, want)| *want);
        let names = |list: Vec<(String, bool)>| list.into_iter().map(|(channel, _)| channel);
        let join: Vec<String> = names(join).collect();
        let leave: Vec<String> = names(leave).filter(|channel| !self.context.decoder.is_fixed(channel)).collect();
        let (host, group_expiry) = (self.host, self.context.options.group_expiry.0);
        let mut tries = 1..=TRIES;
        loop {
            let (commands, subscription) = (&mut self.commands, &mut self.subscription);
            let sets = async {
                core::add(commands, host, &added, group_expiry).await?;
                core::remove(commands, host, &removed).await
            };
            let channels = async {
                subscription.subscribe(&join).await?;
                subscription.unsubscribe(&leave).await
            };
            tries.next();
            match tokio::try_join!(sets, channels) {
                // Sending it twice changes nothing.
                Err(error) if error.is_timeout() && !tries.is_empty() => {}
                Err(error) => return Err(error),
                Ok(((), ())) => break,
            };
        }
        self.confirm(&added);
        self.look.look(&mut self.commands, host, &added).await;
        Ok(())
    }

    fn confirm(&self, added: &[Rc<Registration>]) {
        let mut registry = self.context.groups.borrow_mut();
        for registration in added {
            registry.confirm(self.host, registration);
        }
    }

    /// Renews every membership, long before it would expire.
    async fn refresh(&mut self) -> Result<(), RedisError> {
        let registrations = self.context.groups.borrow().registrations();
        let group_expiry = self.context.options.group_expiry.0;
        let fresh = core::add(&mut self.commands, self.host, &registrations, group_expiry).await?;
        self.look.look(&mut self.commands, self.host, &registrations).await;
        let registry = self.context.groups.borrow();
        // A group joined a moment ago may be registered in Redis here first, and is then not confirmed yet.
        let lost: Vec<_> = fresh
            .into_iter()
            .filter(|at| registry.is_confirmed(self.host, &registrations[*at]))
            .map(|at| registrations[at].group.clone())
            .collect();
        drop(registry);
        if !lost.is_empty() {
            log::warn!(
                "this node's membership of {} groups was missing in Redis (flushed?); registered again",
                lost.len()
            );
            self.context.decoder.gap(Some(lost), GapReason::Expired);
        }
        Ok(())
    }

    /// Removes what this node has on this host; anything left expires by itself.
    async fn withdraw(&mut self) {
        let registrations = self.context.groups.borrow().registrations();
        let removed = async {
            core::remove(&mut self.commands, self.host, &registrations).await?;
            self.popper = None;
            core::delete_queues(&mut self.commands, &self.context.queues).await
        };
        if let Err(error) = removed.await {
            log::warn!(
                "{}: this node's registrations stay until they expire: {}",
                self.context.hosts[self.host].label(),
                one_line(&error)
            );
        }
    }
}

impl Drop for HostSession {
    fn drop(&mut self) {
        self.context.publisher.set(self.host, None);
    }
}

/// The popper's failure; never resolves without a popper.
async fn failure(popper: &mut Option<(AbortOnDrop, oneshot::Receiver<RedisError>)>) -> RedisError {
    match popper {
        Some((_, failure)) => failure.await.unwrap_or_else(|_| timed_out()),
        None => std::future::pending().await,
    }
}
