//! What a consumer needs of a connection, and the part of its context that is kept while it is open.

use std::sync::Arc;

use super::{
    Consumer, Context, Traits,
    expression::{Var, VarSet},
    notice::Hello,
};
use crate::event::Value;

impl Consumer {
    /// Whether its groups, its members or its calls need the connection's id.
    pub fn needs_id(&self) -> bool {
        let reads = self.reads.meets(VarSet::of(&[Var::Id, Var::ChannelName]));
        self.needs_context() || reads || self.spec.django.is_any()
    }

    /// Whether a connection that gets its first message needs an id, because that names it.
    pub fn hello_names(&self) -> bool {
        self.hello_reads().meets(VarSet::of(&[Var::Id, Var::ChannelName]))
    }

    fn hello_reads(&self) -> VarSet {
        self.hello.as_ref().map(Hello::names).unwrap_or_default()
    }

    /// Whether its expressions read the name of the connection's channel.
    pub fn reads_channel_name(&self) -> bool {
        self.reads.and(self.hello_reads()).has(Var::ChannelName)
    }

    /// Whether its expressions need the host that the client named.
    pub fn reads_host(&self) -> bool {
        self.reads_host
    }

    /// Whether its handlers read their context; if not, an empty one is enough, and a connection need not keep its own.
    pub fn needs_context(&self) -> bool {
        self.has_presence()
            || self.actions.needs_context()
            || self.spec.anonymous_for.is_some()
            || self.mappings.outcome_names().meets(VarSet::CONNECTION)
            // Conditions compare values that handlers, a refreshed token and Django change.
            || self.has_traits() && self.changes_connections()
    }

    /// Whether the user, the variables or the claims of a connection may change while it is open.
    fn changes_connections(&self) -> bool {
        self.actions.changes_connections() || self.spec.django.is_any()
    }

    /// The part of a connection's context that its handlers need: there are many connections, and a token's claims
    /// alone take a kilobyte.
    pub fn keep(&self, mut context: Context) -> Option<Box<Context>> {
        if !self.needs_context() {
            return None;
        }
        let mut names = self.actions.names().and(self.mappings.names());
        if let Some(member) = &self.presence {
            names.add(member.names());
        }
        if let (Some(refusal), Some(_)) = (&self.refusal, self.spec.anonymous_for) {
            names.add(refusal.names());
        }
        if let Some(room) = &self.presence_room {
            names.add(room.template().names());
        }
        // The user is part of calls and presence, and the variables belong to the handlers.
        for (name, value) in
            [(Var::Route, &mut context.route), (Var::Query, &mut context.query), (Var::Claims, &mut context.claims)]
        {
            if !names.has(name) {
                *value = Value::Null;
            }
        }
        if !names.has(Var::Auth) {
            context.auth = None;
        }
        if !names.has(Var::Host) {
            context.host = Arc::default();
        }
        if !names.has(Var::ChannelName) {
            context.channel_name = Arc::default();
        }
        Some(Box::new(context))
    }

    /// Applies another token of the same user: its data replaces that of the previous token, except a user that
    /// `on_admit` may have replaced.
    pub fn renew(&self, context: &mut Context, user: &Value, claims: &Value) {
        if !self.has_on_admit() {
            context.user = user.clone();
        }
        // Absent if no handler reads them.
        if context.claims != Value::Null {
            context.claims = claims.clone();
        }
    }

    /// Whether a connection's state may have this many bytes.
    pub fn may_keep(&self, bytes: usize) -> bool {
        bytes <= self.actions.max_state()
    }

    /// What its conditions compare of a connection; `None` if they compare nothing.
    pub fn traits(&self, context: &Context) -> Option<Traits> {
        let traits = self.with_user(context, |context| self.mappings.traits(self.id, context));
        Some(traits?.that_may_change(self.changes_connections()))
    }

    /// The context as `on_event` reads it: in Django a client without a user is Django's `AnonymousUser`.
    pub(super) fn with_user<T>(&self, context: &Context, read: impl FnOnce(&Context) -> T) -> T {
        match self.spec.django.is_any() && context.user == Value::Null {
            true => read(&Context { user: anonymous(), ..context.clone() }),
            false => read(context),
        }
    }

    /// Whether its conditions compare anything of a connection.
    pub fn has_traits(&self) -> bool {
        self.mappings.has_traits()
    }
}

/// A client without a user, as its consumer in Django sees it: Django's `AnonymousUser`.
fn anonymous() -> Value {
    let no = || Value::Bool(false);
    let attributes = [("id", Value::Null), ("name", "".into()), ("is_staff", no()), ("is_superuser", no())];
    attributes.into_iter().collect()
}
