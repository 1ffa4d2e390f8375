//! The format of the node's log. `RUST_LOG` decides what is logged.

use serde::{Deserialize, Serialize};

/// The log, on standard error.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// For people or for programs.
    pub format: LogFormat,
}

/// A form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One line of text each.
    #[default]
    Human,
    /// One JSON object each.
    Json,
}
