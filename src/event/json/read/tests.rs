//! What is read, what is refused, and that it is written as it was read.

use super::*;

fn text(json: &str) -> String {
    crate::event::json::text(&read(json.as_bytes()).unwrap())
}

#[test]
fn pythons_extensions_are_read_and_nothing_else() {
    let value = read(b"{\"a\": NaN, \"b\": [-Infinity, \"\\ud83d\\ude00 NaN\"], \"c\": 18446744073709551615}").unwrap();
    assert!(matches!(value.get("a"), Some(Value::Float(number)) if number.is_nan()));
    assert_eq!(value.get("b"), Some(&Value::List(vec![Value::Float(f64::NEG_INFINITY), "😀 NaN".into()])));
    assert_eq!(value.get("c"), Some(&Value::UInt(u64::MAX)));
    for wrong in [
        "{a: 1}",
        "['a']",
        "[NaN, 'a']",
        "[1,]",
        "// NaN\n1",
        "[NaN] x",
        "NaN NaN",
        "",
        " ",
        "[",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "[1 2]",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "--1",
        "tru",
        "nul",
        "Nan",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"\\ud83d\\u12\"",
        "[1]]",
        "\u{feff}1",
        "\u{a0}1",
    ] {
        assert!(matches!(read(wrong.as_bytes()), Err(JsonError::Syntax(..))), "{wrong}");
    }
    for named in ["NaN", "Infinity", "-Infinity", "[NaN]"] {
        assert!(read_strict(named).is_err(), "{named}");
    }
    assert_eq!(read(b"\"\xff\""), Err(JsonError::Utf8));
    assert_eq!(read(b"\"\xed\xa0\xbd\""), Err(JsonError::Utf8));
}

#[test]
fn a_lone_surrogate_is_written_as_it_was_read() {
    for json in [
        r#""\ud83d""#,
        r#""\udc00""#,
        r#""x\ud83dy""#,
        r#""\ude00\ud83d""#,
        r#""\ud83d\ud83d\ude00""#,
        r#"["\n\ud83d\""]"#,
        r#"{"\ud83d":"\ude00"}"#,
        r#"{"a\udfff":1,"a":2}"#,
    ] {
        // A pair of escapes is one character.
        assert_eq!(text(json), json.replace(r"\ud83d\ude00", "😀"));
    }
    assert_eq!(text(r#""\uD83D\uD83D""#), r#""\ud83d\ud83d""#);
    for real in ["\u{10e800}", "\u{10e800}\u{10e03d}", "\u{10e03d}", "\n\u{10e800}\u{10e000}", "\"\u{10e800}"] {
        let json = serde_json::to_string(real).unwrap();
        assert_eq!(text(&json), json);
        let both = json.replacen('"', "\"\\ud800", 1);
        assert_eq!(text(&both), both);
    }
}

#[test]
fn integers_keep_their_digits() {
    let hundred = "9".repeat(100);
    for json in ["0", "-1", "9223372036854775808", "-9223372036854775809", "18446744073709551616", &hundred] {
        assert_eq!(text(json), *json);
    }
    assert_eq!(text("-0"), "0");
    assert_eq!(text(&"1".repeat(MAX_DIGITS)).len(), MAX_DIGITS);
    assert_eq!(read("1".repeat(MAX_DIGITS + 1).as_bytes()), Err(JsonError::TooLong));
    assert_eq!(text("[1.0,-0.0,1e400,1E5,0.1]"), "[1.0,-0.0,null,100000.0,0.1]");
}

#[test]
fn lists_and_objects_nest_to_the_limit() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(text(&nested(MAX_DEPTH)), nested(MAX_DEPTH));
        assert_eq!(read(nested(MAX_DEPTH + 1).as_bytes()), Err(JsonError::TooDeep));
        assert_eq!(read(open.repeat(100_000).as_bytes()), Err(JsonError::TooDeep));
    }
}

#[test]
fn the_number_of_values_is_bounded() {
    let list = |values: usize| format!("[{}1]", "1,".repeat(values - 2));
    assert!(read(list(MAX_VALUES).as_bytes()).is_ok());
    assert_eq!(read(list(MAX_VALUES + 1).as_bytes()), Err(JsonError::TooMany));
}
