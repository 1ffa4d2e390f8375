//! The parameters of a consumer's paths and of its namespaces: `route.id`.

use super::{
    compiler::Compiler,
    expression::GroupTemplate,
    groups::{Converter, Pattern},
};
use crate::config::{self, KeyPath};

/// All parameters with their converters. If paths differ in one's converter, it may be any text.
pub(super) fn of(paths: &[Pattern], namespaces: Option<&Pattern>) -> Vec<(String, Converter)> {
    let mut all: Vec<(String, Converter)> = Vec::new();
    for (name, converter) in paths.iter().chain(namespaces).flat_map(Pattern::typed) {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) if *known != converter => *known = Converter::Path,
            Some(_) => {}
            None => all.push((name.to_owned(), converter)),
        }
    }
    all
}

/// Reports a parameter that both a path and the namespace have.
pub(super) fn check(paths: &[Pattern], namespaces: Option<&Pattern>, key: &KeyPath, compiler: &mut Compiler<'_>) {
    let of_namespaces: Vec<&str> = namespaces.iter().flat_map(|pattern| pattern.parameters()).collect();
    let twice = paths.iter().flat_map(Pattern::parameters).find(|name| of_namespaces.contains(name));
    if let Some(name) = twice {
        let reason = format!("the path has a parameter {name:?}, too; each is a key of \"route\", so rename one");
        compiler.note(&key.then("namespace"), reason);
    }
}

/// Reports a group that needs a parameter which one of several paths does not have: all clients of that path would be
/// refused.
pub(super) fn check_groups(
    paths: &[Pattern],
    namespaces: Option<&Pattern>,
    spec: &config::Consumer,
    groups: &[GroupTemplate],
    key: &KeyPath,
    compiler: &mut Compiler<'_>,
) {
    // With an error elsewhere the lists are not complete.
    if groups.len() != spec.groups.len() || paths.len() != spec.path.as_slice().len() {
        return;
    }
    let all: Vec<String> = compiler.parameters.iter().map(|(name, _)| name.clone()).collect();
    for (index, group) in groups.iter().enumerate() {
        for (path, source) in paths.iter().zip(spec.path.as_slice()) {
            let known: Vec<&str> =
                path.parameters().into_iter().chain(namespaces.iter().flat_map(|form| form.parameters())).collect();
            let needed = group.template().expressions().filter(|one| !one.has_alternative());
            let missing =
                needed.filter_map(|one| one.unknown_route(&known)).find(|name| all.iter().any(|one| one == name));
            if let Some(name) = missing {
                let reason = format!(
                    "the path {source:?} has no parameter {name:?}, so all its clients would be refused; write a consumer of \
                     its own for it, or {{{{ route.{name} | default(\"…\") }}}}"
                );
                compiler.note(&key.then("groups").then(index), reason);
                break;
            }
        }
    }
}
