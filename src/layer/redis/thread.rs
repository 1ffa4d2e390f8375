//! The layer thread: one runtime for every connection to Redis, so that fan-out elsewhere never delays reading.
//!
//! In: [`Command`]s. Out: changes of the registry, and the end of every task at a stop.

use std::{
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    task::{JoinSet, LocalSet},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{Command, LayerContext, STOP, supervisor::supervise};
use crate::redis::AbortOnDrop;

/// Maximum number of commands per batch.
const BATCH: usize = 1024;

/// The pause between two markers.
const FENCE_PAUSE: Duration = Duration::from_millis(2);

/// Starts the thread; `make` creates the tasks' shared state on it.
pub(super) fn start(
    commands: mpsc::UnboundedReceiver<Command>,
    make: impl FnOnce() -> Rc<LayerContext> + Send + 'static,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("layer".to_owned()).spawn(move || {
        LocalSet::new().block_on(&runtime, async {
            let context = make();
            run(context, commands).await;
        });
        // Connections that no longer answer are not waited for.
        runtime.shutdown_background();
    })?;
    Ok(())
}

async fn run(context: Rc<LayerContext>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let mut supervisors = JoinSet::new();
    for host in 0..context.hosts.len() {
        supervisors.spawn_local(supervised(Rc::clone(&context), host));
    }
    let _fences = AbortOnDrop(tokio::task::spawn_local(fence(Rc::clone(&context))));
    let delay = context.options.linger.0;
    let mut sweep = interval((delay / 4).clamp(Duration::from_millis(10), Duration::from_secs(1)));
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            taken = commands.recv_many(&mut batch, BATCH) => {
                if taken == 0 {
                    return;
                }
                for command in batch.drain(..) {
                    let mut registry = context.groups.borrow_mut();
                    match command {
                        Command::Join(group, waiter) => registry.join(&group, waiter),
                        Command::Leave(group) => registry.leave(&group, Instant::now()),
                        Command::Discard(group, id) => registry.discard(&group, &id),
                        Command::Stop(done) => {
                            drop(registry);
                            context.stop.send_replace(true);
                            let ended = async { while supervisors.join_next().await.is_some() {} };
                            if timeout(STOP, ended).await.is_err() {
                                log::warn!("Redis did not confirm the removal of this node in time; its registrations will expire");
                            }
                            // The caller may have stopped waiting.
                            let _ = done.send(());
                            return;
                        }
                    }
                }
                context.fence_due.notify_one();
            }
            _ = sweep.tick() => {
                context.heartbeat.beat();
                let (mut registry, now) = (context.groups.borrow_mut(), Instant::now());
                registry.sweep(now);
                registry.fence_again(now);
            }
        }
    }
}

/// Sends markers for the joins that wait for one, with a pause between them: in a storm many joins share a marker.
async fn fence(context: Rc<LayerContext>) {
    loop {
        context.fence_due.notified().await;
        context.groups.borrow_mut().fence();
        sleep(FENCE_PAUSE).await;
    }
}

/// A supervisor returns only at a stop; one that panicked is restarted, so that a host is never abandoned.
async fn supervised(context: Rc<LayerContext>, host: usize) {
    loop {
        match tokio::task::spawn_local(supervise(Rc::clone(&context), host)).await {
            Ok(()) => return,
            Err(error) => {
                log::error!("{}: {error}", context.hosts[host].label());
                context.states.out(host, "the node has a fault; see its log");
                context.groups.borrow_mut().down(host, "the node has a fault");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
