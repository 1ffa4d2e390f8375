//! Names from expressions: of topics, keys and members.

use std::sync::Arc;

use minijinja::{Value as Jinja, value::ValueKind};

use super::view::{as_text, is_integer};
use crate::event::surrogate;

/// Longer names of topics are refused: this bounds what one connection can make the node store.
const MAX_TOPIC_LENGTH: usize = 256;

/// The name of a topic, a key or a member: text, or an integer as text.
pub fn name(value: &Jinja) -> Result<Arc<str>, String> {
    match as_text(value) {
        Some(text) => Ok(surrogate::tighten(text).into()),
        None if is_integer(value) => Ok(value.to_string().into()),
        None => Err(format!("{} is not a name: it must be text or an integer", value.kind())),
    }
}

/// A name or a list of names. Of too many names, one more than allowed is kept, enough to be refused.
pub fn topics(value: &Jinja, max: usize) -> Result<Vec<Arc<str>>, String> {
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut add = |value: &Jinja| {
        let name = name(value)?;
        if name.len() > MAX_TOPIC_LENGTH {
            return Err(format!("the name of a topic must have at most {MAX_TOPIC_LENGTH} bytes"));
        }
        if !names.contains(&name) {
            names.push(name);
        }
        Ok(names.len() <= max)
    };
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        for item in value.try_iter().map_err(|error| error.to_string())? {
            if !add(&item)? {
                break;
            }
        }
    } else {
        add(value)?;
    }
    Ok(names)
}
