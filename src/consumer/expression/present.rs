//! `present()` in expressions: who is online. It is known only after a question to the nodes' common store, so an
//! evaluation that calls it for the first time stops, and is repeated with the answer.

use std::sync::{Arc, Mutex, PoisonError};

use minijinja::{
    Error, ErrorKind, State, Value as Jinja,
    value::{Object, from_args},
};

use super::view::Root;
use crate::event::Value;

/// A room, as `present('room')` names it; `None` for the connection's own, or for the whole consumer.
pub type Room = Option<Arc<str>>;

/// The listings that a handler has so far, and the one that it lacks.
#[derive(Debug, Default)]
pub struct Present {
    known: Vec<(Room, Arc<Value>)>,
    missing: Mutex<Option<Room>>,
}

impl Present {
    /// With these listings.
    pub fn of(known: Vec<(Room, Arc<Value>)>) -> Arc<Self> {
        Arc::new(Self { known, missing: Mutex::default() })
    }

    /// The listing that the last evaluation lacked.
    pub fn missing(&self) -> Option<Room> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The listings so far.
    pub fn known(&self) -> &[(Room, Arc<Value>)] {
        &self.known
    }
}

impl Object for Present {
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Jinja]) -> Result<Jinja, Error> {
        let (room,): (Option<&str>,) = from_args(args)?;
        if let Some((_, listing)) = self.known.iter().find(|(known, _)| known.as_deref() == room) {
            return Ok(Root::Data(Arc::clone(listing)).into_jinja());
        }
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = Some(room.map(Arc::from));
        Err(Error::new(ErrorKind::InvalidOperation, "the members are not known yet"))
    }
}
