//! The kinds of handlers: which names their expressions may use, and which keys make sense in them.

use super::scope::Name;
use crate::config::Protocol;

/// The kind of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before a connection is admitted.
    Admit,
    /// On a connection that is open.
    Connect,
    /// On a client's message.
    Message,
    /// On an invalid message, or when the message's handler fails.
    BadMessage,
    /// When a member's first connection has opened, on that connection.
    Online,
    /// When its last connection has closed: on any node, without a connection.
    Offline,
    /// When a connection has closed.
    Disconnect,
}

impl Place {
    /// The names known in it.
    pub fn names(self, protocol: Protocol) -> Vec<Name> {
        let socketio = protocol == Protocol::SocketIo;
        let mut names = Vec::new();
        if self == Self::Message {
            names.push(Name::Message);
            names.extend(socketio.then_some(Name::Args));
        }
        names.push(Name::User);
        if self != Self::Offline {
            names.extend([Name::Claims, Name::Route, Name::Query]);
            names.extend(socketio.then_some(Name::Auth));
            names.push(Name::Id);
        }
        names.extend([Name::Vars, Name::Backend]);
        names
    }

    /// Why nothing can be sent to the connection itself; `None` if it can.
    pub const fn no_connection(self) -> Option<&'static str> {
        match self {
            Self::Connect | Self::Message | Self::BadMessage | Self::Online => None,
            Self::Admit => Some("the connection is not open yet"),
            Self::Disconnect => Some("the connection is gone"),
            Self::Offline => Some("the connection is closed"),
        }
    }
}

/// The names known in a group's name, in the order in which errors list them.
pub(super) fn of_groups(protocol: Protocol) -> &'static [Name] {
    match protocol {
        Protocol::SocketIo => &[Name::User, Name::Claims, Name::Route, Name::Query, Name::Auth, Name::Vars],
        Protocol::WebSocket | Protocol::EngineIo => &[Name::User, Name::Claims, Name::Route, Name::Query, Name::Vars],
    }
}

/// The names known where events are mapped.
pub(super) const OF_EVENTS: &[Name] = &[Name::Event, Name::Group];
