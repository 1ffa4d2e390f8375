//! Counts how the checks of credentials end, and logs each token that is refused: once per reason and 10 seconds.
//!
//! In: the result of a check, and where it was made. Out: metrics and a line that says what to change, never a token.

use std::{sync::LazyLock, time::Duration};

use super::{
    AuthError,
    fault::{Fault, Reason},
};
use crate::telemetry::{Metrics, Throttle};

const INTERVAL: Duration = Duration::from_secs(10);

/// One for each reason, so that a storm of one does not hide another.
static THROTTLES: LazyLock<Vec<(Reason, Throttle)>> =
    LazyLock::new(|| Reason::ALL.map(|reason| (reason, Throttle::new(INTERVAL))).into());

/// Counts a check and logs a token that is not valid; `place` is the consumer or the route.
pub fn report(metrics: &Metrics, place: &str, checked: Result<&'static str, &AuthError>) {
    count(metrics, checked);
    if let Err(AuthError::Invalid(fault)) = checked {
        fault.log(place);
    }
}

/// Counts a check: the outcome of a success, or why it failed.
pub fn count(metrics: &Metrics, checked: Result<&'static str, &AuthError>) {
    metrics.token(checked.unwrap_or_else(AuthError::outcome));
    match checked {
        Err(AuthError::Invalid(fault)) => metrics.token_refused(fault.reason.label()),
        Err(error @ AuthError::Revoked) => metrics.token_refused(error.label()),
        _ => {}
    }
}

impl Fault {
    /// Logs it: once per reason and 10 seconds.
    pub fn log(&self, place: &str) {
        let Self { reason, advice } = self;
        let throttle = THROTTLES.iter().find(|(known, _)| known == reason).map(|(_, throttle)| throttle);
        let Some(left_out) = throttle.and_then(Throttle::pass) else { return };
        // A token that has ended is everyday; the others mean that a setting or a program is wrong.
        let level = if matches!(reason, Reason::Expired | Reason::Login) { log::Level::Info } else { log::Level::Warn };
        let more = if left_out == 0 { String::new() } else { format!(" ({left_out} like it left out)") };
        log::log!(level, "{place}: a token is not valid ({}): {advice}{more}", reason.label());
    }
}
