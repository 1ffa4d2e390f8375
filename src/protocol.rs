//! The client protocols: plain WebSocket messages, or Socket.IO; and the session behind both.

pub mod admission;
pub mod background;
mod binding;
mod bridged;
mod effects;
pub mod endpoint;
pub mod engineio;
mod head;
mod host;
mod kept;
mod login_deadlines;
pub mod plain;
mod principal;
pub mod refusal;
pub mod services;
pub mod session;
pub mod socketio;

use crate::event::Value;

/// A query string as expressions see it: the last value of each name.
pub fn query(text: &str) -> Value {
    url::form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect()
}

/// The approximate memory of a query string once it is read.
pub fn query_weight(text: &str) -> usize {
    const ENTRY: usize = 112;
    text.len() + text.split('&').filter(|pair| !pair.is_empty()).count() * ENTRY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_of_a_query_is_known_before_it_is_read() {
        for text in ["", "a=1", "a&b&c&d&e&f", "name=%41%42&&x=y", &"k&".repeat(1000)] {
            assert!(query_weight(text) + 500 >= query(text).weight() / 2, "{text:.20}");
        }
        let distinct: String = (0..5000).map(|number| format!("{number}&")).collect();
        assert!(query_weight(&distinct) > 500_000, "{}", query_weight(&distinct));
    }
}
