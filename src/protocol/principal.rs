//! Registers an authenticated client in the index of principals, so that it can be disconnected and can expire.

use std::{rc::Rc, time::Instant};

use super::services::WorkerServices;
use crate::{
    auth::{AuthError, Identity, claims},
    event::{Fingerprint, Proof, Value},
    hub::Principal,
    socket::Connection,
};

impl WorkerServices {
    /// Registers the user of a connection: its token's user, or another one set by a consumer; `None` for an anonymous
    /// client. `ends` says whether the connection ends with the token, `began` when its check began. Fails if the user
    /// or token was disconnected meanwhile.
    pub fn enter(
        &self,
        connection: &Rc<Connection>,
        identity: &Identity,
        user: &Value,
        ends: bool,
        began: Instant,
    ) -> Result<Option<Rc<Principal>>, AuthError> {
        let Some(user) = fingerprint(user) else { return Ok(None) };
        let proof = proof(identity, ends, began).unwrap_or_else(|| anonymous(user, identity.asked.unwrap_or(began)));
        let principal = self.shard.principals().enter_as(connection, proof, user);
        principal.map(Some).ok_or_else(|| {
            self.metrics.revocation("refused", 1);
            AuthError::Revoked
        })
    }
}

/// The fingerprint by which a user is found.
pub(super) fn fingerprint(user: &Value) -> Option<Fingerprint> {
    claims::user_id_of(user).map(|id| Fingerprint::of_user(&id))
}

/// A client without a token that has a user anyway.
pub(super) const fn anonymous(user: Fingerprint, began: Instant) -> Proof {
    Proof { user, token: None, began, deadline: None, watch: None }
}

/// The hub's data about an identity; `None` if anonymous.
pub(super) fn proof(identity: &Identity, ends: bool, began: Instant) -> Option<Proof> {
    let user = fingerprint(&identity.user)?;
    let deadline = identity.expires.filter(|_| ends);
    // Django may have been asked before this handshake began.
    let began = identity.asked.unwrap_or(began);
    Some(Proof { user, token: identity.token, began, deadline, watch: identity.watch.clone() })
}
