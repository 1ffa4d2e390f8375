//! docs/operations/errors.md and the tables of Engine.IO in docs/SOCKETIO.md, against the refusals and closes of the
//! source.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::PathBuf,
    sync::LazyLock,
};

use channelgate::{
    socket::close::{CloseCode, ProtocolError},
    telemetry::label,
};
use regex::Regex;

use super::page::{self, Page, Table};

const ERRORS: &str = "docs/operations/errors.md";

/// The table of a page whose first column has this name.
fn table(page: &Page, first: &str) -> Table {
    let found = page.tables.iter().find(|table| table.columns[0] == first);
    let Table { heading, columns, rows } = found.unwrap_or_else(|| panic!("{}: table of {first}", page.name));
    Table { heading: heading.clone(), columns: columns.clone(), rows: rows.clone() }
}

/// The values in `code` of a cell.
fn in_code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// A text of a cell: exact, with `…` where it varies; None if the cell describes it in words.
fn says(cell: &str) -> Option<Vec<&str>> {
    let texts = in_code(cell);
    (!texts.is_empty()).then_some(texts)
}

/// Whether a text of the manual, in which `…` stands for anything and digits are an example, is that of the program.
fn is_text(documented: &str, text: &str) -> bool {
    let digits = |text: &str| {
        text.bytes().map(|byte| if byte.is_ascii_digit() { '0' } else { byte as char }).collect::<String>()
    };
    let (documented, text) = (digits(documented.split('…').next().unwrap_or_default()), digits(text));
    documented == text
        || documented.starts_with(&format!("{text}: "))
        || (text.starts_with(documented.trim_end()) && documented.len() > 8)
}

/// The source, file by file, without tests.
fn sources() -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    super::files(&super::root().join("src"), &["rs"], &mut paths);
    paths.retain(|path| !path.components().any(|part| part.as_os_str() == "tests") && !path.ends_with("tests.rs"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
        (path, code)
    };
    paths.into_iter().map(read).collect()
}

/// A refusal: the row of the table in the tests of `src/protocol/refusal.rs`, which has every cause.
struct Refusal {
    cause: String,
    label: String,
    status: String,
    /// The code of Engine.IO.
    code: Option<String>,
    text: String,
    has_retry_after: bool,
}

fn refusals() -> Vec<Refusal> {
    let mut paths = Vec::new();
    super::files(&super::root().join("src/protocol"), &["rs"], &mut paths);
    let text: String = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let form = Regex::new(
        r"(?m)^([A-Z][A-Za-z0-9 ]+?) +\| ([a-z_]+) (?:DEBUG|WARN|INFO) *\| ([0-9]{3})(?: ([0-9]))? ([^;|]*?)(?:;[^|]*)? *\|",
    );
    let found: Vec<_> = form
        .unwrap()
        .captures_iter(&text)
        .map(|row| Refusal {
            cause: row[1].to_owned(),
            label: row[2].to_owned(),
            status: row[3].to_owned(),
            code: row.get(4).map(|code| code.as_str().to_owned()),
            text: row[5].replace("\\\"", "\""),
            has_retry_after: row[0].contains("; Retry-After "),
        })
        .collect();
    assert!(found.len() > 30, "only {} refusals are found: their table has another form", found.len());
    found
}

#[test]
fn every_refusal_has_its_row_and_every_row_a_refusal() {
    let table = table(&page::read(ERRORS), "status");
    let refusals: Vec<_> = refusals().into_iter().filter(|one| !one.cause.starts_with("EngineIo")).collect();
    let is_of = |row: &[String], refusal: &Refusal| {
        let texts = says(&row[1]);
        let has_text = |texts: Vec<&str>| texts.iter().any(|text| is_text(text, &refusal.text));
        // An application may choose status and text of its own refusals.
        let is_own = refusal.cause.starts_with("Denied") && row[0].contains("`refuse.status`")
            || refusal.cause == "Bridge Denied" && row[0] == "its own";
        let is_told = row[0].starts_with(&refusal.status) && texts.is_none_or(has_text);
        is_own || is_told && in_code(&row[4]).contains(&&*refusal.label)
    };
    let missing = refusals.iter().filter(|refusal| !table.rows.iter().any(|(_, row)| is_of(row, refusal)));
    let missing = missing.map(|Refusal { cause, label, status, text, .. }| {
        format!("{cause}: | {status} | `{text}` | why | try again? | `{label}` |\n")
    });
    let missing: String = missing.collect();
    assert!(missing.is_empty(), "refusals without a row in {ERRORS}, for instance\n{missing}");
    // As the page says above its table.
    for Refusal { cause, status, has_retry_after, .. } in &refusals {
        assert_eq!(*has_retry_after, ["429", "503"].contains(&&**status), "Retry-After of {cause}, {status}");
    }
    let sources = sources();
    for (line, row) in &table.rows {
        // What is refused before a path or a client is known is no cause of its own.
        let literal = says(&row[1]).is_some_and(|texts| {
            let start = texts[0].trim_end_matches('…').trim_end();
            sources.iter().any(|(_, source)| source.contains(start))
        });
        let is_earlier = match &*row[4] {
            "not counted" => literal,
            counted => row[0] == "none" && in_code(counted).iter().all(|label| label::HANDSHAKES.contains(label)),
        };
        assert!(is_earlier || refusals.iter().any(|refusal| is_of(row, refusal)), "{ERRORS}:{line}: no refusal is so");
    }
}

#[test]
fn every_outcome_of_a_handshake_is_in_the_table() {
    let page = page::read(ERRORS);
    let table = table(&page, "status");
    let text = fs::read_to_string(super::root().join(ERRORS)).unwrap();
    let (_, of_engine_io) = text.split_once("## Engine.IO: HTTP").unwrap();
    let of_engine_io = of_engine_io.split("\n## ").next().unwrap();
    let documented: BTreeSet<&str> =
        table.rows.iter().flat_map(|(_, row)| in_code(&row[4])).chain(in_code(of_engine_io)).collect();
    let missing: Vec<_> =
        label::HANDSHAKES.iter().filter(|one| **one != "accepted" && !documented.contains(**one)).collect();
    assert!(missing.is_empty(), "no row of {ERRORS} has the outcome {missing:?}");
}

#[test]
fn every_error_of_engine_io_has_its_row() {
    let table = table(&page::read("docs/SOCKETIO.md"), "HTTP error");
    let refusals = refusals();
    let is_of = |cell: &str, refusal: &Refusal| {
        let body = refusal.code.as_ref().map(|code| format!("{{\"code\":{code},\"message\":\"{}\"", refusal.text));
        cell.starts_with(&refusal.status)
            && (!cell.contains("\"code\"") || body.is_some_and(|body| cell.contains(&body)))
            && cell.contains("`Retry-After`") == ["429", "503"].contains(&&*refusal.status)
    };
    for refusal in refusals.iter().filter(|one| one.cause.starts_with("EngineIo")) {
        let is_there = table.rows.iter().any(|(_, row)| is_of(&row[0], refusal));
        assert!(is_there, "docs/SOCKETIO.md has no row for {} {:?} {}", refusal.status, refusal.code, refusal.text);
    }
    // A row has one answer, or several of a consumer's own.
    let is_answer =
        |cell: &str| cell.split(", ").all(|answer| refusals.iter().any(|one| answer.starts_with(&one.status)));
    for (line, row) in &table.rows {
        let is_there = match row[0].contains("\"code\"") && !row[0].contains('…') {
            true => refusals.iter().any(|refusal| is_of(&row[0], refusal)),
            false => is_answer(&row[0]),
        };
        assert!(is_there, "docs/SOCKETIO.md:{line}: no refusal is so");
    }
}

/// A close in the source: label, code and reason.
struct Close {
    label: String,
    code: u16,
    reason: String,
}

fn code_named(name: &str) -> u16 {
    let codes = [
        ("NORMAL", CloseCode::NORMAL),
        ("GOING_AWAY", CloseCode::GOING_AWAY),
        ("PROTOCOL_ERROR", CloseCode::PROTOCOL_ERROR),
        ("UNSUPPORTED_DATA", CloseCode::UNSUPPORTED_DATA),
        ("INVALID_PAYLOAD", CloseCode::INVALID_PAYLOAD),
        ("POLICY_VIOLATION", CloseCode::POLICY_VIOLATION),
        ("MESSAGE_TOO_BIG", CloseCode::MESSAGE_TOO_BIG),
        ("INTERNAL_ERROR", CloseCode::INTERNAL_ERROR),
        ("SERVICE_RESTART", CloseCode::SERVICE_RESTART),
        ("TRY_AGAIN_LATER", CloseCode::TRY_AGAIN_LATER),
        ("EXPIRED", CloseCode::EXPIRED),
        ("DISCONNECTED", CloseCode::DISCONNECTED),
    ];
    codes.iter().find(|(one, _)| *one == name).unwrap_or_else(|| panic!("CloseCode::{name}")).1.get()
}

/// Every close of the source with a label and a code: `closed("label")` and the close after it, `fail("label", …)`,
/// `give_up("label", …)`, an `Ending`, and the violations of the protocol.
static CLOSES: LazyLock<Vec<Close>> = LazyLock::new(|| {
    let text = r#"(?:&format!\()?"([^"]*)""#;
    let forms = [
        format!(r#"(?:fail|give_up)\(\s*"([a-z_]+)",\s*CloseCode::([A-Z_]+),\s*(?:{text}|&error)"#),
        format!(r#"\.closed\("([a-z_]+)"\);[^;]*?CloseCode::([A-Z_]+),\s*(?:{text}|&Refusal)"#),
        format!(r#"label: "([a-z_]+)",\s*code: CloseCode::([A-Z_]+),\s*reason: (?:Arc::from\()?{text}"#),
    ];
    let forms = forms.map(|form| Regex::new(&form).unwrap());
    let mut found = Vec::new();
    for (_, source) in sources() {
        for close in forms.iter().flat_map(|form| form.captures_iter(&source)) {
            let reason = close.get(3).map_or("", |reason| reason.as_str());
            let reason = reason.split('{').next().unwrap().to_owned();
            found.push(Close { label: close[1].to_owned(), code: code_named(&close[2]), reason });
        }
    }
    use ProtocolError::{
        CloseCode as BadCode, CloseLength, CloseReason, Deflate, ExpectedContinuation, FragmentedControl, Length,
        LongControl, Opcode, ReservedBit, TooBig, UnexpectedContinuation, Unmasked, Utf8,
    };
    let errors = [
        Unmasked,
        ReservedBit,
        Opcode,
        FragmentedControl,
        LongControl,
        Length,
        UnexpectedContinuation,
        ExpectedContinuation,
        CloseLength,
        BadCode,
        CloseReason,
        Utf8,
        Deflate,
        TooBig,
    ];
    found.extend(errors.map(|error| Close {
        label: error.label().to_owned(),
        code: error.code().get(),
        reason: error.to_string(),
    }));
    assert!(found.len() > 30, "only {} closes are found: the test reads the source wrongly", found.len());
    found
});

#[test]
fn every_close_has_its_row_and_every_row_a_close() {
    let table = table(&page::read(ERRORS), "code");
    let is_of = |row: &[String], close: &Close| {
        let is_described = close.reason.is_empty()
            || says(&row[1]).is_none()
            || says(&row[1]).is_some_and(|texts| {
                texts.iter().any(|text| {
                    is_text(text, &close.reason) || (!close.reason.is_empty() && is_text(&close.reason, text))
                })
            });
        row[0].contains(&close.code.to_string()) && in_code(&row[4]).contains(&&*close.label) && is_described
    };
    let missing = CLOSES.iter().filter(|close| !table.rows.iter().any(|(_, row)| is_of(row, close)));
    let missing: String = missing
        .map(|Close { label, code, reason }| format!("| {code} | `{reason}` | why | try again? | `{label}` |\n"))
        .collect();
    assert!(missing.is_empty(), "closes without a row in {ERRORS}, for instance\n{missing}");
    let known: BTreeSet<&str> = CLOSES.iter().map(|close| &*close.label).collect();
    let documented: BTreeSet<&str> = table.rows.iter().flat_map(|(_, row)| in_code(&row[4])).collect();
    let missing: Vec<_> = label::CLOSES.iter().filter(|label| !documented.contains(**label)).collect();
    assert!(missing.is_empty(), "no row of the close codes in {ERRORS} has the label {missing:?}");
    for (line, row) in &table.rows {
        let labels = in_code(&row[4]);
        for label in &labels {
            let is_label = label::CLOSES.contains(label) || label::HANDSHAKES.contains(label);
            assert!(is_label, "{ERRORS}:{line}: {label} is not a value of the label");
        }
        // A row with a code and a text of the program's own is a close of the source.
        let is_own = row[0].len() == 4 && says(&row[1]).is_some() && labels.iter().any(|label| known.contains(label));
        assert!(!is_own || CLOSES.iter().any(|close| is_of(row, close)), "{ERRORS}:{line}: no close is so");
    }
}

/// The codes and statuses in a sentence of docs/METRICS.md that errors.md has for the same label.
pub fn of_label(text: &str, heading: &str, label: &str) -> Vec<Range<usize>> {
    static CODES: LazyLock<BTreeMap<(String, String), BTreeSet<String>>> = LazyLock::new(|| {
        let page = page::read(ERRORS);
        let mut codes: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (first, heading) in [("status", "Handshakes and tokens"), ("code", "Closes")] {
            for (_, row) in table(&page, first).rows {
                for label in in_code(&row[4]) {
                    codes.entry((heading.to_owned(), label.to_owned())).or_default().insert(row[0].clone());
                }
            }
        }
        codes
    });
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new("[0-9]{3,4}").unwrap());
    let Some(codes) = CODES.get(&(heading.to_owned(), label.to_owned())) else { return Vec::new() };
    NUMBER.find_iter(text).filter(|number| codes.contains(number.as_str())).map(|number| number.range()).collect()
}

/// The texts of a page's answers in JSON: `"reason": "…"` and the like in `code` and in blocks of JSON.
fn answers(text: &str) -> Vec<String> {
    static ANSWER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#""(?:reason|detail|message)": ?"([^"]*[a-z]{3}[^"]*)""#).unwrap());
    let blocks = text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let outside: String = text.split("```").step_by(2).collect();
    let inline: String = outside.split('`').skip(1).step_by(2).collect::<Vec<_>>().join("\n");
    let texts = blocks.map(str::to_owned).chain([inline]).collect::<Vec<_>>().join("\n");
    ANSWER.captures_iter(&texts).map(|found| found[1].to_owned()).collect()
}

#[test]
fn texts_of_answers_are_those_of_the_program() {
    // Each literal of the source as a pattern, in which what is filled in stands for anything.
    let literal = Regex::new(r#"(?s)"((?:[^"\\]|\\.)*)""#).unwrap();
    let continued = Regex::new(r"\\\n\s*").unwrap();
    let filled = Regex::new(r"\\\{[^{}]*\\\}").unwrap();
    let mut patterns = Vec::new();
    for (_, source) in sources() {
        for found in
            literal.captures_iter(&source).map(|found| continued.replace_all(&found[1], "").replace("\\\"", "\""))
        {
            let pattern = filled.replace_all(&regex::escape(&found), ".*").into_owned();
            if pattern.replace(".*", "").len() >= 8 {
                patterns.push(Regex::new(&format!("^(?:.*: )?{pattern}$")).unwrap());
            }
        }
    }
    let mut seen = 0;
    for page in page::manual() {
        let text = fs::read_to_string(super::root().join(&page.name)).unwrap();
        for answer in answers(&text) {
            // A text that ends in `…` goes on.
            let begins = answer.trim_end_matches('…').trim_end();
            let is_text = patterns.iter().any(|pattern| pattern.is_match(&answer))
                || (begins != answer && sources().iter().any(|(_, source)| source.contains(begins)));
            seen += 1;
            assert!(is_text, "{}: the program never says {answer:?}", page.name);
        }
    }
    assert!(seen > 8, "only {seen} were found");
}
