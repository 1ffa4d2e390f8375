//! Who chooses what an expression gives: a client, an identity, or nobody but the configuration and Django.
//!
//! A client's word stays a client's word in a variable, and in what it acknowledges.

use indexmap::IndexMap;

use super::{
    expression::Expression,
    scope::{Allowed, Name, NameSet},
    template::{Origin, Template},
};
use crate::config::{self, Handler};

/// What a client can have chosen as it likes; of variables see [`Origins`].
const CLIENTS: NameSet = NameSet::of(&[Name::Message, Name::Args, Name::Route, Name::Query, Name::Auth]);

/// What a token or Django says of somebody.
const IDENTITIES: NameSet = NameSet::of(&[Name::User, Name::Claims, Name::Id, Name::Vars]);

/// Where the names of one consumer come from.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// The variables that are set, and never to what a client chose.
    safe: Vec<String>,
}

/// What a variable is set to, and whether `result` is a client's there.
type Setting = (Option<Expression>, bool);

impl Origins {
    /// Looks at all that the consumer sets.
    pub fn of(spec: &config::Consumer) -> Self {
        let mut settings: IndexMap<&str, Vec<Setting>> = IndexMap::new();
        let life = [&spec.on_admit, &spec.on_connect, &spec.on_disconnect, &spec.on_online, &spec.on_offline];
        let handlers = life.into_iter().flatten().chain(spec.on_message.values()).chain(spec.on_raw.values());
        handlers.for_each(|handler| collect(handler, false, &mut settings));
        let mut origins = Self { safe: settings.keys().map(|name| (*name).to_owned()).collect() };
        // What is set to a variable is as safe as that: until nothing more is found.
        loop {
            let before = origins.safe.len();
            let safe =
                |(value, answered): &Setting| value.as_ref().is_some_and(|value| !origins.is_clients(value, *answered));
            let kept = origins.safe.iter().filter(|name| settings[name.as_str()].iter().all(safe)).cloned().collect();
            origins = Self { safe: kept };
            if origins.safe.len() == before {
                return origins;
            }
        }
    }

    /// Whether a client can have chosen it. `answered`: `result` is what a client acknowledged.
    pub fn is_clients(&self, expression: &Expression, answered: bool) -> bool {
        let names = expression.names();
        let variables = expression.paths().filter(|path| path.split('.').next() == Some(Name::Vars.as_str()));
        names.meets(CLIENTS)
            || answered && names.has(Name::Result)
            || !variables.map(variable).all(|name| self.is_safe(name))
    }

    /// Who chooses the values of a template.
    pub fn of_template(&self, template: &Template, answered: bool) -> Origin {
        if template.expressions().any(|expression| self.is_clients(expression, answered)) {
            Origin::Client
        } else if template.names().meets(IDENTITIES) {
            Origin::Identity
        } else {
            Origin::Trusted
        }
    }

    fn is_safe(&self, variable: Option<&str>) -> bool {
        variable.is_some_and(|variable| self.safe.iter().any(|safe| safe == variable))
    }
}

/// The variable that a path reads; `None` if it is not said.
fn variable(path: &str) -> Option<&str> {
    path.split('.').nth(1)
}

fn collect<'a>(handler: &'a Handler, answered: bool, settings: &mut IndexMap<&'a str, Vec<Setting>>) {
    let anywhere = Allowed { names: &Name::ALL, place: "" };
    for step in handler.as_slice() {
        for (name, source) in &step.set {
            settings.entry(name).or_default().push((Expression::compile(source, anywhere).ok(), answered));
        }
        if let Some(call) = &step.call {
            let branches = call.ok.iter().chain(call.status.values()).chain(&call.error);
            branches.for_each(|branch| collect(branch, false, settings));
        }
        let expects =
            step.reply.iter().flat_map(|replies| replies.as_slice()).filter_map(|reply| reply.expect.as_ref());
        expects
            .flat_map(|expect| expect.ok.iter().chain(&expect.error))
            .for_each(|branch| collect(branch, true, settings));
    }
}
