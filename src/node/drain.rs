//! The end of a node: report not ready → wait for the balancer → refuse new connections → close the old ones, spread
//! over time → cut the rest.

use std::{process::ExitCode, time::Duration};

use super::{
    EXIT_DRAINED,
    build::Node,
    signals::{Signals, StopRequest},
    start::Serving,
    systemd,
};
use crate::telemetry::{Metrics, logging};

/// Exit status base when a second signal ended the node before the drain was over: 128 plus the signal's number, as
/// shells report it.
const EXIT_FORCED: u8 = 128;

/// How long the last farewells of clients may take at a stop.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long leaving Redis may take when a second signal ends the node.
const HASTE: Duration = Duration::from_millis(500);

impl Node {
    /// Drains the node; a second signal ends the process at once.
    pub async fn drain(&self, serving: &Serving, asked: &StopRequest, signals: Signals) -> ExitCode {
        let open = self.metrics.connections.get();
        log::info!("{} received: draining {open} connections; a second signal ends at once", asked.name);
        systemd::stopping(open).await;
        let Signals { mut stop, mut hangup } = signals;
        tokio::select! {
            () = self.wind_down(serving, asked.interactive) => {
                log::info!("drained; every registration in Redis is removed");
                ExitCode::from(EXIT_DRAINED)
            }
            again = stop.next() => {
                log::warn!("{} received again: ending at once", again.name);
                let _ = tokio::time::timeout(HASTE, self.layer.stop()).await;
                logging::flush();
                std::process::exit(i32::from(EXIT_FORCED + again.number));
            }
            never = hangup.refuse() => match never {},
        }
    }

    async fn wind_down(&self, serving: &Serving, interactive: bool) {
        let server = &self.config.server;
        // A user at a terminal does not wait for a balancer.
        let (delay, period) = match interactive {
            true => (Duration::ZERO, Duration::ZERO),
            false => (server.drain_delay.0, server.drain_period.0),
        };
        self.close_connections(serving, delay, period).await;
        // Polling clients learn of the drain from the answer to their next request, so the server must still answer it.
        let patience = period + server.drain_grace.0 + Duration::from_secs(2);
        let _ = tokio::time::timeout(patience, no_session_polls(&self.metrics)).await;
        let _ = tokio::time::timeout(period + server.drain_grace.0, self.no_calls()).await;
        // Idle connections are closed; a request that is being answered is not.
        self.stopping.send_replace(true);
        serving.handle.stop(true).await;
        self.stop_parts().await;
    }

    /// Waits until no consumer in Django handles anything for a client: what it still publishes is passed on, and its
    /// `disconnect()` follows with the state that it leaves. The workers end with their connections.
    async fn no_calls(&self) {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while self.bridge.calls().is_some_and(|calls| calls > 0 || self.metrics.connections.get() > 0) {
            look.tick().await;
        }
    }

    /// Refuses new clients, and asks the workers to close the others over `period`.
    async fn close_connections(&self, serving: &Serving, delay: Duration, period: Duration) {
        if serving.activated {
            // The socket outlives this process: clients that connect from now on wait in it for the next process.
            serving.handle.pause().await;
        } else {
            self.draining.begin();
        }
        tokio::time::sleep(delay).await;
        // The channel has no receiver if no worker has started.
        let _ = self.drain.send(Some(period));
        if serving.activated {
            // Clients admitted a moment ago are not refused but closed like all others.
            tokio::time::sleep(period).await;
            self.draining.begin();
        }
    }

    /// Removes what the node has in Redis; the layer stops last because the other parts use it.
    async fn stop_parts(&self) {
        self.control.stop().await;
        self.presence.stop().await;
        // The last background work of consumers for clients that have gone.
        let _ = tokio::time::timeout(FAREWELL, self.background.finished()).await;
        // Every connection has closed, and the layer still takes what their consumers publish.
        self.bridge.drain(self.config.server.drain_grace.0).await;
        self.cluster.stop().await;
        self.layer.stop().await;
    }
}

/// Waits until every polling Engine.IO session has ended.
async fn no_session_polls(metrics: &Metrics) {
    let mut look = tokio::time::interval(Duration::from_millis(50));
    while metrics.polling.get() > 0 {
        look.tick().await;
    }
}
