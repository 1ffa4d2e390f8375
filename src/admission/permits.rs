//! The permits of one connection: of its address and of its users.
//!
//! A connection has one of these, or none if nothing is counted. A user's permit counts once per connection, however
//! many of the connection's namespaces belong to the user.

use std::{
    rc::{Rc, Weak},
    sync::Arc,
};

use tokio::sync::OnceCell;

use super::{AddressPermit, OverLimit, UserCountPermit, Users};

/// A user's permit for one connection, perhaps not taken yet; given back when the last holder drops it.
pub struct UserPermit {
    user: Arc<str>,
    permit: OnceCell<Result<UserCountPermit, OverLimit>>,
}

impl UserPermit {
    /// Takes the permit unless it is taken; concurrent callers get the same answer.
    ///
    /// # Errors
    /// The limit is reached, or the count is unknown.
    pub async fn take(&self, users: &Users) -> Result<(), OverLimit> {
        let index = self.permit.get_or_init(|| users.take(&self.user)).await;
        index.as_ref().map(drop).map_err(|refused| *refused)
    }
}

/// The permits of one connection.
#[derive(Default)]
pub struct ConnectionPermits {
    /// The permit of its address.
    pub address: Option<AddressPermit>,
    /// Permits of users that are held or about to be.
    known: Vec<Weak<UserPermit>>,
    /// The holders: attempts to connect to a namespace.
    held: Vec<(u32, Rc<UserPermit>)>,
}

impl ConnectionPermits {
    /// The permit of a user; a new one if the connection has none.
    pub fn of_user(&mut self, user: &str) -> Rc<UserPermit> {
        self.known.retain(|permit| permit.strong_count() > 0);
        let known = self.known.iter().filter_map(Weak::upgrade).find(|permit| *permit.user == *user);
        known.unwrap_or_else(|| {
            let permit = Rc::new(UserPermit { user: user.into(), permit: OnceCell::new() });
            self.known.push(Rc::downgrade(&permit));
            permit
        })
    }

    /// Whether it holds no permits.
    pub fn is_empty(&self) -> bool {
        self.address.is_none() && self.held.is_empty() && self.known.iter().all(|permit| permit.strong_count() == 0)
    }

    /// Keeps permits while the connection is open or until they are given back.
    pub fn keep(&mut self, attempt: u32, permits: Vec<Rc<UserPermit>>) {
        self.held.extend(permits.into_iter().map(|permit| (attempt, permit)));
    }

    /// In one attempt, replaces the user `old` by the user with this permit.
    pub fn exchange(&mut self, attempt: u32, old: Option<&str>, permit: Option<Rc<UserPermit>>) {
        let index = self.held.iter().position(|(of, held)| *of == attempt && Some(&*held.user) == old);
        if let Some(index) = index {
            self.held.swap_remove(index);
        }
        self.held.extend(permit.map(|permit| (attempt, permit)));
    }

    /// Gives back the permits of one attempt.
    pub fn give_back(&mut self, attempt: u32) {
        self.held.retain(|(of, _)| *of != attempt);
    }
}
