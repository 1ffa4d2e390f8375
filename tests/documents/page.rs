//! A page of the manual as sentences and tables, and what in a sentence is a statement that a test must hold.
//!
//! The rule stands in CONTRIBUTING.md, section "Statements of the manual".

use std::{collections::BTreeSet, fs, ops::Range, sync::LazyLock};

use channelgate::{
    event::GapReason,
    telemetry::{DropReason, label},
};
use regex::Regex;

use super::checked;

/// A table, or a row of one, with its place.
pub struct Table {
    pub heading: String,
    pub columns: Vec<String>,
    /// Number of the line and cells.
    pub rows: Vec<(usize, Vec<String>)>,
}

/// A sentence, or a sentence of the cells of a row.
#[derive(Debug)]
pub struct Sentence {
    pub line: usize,
    pub text: String,
}

pub struct Page {
    pub name: String,
    pub paragraphs: Vec<Sentence>,
    pub tables: Vec<Table>,
}

/// The folders of the manual, beside README.md and deploy/README.md.
const FOLDERS: &[&str] = &["docs", "docs/clients", "docs/clients/your-code", "docs/django", "docs/operations"];

/// The pages of the manual. docs/PROOF.md is a list of tests.
pub fn manual() -> Vec<Page> {
    let root = super::root();
    let mut names = vec!["README.md".to_owned(), "deploy/README.md".to_owned()];
    for folder in FOLDERS {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        let files = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.extend(files.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")));
    }
    names.retain(|name| name != "docs/PROOF.md");
    names.sort();
    names.into_iter().map(|name| read(&name)).collect()
}

/// One page, by its name from the root.
pub fn read(name: &str) -> Page {
    parse(name, &fs::read_to_string(super::root().join(name)).unwrap())
}

/// The cells of a row; a `\|` is part of its cell.
fn cells(row: &str) -> Vec<String> {
    let inside = row.trim().trim_start_matches('|');
    let inside = inside.strip_suffix('|').unwrap_or(inside).replace("\\|", "\u{1}");
    inside.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
}

pub fn parse(name: &str, text: &str) -> Page {
    let mut page = Page { name: name.to_owned(), paragraphs: Vec::new(), tables: Vec::new() };
    let (mut heading, mut code, mut in_table) = (String::new(), false, false);
    let mut open: Option<Sentence> = None;
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        let (is_fence, is_row) = (line.starts_with("```"), line.starts_with('|') && !code);
        code ^= is_fence;
        let item = line.strip_prefix("- ").or_else(|| {
            let (digits, rest) = line.split_once(". ")?;
            (digits.len() < 3 && digits.bytes().all(|digit| digit.is_ascii_digit())).then_some(rest)
        });
        let ends = is_fence || code || is_row || line.is_empty() || line.starts_with(['#', '<']) || item.is_some();
        if ends {
            page.paragraphs.extend(open.take());
        }
        if is_row {
            let row = cells(line);
            match page.tables.last_mut().filter(|_| in_table) {
                None => {
                    page.tables.push(Table { heading: heading.clone(), columns: row, rows: Vec::new() });
                }
                Some(_)
                    if row.iter().all(|cell| cell.chars().all(|letter| "-: ".contains(letter)) && !cell.is_empty()) => {
                }
                Some(table) => table.rows.push((number, row)),
            }
        } else if let Some(title) = line.strip_prefix('#').filter(|_| !code && !is_fence) {
            title.trim_start_matches('#').trim().clone_into(&mut heading);
        } else if !is_fence && !code && !line.is_empty() && !line.starts_with('<') {
            let text = item.unwrap_or(line);
            match &mut open {
                Some(open) => open.text = format!("{} {text}", open.text),
                None => open = Some(Sentence { line: number, text: text.to_owned() }),
            }
        }
        in_table = is_row;
    }
    page.paragraphs.extend(open);
    page
}

/// A text without targets of links, each white space one blank: the form in which a page and the ledger are compared.
pub fn plain(text: &str) -> String {
    static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\([^)]*\)").unwrap());
    LINK.replace_all(&text.split_whitespace().collect::<Vec<_>>().join(" "), "]").into_owned()
}

/// The sentences of a paragraph or row.
pub fn sentences(paragraph: &str) -> Vec<String> {
    static END: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"[.!?][)*]* [A-Z0-9`*(\["]"#).unwrap());
    let text = plain(paragraph);
    let (mut from, mut found) = (0, Vec::new());
    for end in END.find_iter(&text) {
        let at = end.end() - 1;
        // Not within code, and not after an abbreviation of one letter.
        if text[from..at].matches('`').count().is_multiple_of(2) && !text[..end.start()].ends_with("e.g") {
            found.push(text[from..at].trim().to_owned());
            from = at;
        }
    }
    found.push(text[from..].trim().to_owned());
    found
}

/// What makes a sentence a statement.
#[derive(Debug, PartialEq, Eq)]
pub enum Mark {
    /// A number, a status, a code, or the value of a label: the text of an entry must contain it.
    Exact(Range<usize>),
    /// A word of an outcome: an entry with any text of the sentence will do.
    Outcome(Range<usize>),
}

/// The values of labels, without those that are names of keys, too.
static LABELS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let lists = [
        label::HANDSHAKES,
        label::TOKENS,
        label::CLOSES,
        label::REFUSED_MESSAGES,
        label::REVOCATIONS,
        label::REDIS_REFUSALS,
        label::RELOADS,
    ];
    let lists = lists.iter().flat_map(|list| list.iter().copied());
    let keys: BTreeSet<&str> = checked::DEFAULTS.keys().filter_map(|key| key.rsplit('.').next()).collect();
    let labels = lists.chain(DropReason::ALL.iter().map(|one| one.label()));
    let labels = labels.chain(GapReason::ALL.iter().map(|one| one.label()));
    labels.filter(|label| !keys.contains(label) && *label != "capacity").collect()
});

/// Numbers that are part of a name.
const NAMES: &str =
    r"RFC [0-9]+|[Dd]ecisions? \[?[0-9]{4}|§[0-9.]+|[A-Za-z]+-?[0-9]+(/[0-9]+)*|[0-9]+ a\.m|127\.0\.0\.1";
const NUMBER: &str = r"[0-9]+([.,–][0-9]+)*%?";
/// A number in a word.
const COUNTED: &str = "(two|three|four|five|six|ten|twelve|sixteen|twenty|sixty) (seconds|minutes|hours|days|heartbeats|intervals|probes)";
const OUTCOME: &str = r"refused|refuses|rejected|rejects|closed|closes|dropped|drops|ignored|disconnected|counted|an error|is cut|are cut|fails|(session|connection|handler|client|oldest|members?)s? (end|ends|are closed)|ends? the (session|connection|handler)s?|ends? it";

/// The marks of a sentence, in order.
pub fn marks(text: &str) -> Vec<Mark> {
    static PROSE: LazyLock<Regex> = LazyLock::new(|| {
        let word = "(?-u:\\b)";
        Regex::new(&format!(
            "{word}(?P<name>{NAMES}){word}|(?P<exact>{word}({NUMBER}|{COUNTED}))|{word}(?P<outcome>{OUTCOME}){word}"
        ))
        .unwrap()
    });
    // A label, or a key with a number: `"maxPayload":1000000`, `LimitNOFILE=120000`.
    static VALUE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"(reason|outcome)="[a-z_0-9]+"|^[^/]*(": ?|= ?|: )[0-9]{2,}"#).unwrap());
    let (mut at, mut found) = (0, Vec::new());
    for (index, part) in text.split('`').enumerate() {
        let range = at..at + part.len();
        at = range.end + 1;
        if index % 2 == 1 {
            let is_code = part.len() >= 3 && part.bytes().all(|digit| digit.is_ascii_digit());
            if is_code || LABELS.contains(part) || VALUE.is_match(part) {
                found.push(Mark::Exact(range));
            }
            continue;
        }
        for one in PROSE.captures_iter(part) {
            let place = |name| one.name(name).map(|found| range.start + found.start()..range.start + found.end());
            found.extend(place("exact").map(Mark::Exact).or_else(|| place("outcome").map(Mark::Outcome)));
        }
    }
    found
}
