//! Forms of rooms that must not coexist: reports at start names that could become one group.
//!
//! In: the forms of all consumers. Out: errors, each under the key of the later form.

use super::{Form, Forms, Role};
use crate::config::KeyPath;

/// Reports what can be known at start; the rest is refused at run time.
///
/// Two forms of one namespace must not write two rooms alike. A client must not continue to the name of an identity of
/// any consumer.
pub fn check(all: &[Forms], mut note: impl FnMut(&KeyPath, String)) {
    let forms: Vec<(usize, &Form)> =
        all.iter().flat_map(|forms| forms.iter().map(|form| (forms.sharing, form))).collect();
    for (index, (sharing, form)) in forms.iter().enumerate() {
        let before = || forms[..index].iter().filter(|(other, _)| other == sharing).map(|(_, form)| *form);
        // A room of a step appears a second time if the step sends to it.
        let first = before().all(|other| other.source != form.source || other.role != form.role);
        if let Some(reason) = before().filter(|_| first).find_map(|other| meeting(form, other)) {
            note(&form.key, reason);
        } else if let Some((_, other)) = forms.iter().find(|(_, other)| first && goes_on(form, other)) {
            let reason = format!(
                "would let clients choose the groups of {:?}, which goes on where its text ends; begin it with other text, \
                 or list in \"allow\" what they may name",
                other.source
            );
            note(&form.key, reason);
        }
    }
}

/// Why two forms must not coexist.
fn meeting(form: &Form, other: &Form) -> Option<String> {
    let hidden = |form: &Form| matches!(form.role, Role::Hidden | Role::Inner);
    if hidden(form) || hidden(other) || form.pattern.has_same_text(&other.pattern) {
        return None;
    }
    let (mine, theirs) = (&form.source, &other.source);
    if form.shape.parts() == other.shape.parts() {
        return Some(format!("{mine:?} and {theirs:?} are the same groups, because \":\" is written \".\""));
    }
    (form.role == Role::Pattern && other.role == Role::Pattern && form.shape.meets(&other.shape))
        .then(|| format!("{mine:?} and {theirs:?} can name the same group, so a client could join it through either"))
}

/// Whether a client that chooses the continuation of one form could name groups of the other, which belong to
/// identities.
fn goes_on(form: &Form, other: &Form) -> bool {
    let owned = matches!(other.role, Role::Template { chosen: false, .. }) && other.shape.values() > 0;
    let (Role::Template { free: true, .. }, true) = (form.role, owned) else { return false };
    match (form.shape.parts().first(), other.shape.parts().first()) {
        // A hash, or a number, may be unable to continue like the other's text.
        (Some(Some(mine)), Some(Some(theirs))) => {
            theirs.len() > mine.len() && theirs.starts_with(&**mine) && form.shape.meets(&other.shape)
        }
        _ => false,
    }
}
