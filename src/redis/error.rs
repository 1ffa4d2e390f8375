//! Creates and formats errors of Redis.

use redis::RedisError;

/// The error of an answer that did not arrive in time.
pub fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// An error as one line of text.
pub fn one_line(error: &impl ToString) -> String {
    error.to_string().replace(['\r', '\n'], " ")
}
