//! The groups that messages of a Redis channel go to, as `[[source]]` maps it.

use std::sync::Arc;

use super::{
    expression::{Allowed, GroupTemplate, NameSource, Root, Scope, TemplateUse, Var},
    groups::{Forms, GroupError},
};
use crate::{
    config,
    event::{GroupName, Value},
};

/// The group that a message on a mapped Redis channel goes to: a template over `channel` and `event`.
#[derive(Debug)]
pub struct SourceGroup {
    template: GroupTemplate,
    forms: Forms,
}

impl SourceGroup {
    /// Compiles the `group` of a `[[source]]`.
    pub fn compile(template: &str) -> Result<Self, String> {
        let allowed = Allowed { names: &[Var::Channel, Var::Event], at: "in the group of a source" };
        let mut forms = Forms::default();
        let how = TemplateUse { source: NameSource::Trusted, room: false, joins: false, allowed: false };
        let of = (&mut forms, &config::KeyPath::ROOT);
        let template = GroupTemplate::compile(template, allowed, |_| how, |_| None, of)?;
        Ok(Self { template, forms })
    }

    /// The groups for one message; several if the template gives a list.
    pub fn groups(&self, channel: &str, body: &Arc<Value>) -> Result<Vec<GroupName>, GroupError> {
        let scope = Scope::default().with(Var::Channel, channel.into());
        let scope = scope.with(Var::Event, Root::Data(body.clone()).into_jinja()).into_jinja();
        self.template.groups(&scope, &self.forms, None)
    }
}
