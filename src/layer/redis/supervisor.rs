//! Keeps one host connected forever: session after session, with a random pause in between, and one log line per
//! change.
//!
//! In: nothing but the context. Out: readiness of the host, [`Gap`](crate::event::Gap)s after a loss. It retries forever.

use std::rc::Rc;

use super::{LayerContext, host_session::HostSession};
use crate::{event::GapReason, redis::reconnect};

/// Runs until the node stops.
pub(super) async fn supervise(context: Rc<LayerContext>, host: usize) {
    let label = context.hosts[host].label();
    let mut stop = context.stop.subscribe();
    let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
    let context = &context;
    let establish = || Box::pin(HostSession::establish(context, host));
    let serve = |session: HostSession, _| async move {
        if context.states.has_served(host) {
            log::warn!("{label}: connected again; what was published meanwhile is missing");
            context.decoder.metrics().reconnected();
            context.decoder.gap(None, GapReason::Reconnected);
        } else {
            log::info!("{label}: connected");
        }
        // Its first probe has returned.
        context.states.good(host);
        Box::pin(session.serve()).await
    };
    let down = |reason: &str, first| {
        context.states.out(host, reason);
        context.groups.borrow_mut().down(host, reason);
        if first {
            log::warn!("{label}: {reason}; reconnecting until it answers");
        }
    };
    reconnect(stopped, establish, serve, down).await;
}
