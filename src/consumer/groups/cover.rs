//! Whether a path is ever reached: the paths before it may take every request for it.
//!
//! In: the patterns, in the order in which they are tried. Out: yes or no, by the languages of the patterns; the words of
//! the later one are followed through all earlier ones at once.

use std::collections::{BTreeSet, HashSet};

use super::{Converter, Part, Pattern};

/// Steps of the search; beyond that a path counts as reached.
const PATIENCE: usize = 50_000;

/// What one character of a path may be.
#[derive(Clone, Copy, Debug)]
enum Atom {
    One(char),
    /// One character of a parameter, or any number of them.
    Of(Converter, bool),
}

impl Atom {
    fn fits(self, c: char) -> bool {
        match self {
            Self::One(own) => own == c,
            Self::Of(converter, _) => converter.fits(c),
        }
    }

    const fn is_repeated(self) -> bool {
        matches!(self, Self::Of(_, true))
    }
}

/// Whether every path of `pattern` is one of `before`.
pub fn is_covered(pattern: &Pattern, before: &[&Pattern]) -> bool {
    // Almost always one request shows that it is not.
    let request = example(pattern);
    if !before.iter().any(|other| other.matches(&request).is_some()) {
        return false;
    }
    let all: Vec<Vec<Atom>> = before.iter().flat_map(|pattern| ways(pattern)).collect();
    let alphabet = alphabet(all.iter().chain(&ways(pattern)).flatten());
    !before.is_empty() && ways(pattern).iter().all(|way| is_within(way, &all, &alphabet))
}

/// A path of the pattern that few others have.
fn example(pattern: &Pattern) -> String {
    let parts = pattern.parts().iter().map(|part| match part {
        Part::Text(text) => text,
        Part::Parameter(_, Converter::Int) => "918273645",
        Part::Parameter(_, Converter::Slug) => "Zq",
        Part::Parameter(_, Converter::Uuid) => "91827364-0f0f-0f0f-0f0f-918273645f0f",
        Part::Parameter(_, Converter::Path) => "→/→",
        Part::Parameter(_, Converter::Str | Converter::Digest(_)) => "→",
    });
    parts.collect()
}

fn is_within(way: &[Atom], all: &[Vec<Atom>], alphabet: &[char]) -> bool {
    let ends = |at: usize| {
        let skipped = way[at..].iter().take_while(|atom| atom.is_repeated()).count();
        at..=at + skipped
    };
    let mut start = BTreeSet::new();
    (0..all.len()).for_each(|index| reach(all, index, 0, &mut start));
    let mut open: Vec<(usize, BTreeSet<(usize, usize)>)> = ends(0).map(|at| (at, start.clone())).collect();
    let mut seen = HashSet::new();
    while let Some(state) = open.pop() {
        if !seen.insert(state.clone()) {
            continue;
        }
        if seen.len() > PATIENCE {
            return false;
        }
        let (at, reached) = state;
        let Some(atom) = way.get(at) else {
            if reached.iter().any(|(index, position)| *position == all[*index].len()) {
                continue;
            }
            return false;
        };
        for c in alphabet.iter().filter(|c| atom.fits(**c)) {
            let mut next = BTreeSet::new();
            for (index, position) in &reached {
                if let Some(atom) = all[*index].get(*position)
                    && atom.fits(*c)
                {
                    reach(all, *index, if atom.is_repeated() { *position } else { position + 1 }, &mut next);
                }
            }
            let after = if atom.is_repeated() { at } else { at + 1 };
            open.extend(ends(after).map(|at| (at, next.clone())));
        }
    }
    true
}

/// A position, and those after repeated atoms that may be left out.
fn reach(all: &[Vec<Atom>], index: usize, position: usize, reached: &mut BTreeSet<(usize, usize)>) {
    let skipped = all[index][position..].iter().take_while(|atom| atom.is_repeated()).count();
    reached.extend((position..=position + skipped).map(|position| (index, position)));
}

/// The atoms of a pattern, and those with its last slash added or removed.
fn ways(pattern: &Pattern) -> [Vec<Atom>; 2] {
    let mut atoms = Vec::new();
    for part in pattern.parts() {
        match part {
            Part::Text(text) => atoms.extend(text.chars().map(Atom::One)),
            Part::Parameter(_, Converter::Uuid) => {
                let hex = Atom::Of(Converter::Digest(1), false);
                for (index, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
                    atoms.extend((index > 0).then_some(Atom::One('-')));
                    atoms.extend((0..length).map(|_| hex));
                }
            }
            Part::Parameter(_, converter) => {
                atoms.extend([false, true].map(|repeated| Atom::Of(*converter, repeated)));
            }
        }
    }
    let mut other = atoms.clone();
    match other.last() {
        Some(Atom::One('/')) if other.len() > 1 => drop(other.pop()),
        Some(Atom::One('/')) => {}
        _ => other.push(Atom::One('/')),
    }
    [atoms, other]
}

/// Characters that stand for all: those of the texts, and one more of each kind.
fn alphabet<'a>(atoms: impl Iterator<Item = &'a Atom>) -> Vec<char> {
    let mut written: BTreeSet<char> =
        atoms.filter_map(|atom| if let Atom::One(c) = atom { Some(*c) } else { None }).collect();
    let kinds = ["0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "-", "_", "/", "é→日"];
    let others = kinds.map(|kind| kind.chars().find(|c| !written.contains(c)));
    written.extend(others.into_iter().flatten());
    written.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::tests::cpu_time;

    fn covered(pattern: &str, before: &[&str]) -> bool {
        let compile = |source: &str| Pattern::compile(source).unwrap();
        let before: Vec<Pattern> = before.iter().map(|source| compile(source)).collect();
        is_covered(&compile(pattern), &before.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_path_is_hidden_if_those_before_take_all_of_it() {
        for (later, before) in [
            ("/b/", &["/<path:rest>"][..]),
            ("/a/b/<int:id>/", &["/a/<path:rest>"]),
            ("/a/<int:id>/", &["/a/<str:name>/"]),
            ("/a/<int:id>", &["/a/<slug:name>/"]),
            ("/a/<uuid:id>/", &["/a/<slug:name>/"]),
            ("/a/x/", &["/a/<slug:name>"]),
            ("/a/7/b", &["/a/<int:id>/<slug:x>/"]),
            ("/a", &["/a/"]),
            ("/a/<str:x>/", &["/a/<str:y>"]),
            ("/a/<path:x>/c/", &["/a/<path:y>"]),
            ("/<int:a>-<int:b>/", &["/<slug:x>/"]),
        ] {
            assert!(covered(later, before), "{later} after {before:?}");
        }
    }

    #[test]
    fn a_path_is_reached_if_one_of_its_requests_is_not_taken() {
        for (later, before) in [
            ("/b/", &[][..]),
            ("/<path:rest>", &["/b/"]),
            ("/a/<str:name>/", &["/a/<int:id>/"]),
            ("/a/<str:name>/", &["/a/<slug:id>/", "/a/<int:id>/"]),
            ("/a/<slug:name>/", &["/a/<uuid:id>/"]),
            ("/a/", &["/a/<path:rest>"]),
            ("/ab/", &["/a/"]),
            ("/a/<path:x>/c/", &["/a/<str:y>/c/"]),
            ("/a/<uuid:x>/", &["/a/<int:y>/"]),
            ("/<slug:x>/", &["/<int:a>-<int:b>/"]),
        ] {
            assert!(!covered(later, before), "{later} after {before:?}");
        }
    }

    #[test]
    fn many_paths_cost_little() {
        let before: Vec<String> = (0..200).map(|n| format!("/ws/<path:a>/n{n}/<path:b>/x")).collect();
        let mut before: Vec<&str> = before.iter().map(String::as_str).collect();
        // It takes the example, so the search has to find another request.
        before.push("/ws/<str:a>/<str:b>/y");
        let started = cpu_time();
        assert!(!covered("/ws/<path:rest>/y", &before));
        assert!((cpu_time() - started).as_secs() < 5);
    }
}
