//! One connection of one host: connect, register everything in Redis, prove that events arrive, then serve until it
//! fails.
//!
//! In: [`Update`]s of the registry. Out: registrations in Redis with their confirmations, and the reason of the end. A
//! session that ends is never repaired: the next one starts from nothing, so there is a single way into a working
//! state.

use std::{rc::Rc, sync::Arc, time::Duration};

use indexmap::IndexMap;
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisError};
use tokio::sync::{mpsc, oneshot};

use super::{
    LayerContext,
    census::Census,
    channels_redis_2::Look,
    core,
    joined::Update,
    markers::Markers,
    naming::Registration,
    outages::{Outages, Part},
    popper::{pop_forever, pop_wait},
    probes::{Prober, send_marker},
};
use crate::{
    event::{GapReason, GroupName},
    redis::{AbortOnDrop, CONNECT, Connection, Published, RESPONSE, Subscription, every, one_line, timed_out},
};

/// Maximum number of changes per batch.
const BATCH: usize = 4096;

/// How often a change is sent to a Redis that does not confirm it in time; its probes show first whether it still
/// answers.
const TRIES: usize = 5;

/// Memberships are renewed at least this often.
const REFRESH: Duration = Duration::from_secs(60);

/// A connected host.
pub(super) struct HostSession {
    context: Rc<LayerContext>,
    host: usize,
    commands: Connection,
    /// The address of the connection.
    address: String,
    subscription: Subscription,
    markers: Arc<Markers>,
    outages: Rc<Outages>,
    popper: Option<(AbortOnDrop, oneshot::Receiver<RedisError>)>,
    ops: mpsc::UnboundedReceiver<Update>,
    /// Changes that Redis has not accepted yet.
    unapplied: Vec<Update>,
    census: Census,
    /// Groups whose membership was missing, until it is there again.
    lost: Vec<GroupName>,
    look: Look,
}

impl HostSession {
    /// Connects, subscribes, registers, and waits for a probe to return. Nothing is guaranteed before that.
    pub async fn establish(context: &Rc<LayerContext>, host: usize) -> Result<Self, String> {
        let reason = |error: RedisError| one_line(&error);
        let at = &context.hosts[host];
        let server = at.server().await.map_err(reason)?;
        let config = |answer: Duration| {
            AsyncConnectionConfig::new().set_response_timeout(Some(answer)).set_pipeline_buffer_size(1024)
        };
        let connect = |answer| server.connect(ProtocolVersion::RESP2, CONNECT, config(answer));
        let commands = connect(RESPONSE).await.map_err(reason)?;
        let address = server.address();
        let markers = Arc::new(Markers::new(!context.queues.is_empty()));
        let (decoder, back) = (Arc::clone(&context.decoder), Arc::clone(&markers));
        let hear = move |message: Published<'_>| decoder.hear(message, &back);
        let subscription = Subscription::open(at, hear).await.map_err(reason)?;
        let (ops, registrations) = context.groups.borrow_mut().begin(host);
        let mut session = Self {
            context: Rc::clone(context),
            host,
            commands,
            address,
            subscription,
            markers,
            outages: Rc::new(Outages::new(context, host)),
            popper: None,
            ops,
            unapplied: Vec::new(),
            census: Census::default(),
            lost: Vec::new(),
            look: Look::new(&context.options.prefix),
        };
        session.register(&registrations).await.map_err(reason)?;
        if !context.queues.is_empty() {
            let wait = pop_wait(context.options.expiry.0);
            // A pause that the probes tolerate must not end it.
            let answer = wait + context.options.probe_timeout.0.max(RESPONSE);
            let mut connection = connect(answer).await.map_err(reason)?;
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
        self.hear_connections().await?;
        let group_expiry = self.context.options.group_expiry.0;
        core::add(&mut self.commands, self.host, registrations, group_expiry, &mut Vec::new()).await?;
        let popped = self.context.popped.borrow()[self.host].clone();
        core::forget_delivered(&mut self.commands, &self.context.queues, &popped).await
    }

    /// Subscribes to the channels of the node's connections. A user without the right misses only what the pub/sub layer
    /// of Django sends to them.
    async fn hear_connections(&mut self) -> Result<(), RedisError> {
        let Some(patterns) = self.context.decoder.connection_patterns() else { return Ok(()) };
        let mut refusal = None;
        for pattern in patterns {
            match self.subscription.psubscribe(&[pattern]).await {
                Ok(()) => return Ok(()),
                Err(error) if error.code().is_some() => refusal = Some(error),
                Err(error) => return Err(error),
            }
        }
        if let Some(refusal) = refusal {
            let host = self.context.hosts[self.host].label();
            log::warn!(
                "{host}: what Django sends to the channel of a connection does not arrive: {}",
                one_line(&refusal)
            );
        }
        Ok(())
    }

    fn start_popping(&mut self, connection: Connection) {
        let (failed, failure) = oneshot::channel();
        let at = (Rc::clone(&self.context), self.host);
        let (markers, outages) = (Arc::clone(&self.markers), Rc::clone(&self.outages));
        let task = tokio::task::spawn_local(async move {
            // A session that has ended already does not receive it.
            let _ = failed.send(pop_forever(at, &markers, &outages, connection).await);
        });
        self.popper = Some((AbortOnDrop(task), failure));
    }

    fn prober(&self) -> Prober {
        let connection = (self.commands.clone(), self.address.clone());
        Prober::new(&self.context, self.host, connection, Arc::clone(&self.markers), Rc::clone(&self.outages))
    }

    /// Serves until the connection fails, and returns its reason, or until the node stops; then removes what it has in
    /// Redis.
    pub async fn serve(mut self) -> Option<String> {
        let mut stop = self.context.stop.subscribe();
        let lost = self.subscription.lost();
        let mut popper = self.popper.take();
        let prober = self.prober();
        let (context, markers, host) = (Rc::clone(&self.context), Arc::clone(&self.markers), self.host);
        let fences = async {
            let mut last = 0;
            loop {
                last = markers.fence_after(last).await;
                context.groups.borrow_mut().fenced(host, last);
                context.fence_due.notify_one();
            }
        };
        let ended = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => None,
            () = lost.notified() => Some("the subscription's connection was closed".to_owned()),
            error = failure(&mut popper) => Some(one_line(&error)),
            reason = prober.run() => Some(reason),
            error = self.work() => Some(one_line(&error)),
            () = fences => None,
        };
        if ended.is_none() {
            self.popper = popper;
            self.withdraw().await;
        }
        ended
    }

    /// Sends joins and leaves to Redis, and looks for what it has of them, until that fails.
    async fn work(&mut self) -> RedisError {
        let mut refresh = every((self.context.options.group_expiry.0 / 3).min(REFRESH));
        let mut check = every(self.context.options.probe_interval.0);
        let mut batch = Vec::new();
        loop {
            let done = tokio::select! {
                _ = self.ops.recv_many(&mut batch, BATCH) => self.change(std::mem::take(&mut batch)).await,
                // The next one is on time.
                _ = check.tick() => self.check().await.or_else(late),
                _ = refresh.tick() => self.refresh().await.or_else(late),
            };
            if let Err(error) = done.or_else(|error| self.outages.refused(Part::Registrations, error)) {
                return error;
            }
        }
    }

    /// Carries out joins and leaves; what Redis refuses waits for the next [`Self::check`].
    async fn change(&mut self, batch: Vec<Update>) -> Result<(), RedisError> {
        self.unapplied.extend(batch);
        if self.outages.has(Part::Registrations) { Ok(()) } else { self.apply().await }
    }

    /// Carries out a batch of joins and leaves: many handshakes at once cost few round trips.
    async fn apply(&mut self) -> Result<(), RedisError> {
        // In order, for the sake of the memory: see `JoinedGroups::sweep`.
        let mut wanted: IndexMap<String, bool> = IndexMap::new();
        let (mut added, mut removed, mut discarded, mut fence) = (Vec::new(), Vec::new(), Vec::new(), None);
        for op in &self.unapplied {
            // Of several changes to a channel the last one counts; member names never repeat.
            let (registration, want, list) = match op {
                Update::Add(registration) => (registration, true, &mut added),
                Update::Remove(registration) => (registration, false, &mut removed),
                Update::Discard(name) => {
                    discarded.push(Rc::clone(name));
                    continue;
                }
                Update::Fence(number) => {
                    fence = Some(Markers::fence(*number));
                    continue;
                }
            };
            wanted.extend(registration.channels(self.host).map(|channel| (channel.to_owned(), want)));
            list.push(Rc::clone(registration));
        }
        let (join, leave): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(_, want)| *want);
        let names = |list: Vec<(String, bool)>| list.into_iter().map(|(channel, _)| channel);
        let join: Vec<String> = names(join).collect();
        let leave: Vec<String> = names(leave).filter(|channel| !self.context.decoder.is_fixed(channel)).collect();
        let (host, group_expiry) = (self.host, self.context.options.group_expiry.0);
        let mut tries = 1..=TRIES;
        loop {
            let (commands, subscription) = (&mut self.commands, &mut self.subscription);
            let mut marking = commands.clone();
            let sets = async {
                core::add(commands, host, &added, group_expiry, &mut Vec::new()).await?;
                core::remove(commands, host, &removed).await?;
                core::discard(commands, &discarded).await
            };
            let channels = async {
                subscription.subscribe(&join).await?;
                subscription.unsubscribe(&leave).await
            };
            let marker = async {
                match &fence {
                    Some(fence) => send_marker(&self.context, &mut marking, fence).await,
                    None => Ok(()),
                }
            };
            tries.next();
            match tokio::try_join!(sets, channels, marker) {
                // Sending it twice changes nothing.
                Err(error) if error.is_timeout() && !tries.is_empty() => {}
                Err(error) => return Err(error),
                Ok(_) => break,
            };
        }
        self.unapplied = Vec::new();
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

    /// Looks for a part of the memberships in Redis, or tries again what it refused.
    async fn check(&mut self) -> Result<(), RedisError> {
        if self.outages.has(Part::Registrations) {
            self.apply().await?;
            self.refresh().await?;
            self.outages.end(Part::Registrations);
            return Ok(());
        }
        let part = self.census.next(&self.context.groups.borrow(), self.host);
        let mut missing = core::missing(&mut self.commands, self.host, &part).await?;
        self.lost.extend(missing.iter().map(|at| part[*at].group.clone()));
        if missing.len() * 2 > part.len() || self.lost.len() > missing.len() {
            // More than single sets, or some are not renewed since an earlier check.
            return self.refresh().await;
        }
        // One is always renewed: that proves that the node may.
        if missing.first() != Some(&0) {
            missing.insert(0, 0);
        }
        let part: Vec<_> = missing.iter().filter_map(|at| part.get(*at).cloned()).collect();
        self.renew(&part).await
    }

    /// Renews every membership, long before it would expire.
    async fn refresh(&mut self) -> Result<(), RedisError> {
        let registrations = self.context.groups.borrow().registrations();
        self.look.look(&mut self.commands, self.host, &registrations).await;
        self.renew(&registrations).await
    }

    /// Renews memberships. Reports those that were missing once all of these are there.
    async fn renew(&mut self, registrations: &[Rc<Registration>]) -> Result<(), RedisError> {
        let group_expiry = self.context.options.group_expiry.0;
        let mut fresh = Vec::new();
        let renewed = core::add(&mut self.commands, self.host, registrations, group_expiry, &mut fresh).await;
        let registry = self.context.groups.borrow();
        // A group joined a moment ago may be registered in Redis here first, and is then not confirmed yet.
        let was_there = |at: &usize| registry.is_confirmed(self.host, &registrations[*at]);
        self.lost.extend(fresh.into_iter().filter(was_there).map(|at| registrations[at].group.clone()));
        drop(registry);
        renewed?;
        if !self.lost.is_empty() {
            let mut lost = std::mem::take(&mut self.lost);
            lost.sort_unstable();
            lost.dedup();
            log::warn!(
                "this node's membership of {} groups was missing in Redis (flushed or evicted?); registered again",
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

/// A late answer is not awaited, and no failure: the probes show whether Redis answers.
fn late(error: RedisError) -> Result<(), RedisError> {
    if error.is_timeout() { Ok(()) } else { Err(error) }
}

/// The popper's failure; never resolves without a popper.
async fn failure(popper: &mut Option<(AbortOnDrop, oneshot::Receiver<RedisError>)>) -> RedisError {
    match popper {
        Some((_, failure)) => failure.await.unwrap_or_else(|_| timed_out()),
        None => std::future::pending().await,
    }
}
