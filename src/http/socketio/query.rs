//! Parses the query of an Engine.IO request.

use crate::config::Transport;

/// The parameters of a request.
pub(super) struct EngineIoQuery {
    pub transport: Option<Transport>,
    /// Whether the client speaks the supported version.
    pub version: bool,
    pub sid: Option<String>,
}

impl EngineIoQuery {
    pub fn of(text: &str) -> Self {
        let (mut transport, mut version, mut sid) = (None, false, None);
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            match (&*name, &*value) {
                ("transport", "polling") => transport = Some(Transport::Polling),
                ("transport", "websocket") => transport = Some(Transport::Websocket),
                ("transport", _) => transport = None,
                ("EIO", value) => version = value == "4",
                ("sid", value) => sid = Some(value.to_owned()),
                _ => {}
            }
        }
        Self { transport, version, sid }
    }
}
