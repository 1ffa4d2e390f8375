//! What authentication has proven of a connection, as the hub keeps it: the hub can find, renew and end it with that.
//!
//! It holds no token and no name of a user: a [`Fingerprint`] stands for each.

use std::{sync::Arc, time::Instant};

use super::Fingerprint;

/// A cached token that must not be deleted while its connection is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Its key in the cache.
    pub key: Arc<str>,
    /// When it ends by itself, which is no deletion.
    pub end: Option<Instant>,
}

/// What is known of who is behind a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The user.
    pub user: Fingerprint,
    /// The token.
    pub token: Option<Fingerprint>,
    /// When the look at the token began.
    pub began: Instant,
    /// When the connection is to end.
    pub deadline: Option<Instant>,
    /// What to look after.
    pub watch: Option<Watch>,
}
