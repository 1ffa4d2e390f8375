//! Where a handler stands: which names its expressions may start from, and which keys make sense there.

use super::scope::Name;
use crate::config::Protocol;

/// Where a handler stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before a connection is let in.
    Admit,
    /// On a connection that is open.
    Connect,
    /// On a client's message.
    Message,
    /// On one that is no JSON or that fails.
    BadMessage,
    /// When a member's first connection has come, on that connection.
    Online,
    /// When its last one is gone: on any node, with no connection at all.
    Offline,
    /// When a connection is gone.
    Disconnect,
}

impl Place {
    /// The names that are known there.
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

    /// Why nothing can be sent to the connection itself; `None` where it can.
    pub const fn no_connection(self) -> Option<&'static str> {
        match self {
            Self::Connect | Self::Message | Self::BadMessage | Self::Online => None,
            Self::Admit => Some("the connection is not open yet"),
            Self::Disconnect => Some("the connection is gone"),
            Self::Offline => Some("there is no connection any more"),
        }
    }
}

/// The names that are known in a group's name, in the order in which errors list them.
pub(super) fn of_groups(protocol: Protocol) -> &'static [Name] {
    match protocol {
        Protocol::SocketIo => &[Name::User, Name::Claims, Name::Route, Name::Query, Name::Auth, Name::Vars],
        Protocol::WebSocket | Protocol::EngineIo => &[Name::User, Name::Claims, Name::Route, Name::Query, Name::Vars],
    }
}

/// The names that are known where events are mapped.
pub(super) const OF_EVENTS: &[Name] = &[Name::Event, Name::Group];
