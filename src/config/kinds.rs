//! Kinds of JWT: what one does not set is as in `auth.jwt`, so each is complete once it is decoded.
//!
//! In: a configuration as written. Out: the same, with the settings of `[auth.jwt]` in every `[auth.jwt.kinds.NAME]`.

use super::{
    error::{ConfigError, Key, KeyPath},
    tree::{NodeValue, TreeNode},
};

/// The keys that verify a token. A kind with one of its own takes none from `auth.jwt`, or the tokens of each would be
/// valid as those of the other.
const KEYS: [&str; 4] = ["signing_key", "verifying_key", "jwk_url", "previous_keys"];

/// Completes every kind.
pub(super) fn complete(root: &mut TreeNode) {
    let Some(jwt) = root.table_mut().and_then(|root| root.get_mut("auth")).and_then(|auth| auth.node.table_mut())
    else {
        return;
    };
    let Some(jwt) = jwt.get_mut("jwt").and_then(|jwt| jwt.node.table_mut()) else { return };
    let mut common = jwt.clone();
    common.shift_remove("kinds");
    let Some(kinds) = jwt.get_mut("kinds").and_then(|kinds| kinds.node.table_mut()) else { return };
    for kind in kinds.values_mut().filter_map(|kind| kind.node.table_mut()) {
        let has_own_key = KEYS.iter().any(|key| kind.contains_key(*key));
        // An algorithm of the other family cannot use the key.
        let family = kind.get("algorithm").map(|algorithm| is_hmac(&algorithm.node));
        let common_family = common.get("algorithm").is_none_or(|algorithm| is_hmac(&algorithm.node));
        let without_keys = has_own_key || family.is_some_and(|family| family != common_family);
        for (name, entry) in &common {
            let is_left_out = without_keys && KEYS.contains(&name.as_str());
            if !is_left_out && !kind.contains_key(name) {
                kind.insert(name.clone(), entry.clone());
            }
        }
    }
}

fn is_hmac(algorithm: &TreeNode) -> bool {
    match &algorithm.value {
        NodeValue::String(name) | NodeValue::Raw { text: name, .. } => name.trim_matches(['"', '\'']).starts_with("HS"),
        _ => false,
    }
}

/// Removes the errors of kinds that only repeat one of `auth.jwt`.
pub(super) fn once(errors: &mut Vec<ConfigError>) {
    let of_kind = |error: &ConfigError| match error.key.0.as_slice() {
        [Key::Name(auth), Key::Name(jwt), Key::Name(kinds), Key::Name(_), rest @ ..]
            if auth == "auth" && jwt == "jwt" && kinds == "kinds" && !rest.is_empty() =>
        {
            let mut common = KeyPath::dotted("auth.jwt").0;
            common.extend_from_slice(rest);
            Some(KeyPath(common))
        }
        _ => None,
    };
    let known: Vec<_> = errors.iter().map(|error| (error.key.clone(), error.location.clone())).collect();
    errors.retain(|error| {
        of_kind(error).is_none_or(|common| {
            !known.iter().any(|(key, location)| *key == common && location.is_some() && *location == error.location)
        })
    });
}
