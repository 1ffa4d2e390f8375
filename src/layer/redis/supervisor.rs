//! Keeps one host connected for ever: session after session, with a random pause between, and says so once per change.
//!
//! In: nothing but the context. Out: readiness of the host, [`Gap`](crate::event::Gap)s after a loss. It retries forever.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    Context,
    session::{End, Session},
};
use crate::{event::GapReason, redis::Backoff};

/// A session that lasted this long was a good one.
const GOOD: Duration = Duration::from_secs(5);

/// Runs until the node stops.
pub(super) async fn supervise(context: Rc<Context>, host: usize) {
    let label = context.hosts[host].label();
    let mut stop = context.stop.subscribe();
    let mut backoff = Backoff::default();
    let mut was_up = false;
    let mut told = false;
    loop {
        let established = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            established = Box::pin(Session::establish(&context, host)) => established,
        };
        let reason = match established {
            Ok(session) => {
                if was_up {
                    log::warn!("{label}: connected again; what was published meanwhile is missing");
                    context.inbox.metrics().reconnected();
                    context.inbox.gap(None, GapReason::Reconnected);
                } else {
                    log::info!("{label}: connected");
                }
                was_up = true;
                told = false;
                let since = Instant::now();
                // Its first probe came back.
                context.states.good(host);
                match Box::pin(session.serve()).await {
                    End::Stopped => return,
                    End::Lost(reason) => {
                        if since.elapsed() >= GOOD {
                            backoff = Backoff::default();
                        }
                        reason
                    }
                }
            }
            Err(reason) => reason,
        };
        context.states.out(host, &reason);
        context.registry.borrow_mut().down(host, &reason);
        if !std::mem::replace(&mut told, true) {
            log::warn!("{label}: {reason}; trying again until it answers");
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(backoff.next_pause()) => {}
        }
    }
}
