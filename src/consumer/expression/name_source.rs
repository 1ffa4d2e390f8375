//! Who chooses the value of an expression: a client, an identity, or only the configuration and Django.
//!
//! A client's value remains a client's value in a variable and in an acknowledgement.

use indexmap::IndexMap;

use super::{Allowed, Expression, NameSource, Template, Var, VarSet};
use crate::config::{self, Handler};

/// Names with values that a client can choose freely; for variables see [`NameSources`].
const CLIENTS: VarSet =
    VarSet::of(&[Var::Message, Var::Args, Var::Route, Var::Query, Var::Auth, Var::Host, Var::Present]);

/// Names with values from a token or from Django.
const IDENTITIES: VarSet = VarSet::of(&[Var::User, Var::Claims, Var::Id, Var::ChannelName, Var::Vars]);

/// Where the values of one consumer's names come from.
#[derive(Debug, Default)]
pub struct NameSources {
    /// Variables that are set, and never to a value chosen by a client.
    safe: Vec<String>,
}

/// The expression that a variable is set to, and whether `result` is a client's value there.
type Setting = (Option<Expression>, bool);

impl NameSources {
    /// Examines every `set` of the consumer.
    pub fn of(spec: &config::Consumer) -> Self {
        let mut settings: IndexMap<&str, Vec<Setting>> = IndexMap::new();
        let life = [&spec.on_admit, &spec.on_connect, &spec.on_disconnect, &spec.on_online, &spec.on_offline];
        let handlers = life.into_iter().flatten().chain(spec.on_message.values()).chain(spec.on_raw.values());
        handlers.for_each(|handler| collect(handler, false, &mut settings));
        let mut sources = Self { safe: settings.keys().map(|name| (*name).to_owned()).collect() };
        // A variable is as safe as the values it is set to; repeat until nothing changes.
        loop {
            let before = sources.safe.len();
            let safe =
                |(value, answered): &Setting| value.as_ref().is_some_and(|value| !sources.is_clients(value, *answered));
            let kept = sources.safe.iter().filter(|name| settings[name.as_str()].iter().all(safe)).cloned().collect();
            sources = Self { safe: kept };
            if sources.safe.len() == before {
                return sources;
            }
        }
    }

    /// Whether a client can have chosen the value. `answered`: `result` is a client's acknowledgement.
    pub fn is_clients(&self, expression: &Expression, answered: bool) -> bool {
        let names = expression.names();
        let variables = expression.paths().filter(|path| path.split('.').next() == Some(Var::Vars.as_str()));
        names.meets(CLIENTS)
            || answered && names.has(Var::Result)
            || !variables.map(variable).all(|name| self.is_safe(name))
    }

    /// Who chooses the values of a template.
    pub fn of_template(&self, template: &Template, answered: bool) -> NameSource {
        if template.expressions().any(|expression| self.is_clients(expression, answered)) {
            NameSource::Client
        } else if template.names().meets(IDENTITIES) {
            NameSource::Identity
        } else {
            NameSource::Trusted
        }
    }

    fn is_safe(&self, variable: Option<&str>) -> bool {
        variable.is_some_and(|variable| self.safe.iter().any(|safe| safe == variable))
    }
}

/// The variable that a path reads; `None` if it is not known.
fn variable(path: &str) -> Option<&str> {
    path.split('.').nth(1)
}

fn collect<'a>(handler: &'a Handler, answered: bool, settings: &mut IndexMap<&'a str, Vec<Setting>>) {
    let anywhere = Allowed { names: &Var::ALL, at: "" };
    for step in handler.as_slice() {
        for (name, source) in &step.set {
            settings.entry(name).or_default().push((Expression::compile(source, anywhere).ok(), answered));
        }
        if let Some(call) = &step.call {
            let branches = call.ok.iter().chain(call.status.values()).chain(&call.unavailable).chain(&call.error);
            branches.for_each(|branch| collect(branch, false, settings));
        }
        let expects =
            step.reply.iter().flat_map(|replies| replies.as_slice()).filter_map(|reply| reply.expect.as_ref());
        expects
            .flat_map(|expect| expect.ok.iter().chain(&expect.error))
            .for_each(|branch| collect(branch, true, settings));
    }
}
