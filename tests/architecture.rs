//! The folders of `src/` import in one direction only: a module knows what stands above it in `src/lib.rs`, never what
//! stands below. `node`, `cli` and `main` put everything together and may import all.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Modules that see everything.
const COMPOSERS: [&str; 2] = ["cli", "node"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The modules in the order in which `lib.rs` declares them.
fn order() -> Vec<String> {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

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

/// The modules of the crate that a file names: `crate::hub`, and `crate::{hub, layer::{…}}`.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            let mut inside_path = false;
            for character in list.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.push(std::mem::take(&mut name));
                        inside_path = false;
                    }
                    ':' if depth == 0 => inside_path = true,
                    other if depth == 0 && !inside_path && (other.is_alphanumeric() || other == '_') => {
                        name.push(other);
                    }
                    _ => {}
                }
            }
            found.push(name);
        } else {
            found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

#[test]
fn a_module_imports_only_what_stands_above_it() {
    let order = order();
    assert!(order.len() > 8, "lib.rs declares its modules as `pub mod name;`");
    let rank = |module: &str| order.iter().position(|known| known == module);
    let mut wrong = Vec::new();
    let mut seen = 0;
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    for file in files {
        let inside = file.strip_prefix(source()).unwrap();
        let module =
            inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let Some(own) = rank(&module) else { continue };
        if COMPOSERS.contains(&module.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        // A comment may point at what it likes.
        let text: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
        for imported in imports(&text) {
            let Some(other) = rank(&imported) else { continue };
            seen += 1;
            if other > own {
                wrong.push(format!("{} imports {imported}", inside.display()));
            }
        }
    }
    assert!(seen > 100, "only {seen} imports were found: the test reads them wrongly");
    assert!(wrong.is_empty(), "arrows that point the wrong way:\n{}", wrong.join("\n"));
}

#[test]
fn imports_are_read_in_every_form() {
    assert_eq!(imports("use crate::hub::Shard;"), ["hub"]);
    assert_eq!(
        imports("use crate::{\n    event::{Event, Gap},\n    layer::Layer,\n    node,\n};"),
        ["event", "layer", "node"]
    );
    assert_eq!(imports("let x = crate::telemetry::Metrics::new();"), ["telemetry"]);
}
