//! From what somebody has proven to a place among those who can be disconnected, and whose time may end.

use std::{
    rc::Rc,
    time::{Instant, SystemTime},
};

use super::services::WorkerServices;
use crate::{
    auth::{AuthError, Identity, claims},
    event::{Fingerprint, Proof, Value},
    hub::Principal,
    socket::Connection,
};

impl WorkerServices {
    /// Notes who is behind a connection: its token's user, or another that a consumer knows it as; `None` for an anonymous
    /// client. `ends` says whether the connection ends with the token, `began` when the look at it began. An error where it
    /// was disconnected meanwhile.
    pub fn enter(
        &self,
        connection: &Rc<Connection>,
        identity: &Identity,
        user: &Value,
        ends: bool,
        began: Instant,
    ) -> Result<Option<Rc<Principal>>, AuthError> {
        let Some(user) = fingerprint(user) else { return Ok(None) };
        let proof = proof(identity, ends, began).unwrap_or_else(|| anonymous(user, began));
        let principal = self.shard.principals().enter_as(connection, proof, user);
        principal.map(Some).ok_or_else(|| {
            self.metrics.revocation("refused", 1);
            AuthError::Revoked
        })
    }
}

/// By what a user is found.
pub(super) fn fingerprint(user: &Value) -> Option<Fingerprint> {
    claims::user_id_of(user).map(|id| Fingerprint::of_user(&id))
}

/// Who showed no token, and is known as this user all the same.
pub(super) const fn anonymous(user: Fingerprint, began: Instant) -> Proof {
    Proof { user, token: None, began, deadline: None, watch: None }
}

/// What the hub has to know of an identity; nothing of the anonymous.
pub(super) fn proof(identity: &Identity, ends: bool, began: Instant) -> Option<Proof> {
    let user = fingerprint(&identity.user)?;
    let deadline = identity.expires.filter(|_| ends).and_then(|end| {
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        Instant::now().checked_add(left)
    });
    Some(Proof { user, token: identity.token, began, deadline, watch: identity.watch.clone() })
}
