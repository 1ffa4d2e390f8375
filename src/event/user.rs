//! The id of a user: what a token, Django or a handler may set, so that disconnects and limits find the user by it.
//!
//! In: plain data. Out: whether it is an id, and why not. It knows no token and no connection.

use super::{Value, surrogate};

/// A longer id is refused, in bytes.
const MAX_ID: usize = 255;

/// Why a value is not the id of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserIdError {
    /// Neither text nor an integer of 64 bits.
    #[error("the user's id is {0}, not text or an integer of at most 64 bits")]
    Kind(&'static str),
    /// Text without characters.
    #[error("the user's id is empty")]
    Empty,
    /// Text that a disconnect cannot name.
    #[error("the user's id has more than {MAX_ID} bytes")]
    Long,
    /// A control character, which no name of a key or line of a log may have.
    #[error("the user's id has a control character")]
    Control,
    /// A lone surrogate, which Django cannot write into the name of a group.
    #[error("the user's id has half a character (a lone surrogate)")]
    Surrogate,
}

/// Whether a value may be the id of a user.
pub fn check_id(id: &Value) -> Result<(), UserIdError> {
    match id {
        Value::Int(_) | Value::UInt(_) => Ok(()),
        Value::Str(text) if text.is_empty() => Err(UserIdError::Empty),
        Value::Str(text) if text.len() > MAX_ID => Err(UserIdError::Long),
        Value::Str(text) if text.chars().any(char::is_control) => Err(UserIdError::Control),
        Value::Str(text) if surrogate::has_lone(text) => Err(UserIdError::Surrogate),
        Value::Str(_) => Ok(()),
        other => Err(UserIdError::Kind(other.kind())),
    }
}

/// Whether a user can be found by its id. A user without an id is valid: its token's id is used.
pub fn check_user(user: &Value) -> Result<(), UserIdError> {
    match user.get("id") {
        None | Some(Value::Null) => Ok(()),
        Some(id) => check_id(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::json;

    #[test]
    fn a_lone_surrogate_is_refused_and_a_whole_emoji_is_not() {
        let check = |id: &str| check_id(&json::read(id.as_bytes()).unwrap());
        assert_eq!(check(r#""a\ud83d""#), Err(UserIdError::Surrogate));
        assert_eq!(check(r#""a\ud83d\ude00""#), Ok(()));
    }
}
