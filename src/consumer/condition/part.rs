//! The part of a connection's context that a message contains: only the values that it reads, so that many connections
//! have the same.

use indexmap::IndexMap;

use super::super::{
    context::Context,
    expression::{Expression, METHODS, Var, VarSet},
};
use crate::event::{Value, json, surrogate};

/// The paths that a message reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Of each name, the keys below it.
    paths: Vec<(Var, Vec<Box<str>>)>,
}

impl Part {
    /// What these expressions read of a connection.
    pub fn of(expressions: &[&Expression], own: VarSet) -> Self {
        let mut paths: Vec<(Var, Vec<Box<str>>)> = Vec::new();
        for path in expressions.iter().flat_map(|expression| expression.paths()) {
            let mut keys = path.split('.');
            if let Some(name) = keys.next().and_then(Var::parse).filter(|name| own.has(*name)) {
                // `user.get('name')` reads any key.
                let keys = keys.take_while(|key| !METHODS.contains(key)).map(Into::into).collect();
                paths.push((name, keys));
            }
        }
        paths.sort_by(|(one, keys), (other, others)| one.as_str().cmp(other.as_str()).then_with(|| keys.cmp(others)));
        paths.dedup();
        Self { paths }
    }

    pub fn names(&self) -> VarSet {
        self.paths.iter().fold(VarSet::default(), |names, (name, _)| names.and(VarSet::of(&[*name])))
    }

    /// The values of a connection, as text.
    pub fn text(&self, context: &Context) -> String {
        let mut values: IndexMap<Box<str>, Value> = IndexMap::new();
        for (name, _) in &self.paths {
            let keys = self.paths.iter().filter(|(other, _)| other == name).map(|(_, keys)| &**keys);
            if *name == Var::Host {
                let host = Some(&*context.host).filter(|host| !host.is_empty());
                values.insert(name.as_str().into(), host.map_or(Value::Null, Value::from));
            } else if let Some(value) = value_of(context, *name) {
                values.insert(name.as_str().into(), pruned(value, &keys.collect::<Vec<_>>()));
            }
        }
        json::text(&Value::Map(values))
    }
}

/// The value of a name that has one of any kind.
fn value_of(context: &Context, name: Var) -> Option<&Value> {
    match name {
        Var::Route => Some(&context.route),
        Var::Query => Some(&context.query),
        Var::User => Some(&context.user),
        Var::Claims => Some(&context.claims),
        Var::Auth => Some(context.auth.as_deref().unwrap_or(&Value::Null)),
        Var::Vars => Some(&context.vars),
        _ => None,
    }
}

/// A value without what none of the paths reads. What an expression finds missing in it is missing in the value, too.
fn pruned(value: &Value, paths: &[&[Box<str>]]) -> Value {
    let Value::Map(entries) = value else { return value.clone() };
    if paths.iter().any(|path| path.is_empty()) {
        return value.clone();
    }
    let mut kept = IndexMap::new();
    for key in paths.iter().filter_map(|path| path.first()) {
        let below: Vec<&[Box<str>]> =
            paths.iter().filter(|path| path.first() == Some(key)).filter_map(|path| path.get(1..)).collect();
        if let Some((key, value)) = entries.get_key_value(&*surrogate::tighten(key)) {
            kept.insert(key.clone(), pruned(value, &below));
        }
    }
    Value::Map(kept)
}
