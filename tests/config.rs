//! Configurations as fixtures: every valid one loads, and every invalid one is refused with the text next to it.
//!
//! A line `# env: NAME=value` at the top of a fixture sets an environment variable. To update the expected texts after
//! a deliberate change, run with `UPDATE_EXPECTED=1`, and review the difference.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use channelgate::{
    config::{AuthMethod, Config, ConfigErrors, Environment, effective_toml},
    consumer::{self, ConsumerId, ConsumerSet},
};

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(Path::new("tests/config").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn load(path: &Path) -> Result<(Config, ConsumerSet), ConfigErrors> {
    let text = fs::read_to_string(path).unwrap();
    let environment: Environment =
        text.lines().filter_map(|line| line.strip_prefix("# env: ")?.split_once('=')).collect();
    consumer::load(Some(path), &environment)
}

#[test]
fn every_valid_configuration_loads_and_its_effective_form_loads_again() {
    let presets = fs::read_dir("presets").unwrap().map(|entry| entry.unwrap().path());
    let conformance = fs::read_dir("tests/conformance").unwrap().map(|entry| entry.unwrap().path());
    let shipped =
        presets.chain(conformance).filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    for path in fixtures("valid").into_iter().chain(shipped) {
        let (config, _) = load(&path).unwrap_or_else(|errors| panic!("{}:\n{errors}", path.display()));
        let shown = effective_toml(&config);
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("effective.toml");
        fs::write(&copy, &shown).unwrap();
        let (again, _) = load(&copy).unwrap_or_else(|errors| panic!("{}:\n{errors}\n{shown}", path.display()));
        assert_eq!(effective_toml(&again), shown, "{}", path.display());
    }
}

#[test]
fn every_invalid_configuration_is_refused_with_all_its_errors() {
    for path in fixtures("invalid") {
        let Err(errors) = load(&path) else { panic!("{} was accepted", path.display()) };
        let told = format!("{errors}\n");
        let expected = path.with_extension("errors");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &told).unwrap();
        }
        assert_eq!(told, fs::read_to_string(&expected).unwrap_or_default(), "{}", path.display());
    }
}

#[test]
fn a_missing_file_is_named() {
    let Err(errors) = load_missing() else { panic!("loaded") };
    assert!(errors.to_string().starts_with("no/such/file.toml: cannot be read: "), "{errors}");
}

fn load_missing() -> Result<(Config, ConsumerSet), ConfigErrors> {
    consumer::load(None, &Environment::from([("CHANNELGATE_CONFIG", "no/such/file.toml")]))
}

#[test]
fn the_environment_wins_over_the_file_and_text_stays_text() {
    let (config, set) = load(Path::new("tests/config/valid/environment.toml")).unwrap();
    assert_eq!(config.server.listen, "0.0.0.0:9000");
    assert_eq!(config.layer.url.as_ref().unwrap().expose(), "redis://localhost:6379/0");
    assert_eq!(config.layer.keys.iter().map(|key| key.expose()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(config.server.allowed_origins.unwrap(), ["example.com", ".example.org"]);
    assert_eq!(config.auth.secret_key.as_ref().unwrap().expose(), "12345");
    assert_eq!(config.layer.prefix, "123");
    assert!(config.api.key.is_none(), "an empty variable counts as unset");
    assert!(!config.socket.compression.enabled);
    assert_eq!(config.auth.jwt.sources, ["cookie:access"]);
    assert_eq!(set.get(ConsumerId(0)).unwrap().auth(), [AuthMethod::Jwt]);
    assert_eq!(set.len(), 1, "a file with consumers of its own has no presets unless it asks for them");
}

#[test]
fn with_no_file_every_preset_is_served() {
    let (config, set) = consumer::load(None, &Environment::default()).unwrap();
    for path in ["/ws/", "/ws", "/ws/notifications/", "/ws/notifications", "/ws/attendance/"] {
        assert!(set.route(path).is_some(), "{path}");
    }
    assert!(set.route("/").is_none() && set.route("/ws/other/").is_none());
    assert!(config.layer.url.is_none() && config.auth.secret_key.is_none());
}

#[test]
fn a_preset_is_adjusted_by_one_variable() {
    let environment = Environment::from([("CHANNELGATE__PRESET__ATTENDANCE__AUTH", "jwt")]);
    let (_, set) = consumer::load(None, &environment).unwrap();
    assert_eq!(set.route("/ws/attendance/").unwrap().0.auth(), [AuthMethod::Jwt]);
    assert_eq!(set.route("/ws/").unwrap().0.auth(), [AuthMethod::Anonymous]);
}

#[test]
fn a_list_of_a_variable_has_its_items_in_every_spelling_or_is_refused() {
    let read = |name: &str, text: &str| {
        let name = format!("CHANNELGATE__{name}");
        let environment = Environment::from([(name.as_str(), text)]);
        consumer::load(None, &environment).map(|(config, _)| config)
    };
    for text in ["a,b", "a, b", r#""a","b""#, r#""a", "b""#, "'a','b'", r#""a,b""#, r#"["a","b"]"#, "['a', 'b']"] {
        let config = read("API__ADMIN_ROLES", text).unwrap();
        assert_eq!(config.api.admin_roles, ["a", "b"], "{text}");
    }
    for text in ["a,b", "a b", r#""a","b""#, r#""a" "b""#, r#""a b""#, "'a b'", "a,\n b"] {
        let config = read("AUTH__JWT__USER_ID_CLAIMS", text).unwrap();
        assert_eq!(config.auth.jwt.user_id_claims, ["a", "b"], "{text}");
        let config = read("AUTH__JWT__KINDS__TRACKER__USER_ID_CLAIMS", text).unwrap();
        assert_eq!(config.auth.jwt.kinds["tracker"].user_id_claims, ["a", "b"], "{text}");
    }
    for text in [r#""a","b""#, r#"["a", "b"]"#, "a,b"] {
        let config = read("AUTH__JWT__AUDIENCE", text).unwrap();
        assert_eq!(config.auth.jwt.audience.unwrap().as_slice(), ["a", "b"], "{text}");
    }
    for text in [r#"{"host": "h", "port": 1}"#, r#"{host = "h", port = 1}"#] {
        let config = read("LAYER__HOSTS", text).unwrap();
        assert_eq!(config.layer.hosts.len(), 1, "{text}");
    }
    for text in [r#"["a","b""#, r#""a","b"#, r#"a","b""#, r#"{"a": 1,}"#, "'a,b"] {
        for name in ["API__ADMIN_ROLES", "AUTH__JWT__AUDIENCE", "AUTH__JWT__USER_ID_CLAIMS", "LAYER__HOSTS"] {
            let error = read(name, text).unwrap_err().to_string();
            assert!(error.contains("is no list; write it as a,b"), "{name} {text}: {error}");
        }
    }
    // A secret is what it is.
    let text = r#""k","l""#;
    assert_eq!(read("AUTH__SECRET_KEY", text).unwrap().auth.secret_key.unwrap().expose(), text);
}

#[test]
fn presets_are_chosen_by_name() {
    let environment = Environment::from([("CHANNELGATE__PRESETS", "parking, feed")]);
    let (_, set) = consumer::load(None, &environment).unwrap();
    assert_eq!(set.iter().map(|consumer| consumer.name()).collect::<Vec<_>>(), ["parking", "feed"]);
}

#[test]
fn a_files_own_consumer_replaces_a_presets() {
    let (_, set) = load(Path::new("tests/config/valid/own_feed.toml")).unwrap();
    assert_eq!(set.route("/ws/").unwrap().0.spec().groups, ["mine"]);
}

#[test]
fn nothing_shows_a_secret() {
    let (config, _) = load(Path::new("tests/config/valid/everything.toml")).unwrap();
    let shown = format!("{}\n{config:?}", effective_toml(&config));
    for secret in ["not-a-real-key", "older", "publish-key", "new-key", "redis://a:6379/0", "redis://c:6379/1"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    assert!(shown.contains("***"));
}

#[test]
fn the_echo_for_conformance_suites_echoes_on_every_path() {
    let (config, set) = load(Path::new("tests/conformance/websocket-echo.toml")).unwrap();
    for path in ["/", "/echo", "/ws/a/b/", "/%20"] {
        assert!(set.route(path).is_some(), "{path}");
    }
    assert!(config.socket.ping_interval.0.is_zero() && config.socket.compression.enabled);
    assert_eq!(config.socket.max_message, 16 << 20);
}

/// Every block of TOML in the README and in docs/; a block that continues a consumer gets a beginning.
fn examples() -> Vec<(PathBuf, String)> {
    let docs = ["docs", "docs/operations"].into_iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let pages =
        docs.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let mut examples = Vec::new();
    for path in pages.chain([PathBuf::from("README.md")]) {
        let page = fs::read_to_string(&path).unwrap();
        for example in page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let whole = ["[[consumer]]\n", "[[source]]\n", "presets ="].iter().any(|start| example.starts_with(start));
            let start = "[[consumer]]\nname = 'started'\npath = '/'\nprotocol = 'socket.io'\nauth = ['jwt']\n";
            examples.push((path.clone(), format!("{}{example}", if whole { "" } else { start })));
        }
    }
    examples
}

#[test]
fn every_example_of_the_documents_loads() {
    let examples = examples();
    assert!(examples.len() > 10);
    for (page, example) in examples {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("example.toml");
        fs::write(&path, &example).unwrap();
        // Secrets are in the environment, and not in a page; an example need not repeat where Django is.
        let url = ("CHANNELGATE_BACKEND_URL", "http://127.0.0.1:8001/channelgate");
        let environment = Environment::from([("CHANNELGATE_BACKEND_SECRET", "s"), url]);
        consumer::load(Some(&path), &environment)
            .unwrap_or_else(|errors| panic!("{}: {errors}\n{example}", page.display()));
    }
}
