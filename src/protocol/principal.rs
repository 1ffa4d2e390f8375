//! From what somebody has proven to a place among those who can be disconnected, and whose time may end.

use std::{
    rc::Rc,
    time::{Instant, SystemTime},
};

use super::services::WorkerServices;
use crate::{
    auth::{AuthError, Identity, claims},
    event::{Fingerprint, Proof},
    hub::Principal,
    socket::Connection,
};

impl WorkerServices {
    /// Notes who is behind a connection; `None` for nobody in particular. `ends` says whether the connection ends with the
    /// token, `began` when the look at it began. An error where it was disconnected meanwhile.
    pub fn enter(
        &self,
        connection: &Rc<Connection>,
        identity: &Identity,
        ends: bool,
        began: Instant,
    ) -> Result<Option<Rc<Principal>>, AuthError> {
        let Some(proof) = proof(identity, ends, began) else { return Ok(None) };
        let principal = self.shard.principals().enter(connection, proof);
        principal.map(Some).ok_or_else(|| {
            self.metrics.revocation("refused", 1);
            AuthError::Revoked
        })
    }
}

/// What the hub has to know of an identity; nothing of the anonymous.
pub(super) fn proof(identity: &Identity, ends: bool, began: Instant) -> Option<Proof> {
    let id = claims::user_id_text(identity.user.get("id")?)?;
    let deadline = identity.expires.filter(|_| ends).and_then(|end| {
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        Instant::now().checked_add(left)
    });
    Some(Proof {
        user: Fingerprint::of_user(&id),
        token: identity.token,
        began,
        deadline,
        watch: identity.watch.clone(),
    })
}
