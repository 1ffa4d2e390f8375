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
pub struct Seat {
    user: Arc<str>,
    place: OnceCell<Result<UserPlace, Refused>>,
}

impl Seat {
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
pub struct Places {
    /// Its place among those of its address.
    pub address: Option<AddressPlace>,
    /// Seats that somebody has, or is about to.
    known: Vec<Weak<Seat>>,
    /// Whose they are: attempts to connect to a namespace.
    held: Vec<(u32, Rc<Seat>)>,
}

impl Places {
    /// The seat of a user; a new one, if the connection has none.
    pub fn seat(&mut self, user: &str) -> Rc<Seat> {
        self.known.retain(|seat| seat.strong_count() > 0);
        let known = self.known.iter().filter_map(Weak::upgrade).find(|seat| *seat.user == *user);
        known.unwrap_or_else(|| {
            let seat = Rc::new(Seat { user: user.into(), place: OnceCell::new() });
            self.known.push(Rc::downgrade(&seat));
            seat
        })
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.address.is_none() && self.held.is_empty() && self.known.iter().all(|seat| seat.strong_count() == 0)
    }

    /// Keeps seats, for as long as the connection is open or until it is given back.
    pub fn keep(&mut self, attempt: u32, seats: Vec<Rc<Seat>>) {
        self.held.extend(seats.into_iter().map(|seat| (attempt, seat)));
    }

    /// Gives back what was kept for one attempt.
    pub fn give_back(&mut self, attempt: u32) {
        self.held.retain(|(of, _)| *of != attempt);
    }
}
