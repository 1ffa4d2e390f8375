//! What one connection holds: its place among those of its address, and those of its users.
//!
//! A connection holds one of these, or nothing where nothing is counted. A user has one place for a connection, however many
//! namespaces of it are the user's.

use std::{
    rc::{Rc, Weak},
    sync::Arc,
};

use tokio::sync::OnceCell;

use super::{AddressPlace, Refused, UserPlace, Users};

/// A user's place for one connection, perhaps not taken yet; given back with the last who holds it.
pub struct UserPermit {
    user: Arc<str>,
    place: OnceCell<Result<UserPlace, Refused>>,
}

impl UserPermit {
    /// Takes the place, unless it is taken: those who ask at the same time get the same answer.
    ///
    /// # Errors
    /// The limit is reached, or it cannot be known whether it is.
    pub async fn take(&self, users: &Users) -> Result<(), Refused> {
        let place = self.place.get_or_init(|| users.take(&self.user)).await;
        place.as_ref().map(drop).map_err(|refused| *refused)
    }
}

/// What one connection holds.
#[derive(Default)]
pub struct ConnectionPermits {
    /// Its place among those of its address.
    pub address: Option<AddressPlace>,
    /// Permits of users that somebody has, or is about to.
    known: Vec<Weak<UserPermit>>,
    /// Whose they are: attempts to connect to a namespace.
    held: Vec<(u32, Rc<UserPermit>)>,
}

impl ConnectionPermits {
    /// The permit of a user; a new one, if the connection has none.
    pub fn of_user(&mut self, user: &str) -> Rc<UserPermit> {
        self.known.retain(|permit| permit.strong_count() > 0);
        let known = self.known.iter().filter_map(Weak::upgrade).find(|permit| *permit.user == *user);
        known.unwrap_or_else(|| {
            let permit = Rc::new(UserPermit { user: user.into(), place: OnceCell::new() });
            self.known.push(Rc::downgrade(&permit));
            permit
        })
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.address.is_none() && self.held.is_empty() && self.known.iter().all(|permit| permit.strong_count() == 0)
    }

    /// Keeps permits, for as long as the connection is open or until it is given back.
    pub fn keep(&mut self, attempt: u32, permits: Vec<Rc<UserPermit>>) {
        self.held.extend(permits.into_iter().map(|permit| (attempt, permit)));
    }

    /// For one attempt another user stands for `old` from now on, who has this permit.
    pub fn exchange(&mut self, attempt: u32, old: Option<&str>, permit: Option<Rc<UserPermit>>) {
        let place = self.held.iter().position(|(of, held)| *of == attempt && Some(&*held.user) == old);
        if let Some(place) = place {
            self.held.swap_remove(place);
        }
        self.held.extend(permit.map(|permit| (attempt, permit)));
    }

    /// Gives back what was kept for one attempt.
    pub fn give_back(&mut self, attempt: u32) {
        self.held.retain(|(of, _)| *of != attempt);
    }
}
