//! Forms of rooms that must not stand beside each other: what is noted at start about names that could become one group.
//!
//! In: the forms of all consumers that share their rooms. Out: notes, each under the key of the later one.

use super::{
    compiler::Compiler,
    form::{Form, Forms, Role},
};

/// Notes what can be known before anybody comes; the rest is refused when it comes.
pub(super) fn check(sharing: &[&Forms], compiler: &mut Compiler<'_>) {
    let forms: Vec<&Form> = sharing.iter().flat_map(|forms| forms.iter()).collect();
    for (place, form) in forms.iter().enumerate() {
        let before = || forms[..place].iter().copied();
        // A room of a step stands in it once more where the step sends to it.
        let first = before().all(|other| other.source != form.source || other.role != form.role);
        if let Some(reason) = before().filter(|_| first).find_map(|other| meeting(form, other)) {
            compiler.note(&form.key, reason);
        } else if let Some(other) = forms.iter().find(|other| first && goes_on(form, other)) {
            let reason = format!(
                "would let clients choose the groups of {:?}, which goes on where its text ends; begin it with other text, \
                 or list in \"allow\" what they may name",
                other.source
            );
            compiler.note(&form.key, reason);
        }
    }
}

/// Why two forms may not stand beside each other.
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
        .then(|| format!("{mine:?} and {theirs:?} can name one group, and a client could be let into it by either"))
}

/// Whether a client that chooses how the one goes on could name the groups of the other, which belong to identities.
fn goes_on(form: &Form, other: &Form) -> bool {
    let owned = matches!(other.role, Role::Template { chosen: false, .. }) && other.shape.values() > 0;
    let (Role::Template { free: true, .. }, true) = (form.role, owned) else { return false };
    match (form.shape.parts().first(), other.shape.parts().first()) {
        (Some(Some(mine)), Some(Some(theirs))) => theirs.len() > mine.len() && theirs.starts_with(&**mine),
        _ => false,
    }
}
