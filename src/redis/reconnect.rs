//! One connection after the other, for ever: the loop that every subscription to Redis lives in.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::backoff::Backoff;

/// A connection that lasted this long was a good one: after it the pauses begin anew.
const GOOD: Duration = Duration::from_secs(5);

/// Connects until `stopped`, or until `serve` gives no reason to connect again.
///
/// - `establish` connects, or says why it cannot.
/// - `serve` gets the connection, and whether there was one before; it gives the reason why the connection ended. It has to
///   heed the stop itself, because it may have to take leave.
/// - `down` hears each reason, and whether it is the first since the last connection.
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
