//! A consumer's part in a connection: the context and state of its handlers.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use crate::{
    auth::claims::user_id_of,
    consumer::{Consumer, Context, Quotas, Reaction},
    event::Incoming,
    hub::Principal,
    presence,
};

/// A consumer that admitted the connection, and the context of its expressions.
pub struct Binding {
    pub(super) consumer: Arc<Consumer>,
    /// Absent if no handler of the consumer reads it.
    context: RefCell<Option<Box<Context>>>,
    limits: RefCell<Quotas>,
    /// Boxed, because most connections are not counted as present.
    pub(super) present: RefCell<Option<Box<presence::PresenceMember>>>,
    /// Absent for an anonymous client.
    principal: Cell<Option<Rc<Principal>>>,
}

impl Binding {
    /// A consumer's part in a connection.
    pub fn new(consumer: Arc<Consumer>, context: Context, principal: Option<Rc<Principal>>) -> Self {
        let context = consumer.keep(context);
        Self {
            consumer,
            context: RefCell::new(context),
            limits: RefCell::default(),
            present: RefCell::default(),
            principal: Cell::new(principal),
        }
    }

    /// The principal of the connection for this consumer.
    pub(super) fn principal(&self) -> Option<Rc<Principal>> {
        let principal = self.principal.take();
        self.principal.set(principal.clone());
        principal
    }

    pub(super) fn set_principal(&self, principal: Option<Rc<Principal>>) {
        self.principal.set(principal);
    }

    /// The id of its user, as text.
    pub(super) fn user_id(&self) -> Option<String> {
        self.with_context(|context| user_id_of(&context.user))
    }

    pub(super) fn with_context<T>(&self, read: impl FnOnce(&Context) -> T) -> T {
        match self.context.borrow().as_deref() {
            Some(context) => read(context),
            None => read(&Context::default()),
        }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Context)) {
        if let Some(context) = self.context.borrow_mut().as_deref_mut() {
            change(context);
        }
    }

    pub(super) fn react(&self, incoming: Incoming<'_>) -> Reaction {
        let limits = &mut *self.limits.borrow_mut();
        self.with_context(|context| self.consumer.on_message(context, incoming, limits, Instant::now()))
    }
}
