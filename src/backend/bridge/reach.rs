//! Whether Django accepts connections, as the calls have last seen it.
//!
//! While it refuses them, one call at a time tries to connect, with growing pauses; all others wait for what it finds
//! out. Thousands of waiting calls so cost Django and the node no more than one.

use std::{
    sync::{Arc, Mutex as Plain, PoisonError},
    time::Duration,
};

use reqwest::Url;
use tokio::{
    net::TcpStream,
    sync::{Mutex, watch},
    time::{sleep, timeout},
};

use crate::{backoff::Backoff, telemetry::Metrics};

/// Deadline of a try.
const CONNECT: Duration = Duration::from_secs(2);

/// What is known.
pub(super) struct Reach {
    host: String,
    port: u16,
    /// Why Django is away.
    away: watch::Sender<Option<Arc<str>>>,
    /// The right to try meanwhile.
    probe: Mutex<()>,
    pauses: Plain<Backoff>,
    metrics: Metrics,
}

impl Reach {
    pub fn new(url: &Url, metrics: Metrics) -> Self {
        Self {
            host: url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default().unwrap_or(80),
            away: watch::Sender::new(None),
            probe: Mutex::new(()),
            pauses: Plain::default(),
            metrics,
        }
    }

    /// Waits until Django may be asked.
    pub async fn pass(&self) {
        if self.away.borrow().is_none() {
            return;
        }
        let mut back = self.away.subscribe();
        tokio::select! {
            biased;
            _ = back.wait_for(Option::is_none) => {}
            () = self.found() => {}
        }
    }

    /// Tries until Django accepts a connection.
    async fn found(&self) {
        let _probe = self.probe.lock().await;
        loop {
            let pause = self.pauses.lock().unwrap_or_else(PoisonError::into_inner).next_pause();
            sleep(pause).await;
            self.metrics.bridge.retries.inc();
            if let Ok(Ok(_)) = timeout(CONNECT, TcpStream::connect((&*self.host, self.port))).await {
                // The pauses grow on until a request is answered: a server may accept connections and break them.
                self.away.send_if_modified(|away| away.take().is_some());
                return;
            }
        }
    }

    /// Django has refused a request's connection.
    pub fn refused(&self, reason: &str) {
        self.metrics.bridge.retries.inc();
        self.away.send_replace(Some(reason.into()));
    }

    /// Django has received a request.
    pub fn reached(&self) {
        self.away.send_if_modified(|away| away.take().is_some());
        *self.pauses.lock().unwrap_or_else(PoisonError::into_inner) = Backoff::default();
    }

    /// Why Django is away, if it is.
    pub fn away(&self) -> Option<Arc<str>> {
        self.away.borrow().clone()
    }
}
