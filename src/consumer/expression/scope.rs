//! The names that expressions may use, and their values in one evaluation.

use std::sync::Arc;

use minijinja::{Value as Jinja, value::Object};

/// A name that an expression can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Var {
    Event,
    Group,
    Message,
    Args,
    Result,
    User,
    Route,
    Query,
    Claims,
    Auth,
    Id,
    ChannelName,
    Host,
    Vars,
    Backend,
    Channel,
    Gap,
    Item,
    Present,
    Room,
    Node,
}

impl Var {
    pub const ALL: [Self; 21] = [
        Self::Event,
        Self::Group,
        Self::Message,
        Self::Args,
        Self::Result,
        Self::User,
        Self::Route,
        Self::Query,
        Self::Claims,
        Self::Auth,
        Self::Id,
        Self::ChannelName,
        Self::Host,
        Self::Vars,
        Self::Backend,
        Self::Channel,
        Self::Gap,
        Self::Item,
        Self::Present,
        Self::Room,
        Self::Node,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Group => "group",
            Self::Message => "message",
            Self::Args => "args",
            Self::Result => "result",
            Self::User => "user",
            Self::Route => "route",
            Self::Query => "query",
            Self::Claims => "claims",
            Self::Auth => "auth",
            Self::Id => "id",
            Self::ChannelName => "channel_name",
            Self::Host => "host",
            Self::Vars => "vars",
            Self::Backend => "backend",
            Self::Channel => "channel",
            Self::Gap => "gap",
            Self::Item => "item",
            Self::Present => "present",
            Self::Room => "room",
            Self::Node => "node",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

/// The names that an expression may use at its place.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'a> {
    pub names: &'a [Var],
    /// That place, as errors describe it.
    pub at: &'a str,
}

/// Some of the names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VarSet(u32);

impl VarSet {
    /// The names for which a connection's context is kept.
    pub const CONNECTION: Self = Self::of(&[
        Var::User,
        Var::Route,
        Var::Query,
        Var::Claims,
        Var::Auth,
        Var::Id,
        Var::ChannelName,
        Var::Host,
        Var::Room,
        Var::Vars,
    ]);

    /// All names.
    pub const ALL: Self = Self::of(&Var::ALL);

    pub const fn of(names: &[Var]) -> Self {
        let (mut set, mut index) = (0, 0);
        while index < names.len() {
            set |= 1 << names[index] as u32;
            index += 1;
        }
        Self(set)
    }

    pub const fn has(self, name: Var) -> bool {
        self.0 & (1 << name as u32) != 0
    }

    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it has only names of `other`.
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Those that are not in the other set.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Both together.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The values of the names in one evaluation.
#[derive(Debug, Default)]
pub struct Scope([Option<Jinja>; Var::ALL.len()]);

impl Scope {
    pub fn with(mut self, name: Var, value: Jinja) -> Self {
        self.0[name as usize] = Some(value);
        self
    }

    pub fn into_jinja(self) -> Jinja {
        Jinja::from_object(self)
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        self.0[Var::parse(key)? as usize].clone()
    }
}

/// A scope that knows an item of a list, too.
#[derive(Debug)]
struct ItemScope {
    scope: Jinja,
    item: Jinja,
}

/// The same names, and `item`.
pub fn with_item(scope: &Jinja, item: Jinja) -> Jinja {
    Jinja::from_object(ItemScope { scope: scope.clone(), item })
}

impl Object for ItemScope {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        if key == Var::Item.as_str() {
            return Some(self.item.clone());
        }
        self.scope.get_attr(key).ok().filter(|value| !value.is_undefined())
    }
}
