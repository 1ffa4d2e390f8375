//! Namespaces with parameters: `/workspace-<int:id>` serves every namespace of this form, as `io.of(/regex/)` does.
//!
//! In: the name that a client asks for. Out: its parameters, and the group of all its connections.

use super::{
    Consumer, GroupError,
    groups::{Part, Pattern},
};
use crate::{
    event::{GroupName, GroupNameError, NamePart, Payload, Value},
    packet,
};

/// Bytes of text in a form; the group of each namespace has that and the values in its name.
const MAX_TEXT: usize = 80;

/// The form of the namespaces that a consumer serves.
#[derive(Debug)]
pub(super) struct Namespaces(Pattern);

impl Namespaces {
    pub fn compile(source: &str) -> Result<Self, String> {
        let pattern = Pattern::compile(source).map_err(|reason| reason.replace("in a path", "in a namespace"))?;
        let text = |part: &Part| if let Part::Text(text) = part { text.len() } else { 0 };
        if pattern.parts().iter().map(text).sum::<usize>() > MAX_TEXT {
            return Err(format!("the text between its parameters must be at most {MAX_TEXT} bytes long"));
        }
        let side_by_side = |pair: &[Part]| matches!(pair, [Part::Parameter(..), Part::Parameter(..)]);
        if pattern.parts().windows(2).any(side_by_side) {
            return Err("two parameters are side by side, so the end of the first is unknown".to_owned());
        }
        Ok(Self(pattern))
    }

    pub const fn pattern(&self) -> &Pattern {
        &self.0
    }

    /// The parameters of a namespace; `None` if it has another form. Nothing is optional in it.
    pub fn parameters(&self, name: &str) -> Option<Value> {
        self.0.values(name)
    }

    /// The group of all connections in the namespace with these parameters.
    pub fn everybody(&self, parameters: &Value) -> Result<GroupName, GroupNameError> {
        let parts = self.of_everybody();
        let values = parts.iter().map(|part| match part {
            Part::Text(_) => String::new(),
            Part::Parameter(name, _) => match parameters.get(name) {
                Some(Value::Str(text)) => text.to_string(),
                Some(Value::Int(number)) => number.to_string(),
                Some(Value::UInt(number)) => number.to_string(),
                _ => String::new(),
            },
        });
        let values: Vec<String> = values.collect();
        GroupName::of(parts.iter().zip(&values).map(|(part, value)| match part {
            Part::Text(text) => NamePart::Text(text),
            Part::Parameter(..) => NamePart::Value(value),
        }))
    }

    /// The same as the template of a room.
    pub fn everybody_as_template(&self) -> String {
        let parts = self.of_everybody();
        let written = parts.iter().map(|part| match part {
            Part::Text(text) => text.to_string(),
            Part::Parameter(name, _) => format!("{{{{ route.{name} }}}}"),
        });
        written.collect()
    }

    /// The form of these groups: `namespace.workspace-<int:id>`.
    pub fn of_everybody(&self) -> Vec<Part> {
        let mut parts = self.0.parts().to_vec();
        if let Some(Part::Text(text)) = parts.first_mut() {
            *text = format!("namespace.{}", text.strip_prefix('/').unwrap_or(text)).into();
        }
        parts
    }
}

impl Consumer {
    /// Whether it serves more than one namespace: all of one form.
    pub const fn has_namespaces(&self) -> bool {
        self.namespaces.is_some()
    }

    /// The parameters of a namespace of its form.
    pub fn namespace_parameters(&self, name: &str) -> Option<Value> {
        self.namespaces.as_ref()?.parameters(name)
    }

    /// Whether it serves this namespace.
    pub fn serves(&self, namespace: &str) -> bool {
        match &self.namespaces {
            Some(namespaces) => namespaces.parameters(namespace).is_some(),
            None => self.namespace() == Some(namespace),
        }
    }

    /// The group of all connections in one of its namespaces; `None` without Socket.IO.
    pub fn everybody(&self, namespace: &str) -> Result<Option<GroupName>, GroupError> {
        let Some(own) = self.namespace() else { return Ok(None) };
        let Some(namespaces) = &self.namespaces else { return Ok(GroupName::of_namespace(own).ok()) };
        let parameters = namespaces.parameters(namespace).unwrap_or_default();
        let name = || namespace.chars().take(100).collect();
        namespaces.everybody(&parameters).map(Some).map_err(|reason| GroupError::Name { name: name(), reason })
    }

    /// A payload for the clients of one of its namespaces, which it names.
    pub fn within(&self, payload: Payload, namespace: Option<&str>) -> Payload {
        match namespace {
            Some(namespace) if self.has_namespaces() => packet::in_namespace(&payload, namespace),
            _ => payload,
        }
    }
}
