//! Every statement of the manual with a number, a code or an outcome is held by a test: tests/documents/statements.toml
//! names it. CONTRIBUTING.md, section "Statements of the manual", has the rule and the form of an entry.

use std::{collections::BTreeSet, fmt::Write as _, fs, ops::Range};

use super::{
    checked, codes,
    page::{self, Mark, Page, Sentence},
};

/// The page of measured figures: see `each_table_of_the_benchmarks_names_the_row_that_makes_it`.
const MEASURED: &str = "docs/BENCHMARKS.md";

/// The entry of a page that a program writes, and that a test compares with what the program writes now: it stands for
/// all statements of the page.
const WHOLE_PAGE: &str = "*";

/// A sentence and the marks in it that need an entry.
struct Statement {
    line: usize,
    text: String,
    marks: Vec<Mark>,
}

fn statements(page: &Page) -> Vec<Statement> {
    let rows = page.tables.iter().flat_map(|table| {
        let heading = &table.heading;
        table.rows.iter().map(move |(line, row)| {
            let label = row[0].trim_matches('`').to_owned();
            let sentence = Sentence { line: *line, text: checked::rest_of_row(page, table, row) };
            (sentence, (table.columns[0] == "value").then(|| (heading.clone(), label)))
        })
    });
    let paragraphs = page.paragraphs.iter().map(|one| (Sentence { line: one.line, text: one.text.clone() }, None));
    let mut found = Vec::new();
    for (paragraph, label) in paragraphs.chain(rows) {
        for text in page::sentences(&paragraph.text) {
            let mut known: Vec<Range<usize>> = checked::defaults(&text).into_iter().map(|(place, ..)| place).collect();
            if page.name == "docs/METRICS.md"
                && let Some((heading, label)) = &label
            {
                known.extend(codes::of_label(&text, heading, label));
            }
            let mut marks = page::marks(&text);
            marks.retain(|mark| {
                let (Mark::Exact(at) | Mark::Outcome(at)) = mark;
                !known.iter().any(|known| known.start <= at.start && at.end <= known.end)
            });
            if !marks.is_empty() {
                found.push(Statement { line: paragraph.line, text, marks });
            }
        }
    }
    found
}

/// All sentences of a page, each once.
fn all_sentences(page: &Page) -> BTreeSet<String> {
    let rows = page.tables.iter().flat_map(|table| table.rows.iter().map(move |(_, row)| (table, row)));
    let rows = rows.map(|(table, row)| checked::rest_of_row(page, table, row));
    page.paragraphs.iter().map(|one| one.text.clone()).chain(rows).flat_map(|text| page::sentences(&text)).collect()
}

/// The texts of a page's entries that are in a sentence, and where.
fn covered(text: &str, entries: &[String]) -> Vec<Range<usize>> {
    entries.iter().flat_map(|entry| text.match_indices(&**entry).map(|(at, _)| at..at + entry.len())).collect()
}

/// The part of a sentence from its first mark to its last, with as many words around it as make it unique in the page.
fn suggestion(statement: &Statement, sentences: &BTreeSet<String>) -> String {
    let exact = statement.marks.iter().filter_map(|mark| if let Mark::Exact(at) = mark { Some(at) } else { None });
    let outcome = statement.marks.iter().map(|mark| match mark {
        Mark::Exact(at) | Mark::Outcome(at) => at,
    });
    let places: Vec<_> = if exact.clone().next().is_some() { exact.collect() } else { outcome.take(1).collect() };
    let text = &statement.text;
    let (mut from, mut to) = (places[0].start, places[places.len() - 1].end);
    let word_start = |at: usize| text[..at].trim_end().rfind(' ').map_or(0, |space| space + 1);
    let word_end = |at: usize| {
        text[at..].trim_start().find(' ').map_or(text.len(), |space| text.len() - text[at..].trim_start().len() + space)
    };
    from = text[..from].rfind(' ').map_or(0, |space| space + 1);
    to = text[to..].find(' ').map_or(text.len(), |space| to + space);
    for turn in 0.. {
        let piece = text[from..to].trim();
        let is_unique = sentences.iter().filter(|sentence| sentence.contains(piece)).count() <= 1;
        if (is_unique && piece.split(' ').count() >= 3) || (from == 0 && to == text.len()) {
            break;
        }
        if (turn % 2 == 0 && from > 0) || to == text.len() { from = word_start(from) } else { to = word_end(to) }
    }
    text[from..to].trim().to_owned()
}

/// A key of TOML.
fn quoted(text: &str) -> String {
    if text.contains('\'') {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        format!("'{text}'")
    }
}

fn ledger() -> toml::Table {
    fs::read_to_string(super::root().join("tests/documents/statements.toml")).unwrap().parse().unwrap()
}

fn entries(ledger: &toml::Table, page: &str) -> Vec<String> {
    let table = ledger.get(page).and_then(toml::Value::as_table);
    table.map(|table| table.keys().map(|key| page::plain(key)).collect()).unwrap_or_default()
}

#[test]
fn every_statement_of_the_manual_has_an_entry() {
    let (ledger, mut missing) = (ledger(), String::new());
    let mut count = 0;
    for page in page::manual().into_iter().filter(|page| page.name != MEASURED) {
        let (entries, sentences) = (entries(&ledger, &page.name), all_sentences(&page));
        if entries.iter().any(|entry| entry == WHOLE_PAGE) {
            continue;
        }
        for statement in statements(&page) {
            let covered = covered(&statement.text, &entries);
            let is_held = |mark: &Mark| match mark {
                Mark::Exact(at) => covered.iter().any(|by| by.start <= at.start && at.end <= by.end),
                Mark::Outcome(_) => !covered.is_empty(),
            };
            if !statement.marks.iter().all(is_held) {
                count += 1;
                let entry = quoted(&suggestion(&statement, &sentences));
                let Statement { line, text, .. } = statement;
                let _ = write!(missing, "\n{}:{line}: {text}\n{entry} = [\"\"]\n", page.name);
            }
        }
    }
    assert!(
        missing.is_empty(),
        "{count} statements have no entry in tests/documents/statements.toml. For each, correct the sentence if the \
         program says otherwise, or add the line below it to the table of its page, with the name of the test that \
         fails if the statement becomes false. See CONTRIBUTING.md, \"Statements of the manual\".\n{missing}"
    );
}

#[test]
fn every_entry_is_in_its_page_once_and_names_an_existing_test() {
    let (ledger, tests, pages) = (ledger(), super::tests(), page::manual());
    let mut wrong = Vec::new();
    for (name, entries) in &ledger {
        let Some(page) = pages.iter().find(|page| page.name == *name) else {
            wrong.push(format!("{name} is not a page of the manual"));
            continue;
        };
        let sentences = all_sentences(page);
        for (says, by) in entries.as_table().unwrap() {
            let found = sentences.iter().filter(|sentence| sentence.contains(&page::plain(says))).count();
            match found {
                _ if says == WHOLE_PAGE => {
                    let source = fs::read_to_string(super::root().join(name)).unwrap();
                    if !source.contains("<!-- Generated") {
                        wrong.push(format!("{name}: only a generated page may have an entry for all of it"));
                    }
                    if entries.as_table().unwrap().len() > 1 {
                        wrong.push(format!("{name}: beside an entry for the whole page there is no other"));
                    }
                }
                _ if sentences.contains(&page::plain(says)) => {}
                0 => wrong.push(format!("{name} does not say (any more): {says}")),
                1 => {}
                _ => wrong.push(format!("{name} has {found} sentences with this text, make it longer: {says}")),
            }
            match by {
                toml::Value::Array(names) if !names.is_empty() => {
                    let names: Vec<&str> = names.iter().map(|name| name.as_str().unwrap_or_default()).collect();
                    let is_test = |one: &str| tests.contains(one) || super::is_titled_test(one);
                    let unknown = names.iter().filter(|one| !is_test(one) && !is_in_the_source(one));
                    wrong.extend(unknown.map(|test| format!("{name}: there is no test {test:?}, of: {says}")));
                    if !names.iter().any(|one| is_test(one)) {
                        wrong.push(format!("{name}: a constant alone, without a test: {says}"));
                    }
                }
                toml::Value::String(text) if is_no_promise(text, &tests) => {}
                _ => wrong.push(format!("{name}: neither tests nor a reason why none is needed: {says} = {by}")),
            }
        }
    }
    assert!(wrong.is_empty(), "tests/documents/statements.toml:\n{}", wrong.join("\n"));
}

/// `src/cluster/record.rs: MOST: usize = 20_000`: a file of the repository with a text that it has, so that the number
/// of a constant and of the page stay the same. In a file of tests of JavaScript the text must be a title.
fn is_in_the_source(entry: &str) -> bool {
    let read = |file: &str| fs::read_to_string(super::root().join(file));
    entry
        .split_once(": ")
        .filter(|(file, _)| !file.contains(".test."))
        .is_some_and(|(file, text)| read(file).is_ok_and(|source| source.contains(text)))
}

/// Numbers and words that promise nothing of the program: an example, a reference to another page, a fact about another
/// program with its source, or a measured figure with what measures it.
fn is_no_promise(text: &str, tests: &BTreeSet<String>) -> bool {
    match text.split_once(": ") {
        None => text == "example",
        Some(("see", page)) => super::root().join(page).exists(),
        Some(("elsewhere", source)) => source.len() > 5,
        Some(("measured", by)) => is_command(by, tests),
        Some(_) => false,
    }
}

/// The command of a measured figure: a test, a file of tests, or `benches/run.py` with its rows.
fn is_command(by: &str, tests: &BTreeSet<String>) -> bool {
    let mut words = by.split(' ');
    let command = words.next().unwrap_or_default();
    let rows = fs::read_to_string(super::root().join("benches/rig/rows.py")).unwrap();
    let is_row = |row: &str| rows.contains(&format!("    \"{row}\": "));
    tests.contains(by) || (super::root().join(command).is_file() && words.all(is_row))
}

#[test]
fn each_table_of_the_benchmarks_names_the_row_that_makes_it() {
    let text = fs::read_to_string(super::root().join(MEASURED)).unwrap();
    let (mut inside, mut tables) = (false, 0);
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        if let Some(rows) = line.strip_prefix("<!-- table: ") {
            let rows = rows.trim_end_matches(" -->");
            let is_known = rows == "versions" || is_command(&format!("benches/run.py {rows}"), &BTreeSet::new());
            assert!(is_known, "{MEASURED}:{number}: benches/run.py has no row {rows}");
            (inside, tables) = (true, tables + 1);
        }
        inside &= line != "<!-- end -->";
        let is_figure = line.starts_with('|') && line.bytes().any(|byte| byte.is_ascii_digit());
        assert!(
            inside || !is_figure,
            "{MEASURED}:{number}: nothing says which row of benches/run.py makes this figure"
        );
    }
    assert!(tables > 10, "only {tables} tables were found");
}

#[test]
fn a_statement_is_found_and_a_name_is_not_one() {
    let exact = |text: &str| {
        let marks = page::marks(text).into_iter();
        marks
            .map(|mark| match mark {
                Mark::Exact(at) => text[at].to_owned(),
                Mark::Outcome(at) => format!("({})", &text[at]),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        exact("It waits 1.5 s, or two seconds, and is closed with 1013."),
        ["1.5", "two seconds", "(closed)", "1013"]
    );
    assert_eq!(
        exact("Counts as `kicked`; see `drops{reason=\"held\"}` and `4401`."),
        ["kicked", "drops{reason=\"held\"}", "4401"]
    );
    assert_eq!(exact("RFC 6455, decision 0012, `HS256`, SHA-256, `socket.outbox`, IPv6."), [""; 0]);
    assert_eq!(
        page::sentences("Ends in 5 s. `a. B` stays, e.g. C. It [links](x.md#a. B) on."),
        ["Ends in 5 s.", "`a. B` stays, e.g. C.", "It [links] on."]
    );
}

#[test]
fn tables_code_and_lists_of_a_page_are_told_apart() {
    let page = page::parse(
        "docs/x.md",
        "# Head 1\n\n- one\n  more\n- two\n\n```\n8\n| a |\n```\n| a | b |\n| --- | --- |\n| 1 | x \\| y |\n\n3. three\n",
    );
    let texts: Vec<_> = page.paragraphs.iter().map(|one| (one.line, one.text.as_str())).collect();
    assert_eq!(texts, [(3, "one more"), (5, "two"), (15, "three")]);
    let [table] = &page.tables[..] else { panic!("one table") };
    assert_eq!((table.heading.as_str(), table.columns.len()), ("Head 1", 2));
    assert_eq!(table.rows, [(13, vec!["1".to_owned(), "x | y".to_owned()])]);
}
