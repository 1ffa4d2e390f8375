//! The reconnect loop of every Redis subscription: one connection after the other, forever.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::backoff::Backoff;

/// A connection that lasted this long was good: after it the pauses start again from the beginning.
const GOOD: Duration = Duration::from_secs(5);

/// Connects until `stopped`, or until `serve` returns no reason to reconnect.
///
/// - `establish` connects, or returns why it cannot.
/// - `serve` gets the connection, and whether there was one before; it returns the reason why the connection ended. It
///   must handle the stop itself, because it may have to clean up.
/// - `down` gets each reason, and whether it is the first since the last connection.
pub async fn reconnect<C, E, S>(
    stopped: impl Future<Output = ()>,
    mut establish: impl FnMut() -> E,
    mut serve: impl FnMut(C, bool) -> S,
    mut down: impl FnMut(&str, bool),
) where
    E: Future<Output = Result<C, String>>,
    S: Future<Output = Option<String>>,
{
    let mut stopped = pin!(stopped);
    let (mut backoff, mut was_up, mut is_down) = (Backoff::default(), false, false);
    loop {
        let established = tokio::select! {
            () = &mut stopped => return,
            established = establish() => established,
        };
        let reason = match established {
            Ok(connection) => {
                is_down = false;
                let since = Instant::now();
                let Some(reason) = serve(connection, std::mem::replace(&mut was_up, true)).await else { return };
                if since.elapsed() >= GOOD {
                    backoff = Backoff::default();
                }
                reason
            }
            Err(reason) => reason,
        };
        down(&reason, !std::mem::replace(&mut is_down, true));
        tokio::select! {
            () = &mut stopped => return,
            () = sleep(backoff.next_pause()) => {}
        }
    }
}
