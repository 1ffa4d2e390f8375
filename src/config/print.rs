//! Prints the configuration in effect as a file that can be loaded again, without secrets.

use super::Config;

/// `config` as TOML; secrets are `***`, presets are written out.
pub fn effective_toml(config: &Config) -> String {
    let mut shown = config.clone();
    shown.presets = Some(Vec::new());
    // Those of presets whose consumers are left out or authenticate in another way.
    shown.auth.jwt.kinds.retain(|name, _| config.uses_kind(name));
    toml::to_string_pretty(&shown).unwrap_or_else(|error| format!("# this configuration cannot be shown: {error}\n"))
}
