//! Errors of Redis, made and shown.

use redis::RedisError;

/// The error of an answer that did not come in time.
pub fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// An error as one line for people.
pub fn one_line(error: &impl ToString) -> String {
    error.to_string().replace(['\r', '\n'], " ")
}
