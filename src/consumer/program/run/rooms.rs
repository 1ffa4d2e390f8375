//! The groups that a running handler names: by the rooms of a step, or by signed tokens.

use indexmap::IndexSet;
use minijinja::{Value as Jinja, value::ValueKind};

use super::Run;
use crate::{
    config::Secret,
    consumer::{
        effect::{Effect, MessageProblem},
        expression::{Expression, GroupTemplate},
        groups::GroupError,
        program::Guard,
    },
    event::GroupName,
};

impl Run<'_> {
    /// The groups of rooms; `None` if one is not allowed. Fails if a client chooses more than `most`.
    pub(super) fn rooms(
        &mut self,
        rooms: &[GroupTemplate],
        guard: &Guard,
        most: usize,
    ) -> Result<Option<Vec<GroupName>>, MessageProblem> {
        let mut groups = IndexSet::with_capacity(rooms.len());
        let mut chosen = 0;
        for template in rooms {
            let forms = &self.program.forms;
            let named = template.each_group(self.scope(), forms, guard.allow.as_deref(), |group| {
                if groups.contains(&group) {
                    return Ok(());
                }
                chosen += usize::from(template.is_chosen());
                if chosen > most {
                    return Err(GroupError::TooMany(most));
                }
                groups.insert(group);
                Ok(())
            });
            match named {
                Err(GroupError::NotAllowed(_)) => return Ok(None),
                named => named?,
            }
        }
        Ok(Some(groups.into_iter().collect()))
    }

    /// Joins the groups that these tokens name.
    pub(super) fn join_signed(&mut self, tokens: &Expression, guard: &Guard) -> Result<(), MessageProblem> {
        // A missing token is as bad as an invalid one.
        let tokens = self.evaluate(tokens).map_or_else(|_| vec![Secret::new("")], |given| secrets(&given));
        if tokens.len() > self.program.max_rooms {
            return Err(GroupError::TooMany(self.program.max_rooms).into());
        }
        if !tokens.is_empty() {
            let (denied, failed) = (self.failure_replies(&guard.denied)?, self.failure_replies(&guard.failed)?);
            self.effects.push(Effect::JoinSigned { tokens, denied, failed });
        }
        Ok(())
    }
}

/// The texts of a value, or of its items; what is not text is as bad as an invalid token.
fn secrets(given: &Jinja) -> Vec<Secret> {
    let secret = |one: &Jinja| Secret::new(one.as_str().unwrap_or_default());
    match given.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            given.try_iter().into_iter().flatten().map(|one| secret(&one)).collect()
        }
        _ => vec![secret(given)],
    }
}
