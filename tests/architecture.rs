//! Imports run in one direction only, between the folders of `src/` and inside each of them.
//!
//! Between folders: a module imports only modules above it in `src/lib.rs`; `node`, `cli` and `main` put everything
//! together and may import all. Inside a folder no files import each other in a circle. The file that has the folder's
//! name is left out there: it contains what the others share, and re-exports them.
//!
//! What only Linux has stands behind its `cfg`, so that a source distribution builds on macOS as well.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "architecture/modules.rs"]
mod modules;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use self::modules::{Import, Modules};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// Modules that may import everything.
const COMPOSERS: [&str; 2] = ["cli", "node"];

/// Circles that stay: a table and its entries, which remove themselves.
const PAIRS: &[(&str, &[&str])] = &[
    ("protocol::engineio", &["polling", "session", "sessions", "workers"]),
    ("socket", &["connection", "connections"]),
];

/// Folders whose files are ordered: each imports only earlier ones.
const ORDERS: &[(&str, &str)] = &[
    (
        "backend::bridge",
        "line call tagged request parse report item reach reader refusal services exchange collector disconnects http",
    ),
    (
        "consumer",
        "groups set namespaces outside context instances current rejection expression input kind wire compiler condition emit personal effect outcome mapping notice heartbeat \
         parameters reached program action presence needs source_group reactions load",
    ),
    (
        "consumer::expression",
        "scope view present names frame clock fact functions encodings product cures arguments template name_source",
    ),
    ("consumer::groups", "pattern cover shape collisions"),
    ("consumer::program", "quotas run step resume"),
    (
        "hub",
        "principals group_orders registry trace topics tally outcome shared calls hold member directory throttle notice work snapshots variants delivery deferred job group order missed shard questions \
         workers dispatch",
    ),
    (
        "http",
        "body unread tunnel listener client cors scope head refusal resource upgrade health publish page ws_token proxy_protocol admin tail precheck proxy serving \
         websocket socketio server",
    ),
    ("layer::codec::pickle", "tree cost encode calls machine"),
    (
        "layer::redis",
        "health naming direct fences channels_redis_2 publisher markers decoder joined census core outages probes popper host_session \
         supervisor thread",
    ),
    ("presence", "grace listing ledger store actor"),
    (
        "protocol",
        "host kept bridged binding effects background login_deadlines services principal refusal session endpoint admission head plain engineio socketio",
    ),
    ("protocol::session", "queue asks presence room refresh work agenda orders identity login calls shared outcomes"),
    ("redis", "error command time task connection hosts pool lease probe reconnect subscription"),
];

/// What only Linux has, of the crates that the program uses.
const LINUX_ONLY: [&str; 2] = ["set_tcp_user_timeout(", "tikv_jemallocator"];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The imports between the files of `src/`.
fn imports() -> BTreeSet<Import> {
    let mut files = Vec::new();
    rust_files(Path::new(SOURCE), &mut files);
    let read = |file: &PathBuf| {
        (file.strip_prefix(SOURCE).unwrap().to_str().unwrap().to_owned(), fs::read_to_string(file).unwrap())
    };
    let texts: Vec<(String, String)> = files.iter().map(read).collect();
    let imports = Modules::read(texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))).imports();
    assert!(imports.len() > 500, "only {} imports were found: the test reads them wrongly", imports.len());
    imports
}

/// The imports between the files or folders of one folder, by their names there.
type Arrows<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a Import>>;

/// Every import belongs to the folder in which its two paths diverge; an import from or to a folder's own file belongs
/// to none.
fn by_folder(imports: &BTreeSet<Import>) -> BTreeMap<String, Arrows<'_>> {
    let mut folders: BTreeMap<String, Arrows<'_>> = BTreeMap::new();
    for import in imports {
        let common = import.from.iter().zip(&import.to).take_while(|(from, to)| from == to).count();
        if let (Some(from), Some(to)) = (import.from.get(common), import.to.get(common)) {
            let folder = import.from[..common].join("::");
            folders.entry(folder).or_default().entry((from, to)).or_default().push(import);
        }
    }
    folders
}

/// The files of a folder that import each other in a circle, each set as large as possible.
fn circles<'a>(arrows: &Arrows<'a>) -> BTreeSet<BTreeSet<&'a str>> {
    let reached_from = |start: &'a str| {
        let (mut reached, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(at) = open.pop() {
            let next = arrows.keys().filter(|(from, _)| *from == at).map(|(_, to)| *to);
            open.extend(next.filter(|to| reached.insert(*to)));
        }
        reached
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> = arrows.keys().map(|(from, _)| (*from, reached_from(from))).collect();
    let in_a_circle = reach.iter().filter(|(name, reached)| reached.contains(*name));
    in_a_circle
        .map(|(name, reached)| {
            reached.iter().copied().filter(|other| reach.get(other).is_some_and(|back| back.contains(name))).collect()
        })
        .collect()
}

/// Shows each import of a circle with one example.
fn explain(folder: &str, circle: &BTreeSet<&str>, arrows: &Arrows<'_>) -> String {
    let inside = arrows.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
    let lines = inside.map(|((from, to), imports)| {
        format!("    {from} → {to}: {} names {}\n", imports[0].from.join("::"), imports[0].text)
    });
    format!("in {folder}:\n{}", lines.collect::<String>())
}

#[test]
fn a_module_imports_only_modules_above_it() {
    let lib = include_str!("../src/lib.rs");
    let declared = |line: &'static str| line.strip_prefix("pub mod ")?.strip_suffix(';');
    let order: Vec<&str> = lib.lines().filter_map(declared).collect();
    let rank = |module: &str| order.iter().position(|known| *known == module);
    let imports = imports();
    let folders = by_folder(&imports);
    let mut wrong = Vec::new();
    for ((from, to), imports) in &folders[""] {
        if !COMPOSERS.contains(from) && rank(to) > rank(from) {
            wrong.push(format!("{} names {}", imports[0].from.join("::"), imports[0].text));
        }
    }
    assert!(folders[""].len() > 80, "only {} arrows between folders: the test reads them wrongly", folders[""].len());
    assert!(wrong.is_empty(), "arrows that point the wrong way:\n{}", wrong.join("\n"));
}

#[test]
fn files_of_a_folder_import_each_other_in_no_circle() {
    let imports = imports();
    let mut left: BTreeSet<&str> = PAIRS.iter().map(|(folder, _)| *folder).collect();
    let mut wrong = String::new();
    for (folder, arrows) in by_folder(&imports).iter().filter(|(folder, _)| !folder.is_empty()) {
        for circle in circles(arrows) {
            let mut known = PAIRS.iter().filter(|(place, _)| place == folder);
            if known.any(|(_, files)| circle.iter().all(|file| files.contains(file))) {
                left.remove(folder.as_str());
            } else {
                wrong.push_str(&explain(folder, &circle, arrows));
            }
        }
    }
    assert!(wrong.is_empty(), "files that import each other:\n{wrong}");
    assert!(left.is_empty(), "no circle is left in {left:?}: take it out of the list");
}

#[test]
fn files_of_a_folder_with_an_order_keep_it() {
    let imports = imports();
    let folders = by_folder(&imports);
    let mut wrong = Vec::new();
    for (folder, order) in ORDERS {
        let order: Vec<&str> = order.split_whitespace().collect();
        let place = Path::new(SOURCE).join(folder.replace("::", "/"));
        for gone in order.iter().filter(|file| !place.join(file).with_extension("rs").exists()) {
            wrong.push(format!("{folder} has no {gone}"));
        }
        let rank = |file: &str| order.iter().position(|known| *known == file);
        for ((from, to), imports) in &folders[*folder] {
            // A file that is not in the order has the rank `None`, which is below all others.
            if rank(to).is_none() || rank(to) >= rank(from) {
                wrong.push(format!("{} names {}", imports[0].from.join("::"), imports[0].text));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the order, or of files without a place in it:\n{}", wrong.join("\n"));
}

#[test]
fn what_only_linux_has_stands_behind_its_cfg() {
    let mut files = Vec::new();
    rust_files(Path::new(SOURCE), &mut files);
    let (mut found, mut wrong) = (BTreeSet::new(), Vec::new());
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            let Some(name) = LINUX_ONLY.iter().find(|name| line.contains(**name)) else { continue };
            found.insert(name);
            if !lines[number.saturating_sub(3)..number].contains(&r#"#[cfg(target_os = "linux")]"#) {
                wrong.push(format!("{}:{}: {name}", file.display(), number + 1));
            }
        }
    }
    assert_eq!(found.len(), LINUX_ONLY.len(), "only {found:?} are in use: take the others out of the list");
    assert!(
        wrong.is_empty(),
        "without cfg(target_os = \"linux\") in one of the three lines before:\n{}",
        wrong.join("\n")
    );
}

#[cfg(test)]
mod of_this_test {
    use super::*;

    /// A hub whose files import each other, and a consumer whose folder only seems to.
    const FILES: &[(&str, &str)] = &[
        ("lib.rs", "pub mod consumer; pub mod hub;"),
        ("consumer.rs", "mod step; mod text; pub use self::text::Text; pub struct Shared;"),
        ("consumer/text.rs", "use super::Shared; pub struct Text;"),
        ("consumer/step.rs", "use super::{Shared, Text}; #[cfg(test)] mod tests; pub mod emits; pub fn step() {}"),
        ("consumer/step/emits.rs", "pub fn emit() { super::step(); log!(\"{}\", super::super::text::Text) }"),
        ("consumer/step/tests.rs", "use crate::hub::Job;"),
        ("hub.rs", "mod job; mod member; mod missed; mod topics; pub use job::Job; use topics::*;"),
        ("hub/job.rs", "use super::{missed::{self, Missed}, Member}; pub struct Job;"),
        ("hub/missed.rs", "pub struct Missed; fn f() { let job = crate::hub::Job; }"),
        ("hub/member.rs", "#[cfg(test)] mod inside { use super::super::Job; } impl super::Topic for Member {}"),
        ("hub/topics.rs", "pub trait Topic {} use crate::consumer::Text as T; fn f(_: T) {}"),
    ];

    fn arrows(folder: &str) -> Vec<String> {
        let imports = Modules::read(FILES.iter().copied()).imports();
        let folders = by_folder(&imports);
        folders[folder].keys().map(|(from, to)| format!("{from} → {to}")).collect()
    }

    #[test]
    fn imports_are_followed_through_re_exports_and_found_in_every_form() {
        assert_eq!(arrows(""), ["hub → consumer"]);
        assert_eq!(arrows("consumer"), ["step → text"]);
        assert_eq!(arrows("hub"), ["job → missed", "member → topics", "missed → job"]);
    }

    #[test]
    fn a_circle_is_found_and_shown() {
        let imports = Modules::read(FILES.iter().copied()).imports();
        let folders = by_folder(&imports);
        let hub = &folders["hub"];
        let circle = BTreeSet::from(["job", "missed"]);
        assert_eq!(circles(hub), BTreeSet::from([circle.clone()]));
        assert_eq!(circles(&folders["consumer"]), BTreeSet::new());
        let text = explain("hub", &circle, hub);
        assert!(text.contains("missed → job: hub::missed names crate::hub::Job"), "{text}");
    }
}
