//! The result of authentication as the hub keeps it, to find, renew and end the connection.
//!
//! It holds neither a token nor a user's name: each is represented by a [`Fingerprint`].

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use super::Fingerprint;

/// A cached token that must not be deleted while its connection is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedToken {
    /// Its key in the cache.
    pub key: Arc<str>,
    /// When it expires; expiry is not deletion.
    pub end: Option<Instant>,
}

/// What is known about the user of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The user.
    pub user: Fingerprint,
    /// The token.
    pub token: Option<Fingerprint>,
    /// When the check of the token began.
    pub began: Instant,
    /// When the connection must end. By the wall clock, like the token that says so: it goes on while a machine sleeps,
    /// and it can be set.
    pub deadline: Option<SystemTime>,
    /// The cache entry to watch.
    pub watch: Option<WatchedToken>,
}
