//! Loads a checked [`Config`] from a file, the presets and the environment.
//!
//! Later wins: defaults, the file, variables with a name of their own, `CHANNELGATE__SECTION__KEY`.

use std::path::{Path, PathBuf};

use super::{
    Config, KeyLocations, check,
    decode::decode,
    environment::Environment,
    error::{ConfigError, ConfigErrors, ConfigSource, KeyLocation, KeyPath},
    kinds,
    presets::add_presets,
    tree::{self, TreeNode},
};

/// Reads the configuration: the file at `path`, else the file named by `CHANNELGATE_CONFIG`, else the built-in default.
///
/// Expressions, templates and path patterns are not checked here; the `load` of the consumers does both.
pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Config, ConfigErrors> {
    match load_lenient(path, environment) {
        (config, errors) if errors.is_empty() => Ok(config),
        (_, errors) => Err(ConfigErrors(errors)),
    }
}

/// Like [`load`], but returns what could be read together with all errors, so that more can be checked.
pub fn load_lenient(path: Option<&Path>, environment: &Environment) -> (Config, Vec<ConfigError>) {
    let complete = |(config, mut errors): (Config, Vec<ConfigError>)| {
        // What was wrong is left out, so that other keys could seem to have no effect.
        if errors.is_empty() {
            errors = check::unused::unused(&config);
        }
        (config, errors)
    };
    match path.map(PathBuf::from).or_else(|| environment.config_path()) {
        None => complete(load_text(None, environment)),
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => complete(load_text(Some((&path, &text)), environment)),
            Err(error) => {
                let location = KeyLocation { source: ConfigSource::File(path).into(), line: 0 };
                let reason = format!("cannot be read: {error}");
                (Config::default(), vec![ConfigError { location: Some(location), key: KeyPath::ROOT, reason }])
            }
        },
    }
}

/// Like [`load_lenient`], for a text; `name` stands for its file in errors. Keys without an effect are accepted.
pub fn load_text(file: Option<(&Path, &str)>, environment: &Environment) -> (Config, Vec<ConfigError>) {
    let (mut root, faults) = parse(file);
    if !faults.is_empty() {
        // A file with syntax errors would only cause more errors about missing keys.
        return (Config::default(), faults);
    }
    let mut errors: Vec<_> = environment.mistakes().collect();
    let (adjusting, rest): (Vec<_>, Vec<_>) =
        environment.overrides().into_iter().partition(|(path, _)| path.first().is_some_and(|key| key == "preset"));
    overlay(&mut root, adjusting);
    add_presets(&mut root, &rest, &mut errors);
    overlay(&mut root, rest);
    kinds::complete(&mut root);
    let mut config: Config = decode(&mut root, &mut errors).unwrap_or_default();
    config.locations = KeyLocations::of(root);
    check::check(&config, &mut errors);
    kinds::once(&mut errors);
    (config, errors)
}

fn parse(file: Option<(&Path, &str)>) -> (TreeNode, Vec<ConfigError>) {
    match file {
        None => (TreeNode::empty(ConfigSource::File(PathBuf::from("built-in default"))), Vec::new()),
        Some((path, text)) => tree::parse(text, ConfigSource::File(path.to_owned())),
    }
}

fn overlay(root: &mut TreeNode, overrides: Vec<(Vec<String>, TreeNode)>) {
    for (path, node) in overrides {
        root.insert(&path, node);
    }
}
