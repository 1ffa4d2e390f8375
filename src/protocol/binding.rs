//! A consumer's part in a connection: the context and state of its handlers.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use super::bridged::Bridged;
use crate::{
    auth::claims::user_id_of,
    consumer::{Consumer, Context, Quotas, Reaction},
    event::Incoming,
    hub::{Member, Principal, Shard},
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
    /// Absent if Django runs no part of the consumer. Boxed, because most connections have none.
    pub(super) bridged: Option<Box<Bridged>>,
}

impl Binding {
    /// A consumer's part in a connection.
    pub fn new(consumer: Arc<Consumer>, context: Context, principal: Option<Rc<Principal>>) -> Self {
        let id = context.id.filter(|_| consumer.django().is_any());
        let bridged = id.map(|id| Box::new(Bridged::new(id)));
        let context = consumer.keep(context);
        Self {
            bridged,
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
        let of_django = self.bridged.as_deref().and_then(Bridged::user_id);
        of_django.or_else(|| self.with_context(|context| user_id_of(&context.user)))
    }

    pub(super) fn with_context<T>(&self, read: impl FnOnce(&Context) -> T) -> T {
        match self.context.borrow().as_deref() {
            Some(context) => read(context),
            None => read(&Context::default()),
        }
    }

    /// Changes the context; conditions of later events see the change.
    pub(super) fn change(&self, shard: &Shard, member: Option<&Member>, change: impl FnOnce(&mut Context)) {
        if let Some(context) = self.context.borrow_mut().as_deref_mut() {
            change(context);
            if self.consumer.has_traits()
                && let (Some(member), Some(traits)) = (member, self.consumer.traits(context))
            {
                shard.change_traits(member, traits);
            }
        }
    }

    /// `None`: Django handles the message.
    pub(super) fn react(&self, incoming: Incoming<'_>) -> Option<Reaction> {
        let limits = &mut *self.limits.borrow_mut();
        let (consumer, now) = (&self.consumer, Instant::now());
        self.with_context(|context| match consumer.django().receive {
            true => consumer.on_matching(context, incoming, limits, now),
            false => Some(consumer.on_message(context, incoming, limits, now)),
        })
    }
}
