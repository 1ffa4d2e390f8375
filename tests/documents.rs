//! Names and links in the documents exist, and what the manual says is so.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

#[path = "documents/checked.rs"]
mod checked;
#[path = "documents/codes.rs"]
mod codes;
#[path = "documents/page.rs"]
mod page;
#[path = "documents/statements.rs"]
mod statements;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["node_modules", "target", "__pycache__"].contains(&&*name) && !name.starts_with('.') {
                files(&path, extensions, found);
            }
        } else if path.extension().is_some_and(|kind| extensions.iter().any(|one| kind == *one)) {
            found.push(path);
        }
    }
}

/// Names of the tests, in all three languages.
fn tests() -> BTreeSet<String> {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "clients/django/tests"] {
        files(&root().join(folder), &["rs", "py", "js", "ts", "tsx"], &mut paths);
    }
    let mut names = BTreeSet::new();
    for text in paths.iter().map(|path| fs::read_to_string(path).unwrap()) {
        for line in text.lines().map(str::trim_start) {
            let line = line.strip_prefix("async ").unwrap_or(line);
            let called = line.strip_prefix("fn ").or_else(|| line.strip_prefix("def "));
            if let Some(called) = called {
                names.insert(called.split(['(', '<']).next().unwrap().to_owned());
            }
        }
    }
    names
}

/// A test of JavaScript, which has a sentence as its name: `path/to/file.test.ts: its title`, as the file has it.
fn is_titled_test(entry: &str) -> bool {
    let Some((file, title)) = entry.split_once(": ").filter(|(file, _)| file.contains(".test.")) else { return false };
    fs::read_to_string(root().join(file)).is_ok_and(|source| has_title(&source, title))
}

/// Whether a call in this source has the title as its first argument: `test("title", …)`, `it.each(…)("title", …)`.
fn has_title(source: &str, title: &str) -> bool {
    ['"', '`', '\''].iter().any(|quote| {
        let quoted = format!("{quote}{title}{quote},");
        source.match_indices(&quoted).any(|(at, _)| source[..at].trim_end().ends_with('('))
    })
}

#[test]
fn a_title_is_a_whole_one() {
    let source = "it.each(table)(\n  \"closes 7 of %s\", () => {});\ntest(`waits`, () => say(\"it waits\"));";
    assert!(has_title(source, "closes 7 of %s") && has_title(source, "waits"));
    assert!(!has_title(source, "closes 7") && !has_title(source, "it waits"));
}

/// The first cell of each row of a table, and the names in its last one.
fn rows(text: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| {
        let last = row.trim_end_matches('|').rsplit('|').next()?;
        Some((row.split(" |").next()?, last.split('`').skip(1).step_by(2).collect()))
    })
}

#[test]
fn every_promise_names_an_existing_test() {
    let tests = tests();
    let text = fs::read_to_string(root().join("docs/PROOF.md")).unwrap();
    let numbers: Vec<usize> = rows(&text).filter_map(|(first, _)| first.parse().ok()).collect();
    assert_eq!(numbers, (1..=25).collect::<Vec<_>>(), "one row per demand, in order");
    let attacks =
        rows(&text).filter_map(|(first, names)| Some((first.strip_prefix('A')?.parse::<usize>().ok()?, names)));
    let attacks: Vec<_> = attacks.collect();
    assert!(attacks.is_sorted_by_key(|(number, _)| *number) && attacks.iter().all(|(_, names)| !names.is_empty()));
    for (first, names) in rows(&text) {
        for name in names {
            assert!(
                tests.contains(name) || is_titled_test(name),
                "row {first} of docs/PROOF.md names {name}, and there is no such test"
            );
        }
    }
}

/// The anchors of a page's headings, in GitHub's form.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings =
        text.lines().filter_map(|line| line.strip_prefix('#')).map(|rest| rest.trim_start_matches('#').trim());
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    headings.map(|title| title.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

/// The targets of the links and pictures of a page.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let ends = [("](", &[')', '\n'][..]), ("src=\"", &['"']), ("srcset=\"", &['"'])];
    let targets = ends
        .into_iter()
        .flat_map(|(start, ends)| text.split(start).skip(1).filter_map(move |rest| rest.split(ends).next()));
    // A tag of a template is not a file.
    targets.filter(|link| !link.contains("://") && !link.starts_with("{%"))
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut paths = Vec::new();
    for folder in ["docs", "deploy", "benches"] {
        let folder = root().join(folder);
        if folder.is_dir() {
            files(&folder, &["md"], &mut paths);
        }
    }
    paths.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name)));
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{} links to {link}, which is not there", path.display());
            let is_there = anchor.is_empty() || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor);
            assert!(is_there, "{} links to {link}, and there is no such heading", path.display());
        }
    }
}
