//! The kinds of handlers: which names their expressions may use, and which keys make sense in them.

use super::expression::Var;
use crate::config::Protocol;

/// The kind of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandlerKind {
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

impl HandlerKind {
    /// The names known in it.
    pub fn names(self, protocol: Protocol) -> Vec<Var> {
        let socketio = protocol == Protocol::SocketIo;
        let mut names = Vec::new();
        if self == Self::Message {
            names.push(Var::Message);
            names.extend(socketio.then_some(Var::Args));
        }
        names.push(Var::User);
        if self != Self::Offline {
            names.extend([Var::Claims, Var::Route, Var::Query]);
            names.extend(socketio.then_some(Var::Auth));
            names.extend([Var::Id, Var::ChannelName, Var::Host]);
        }
        names.extend(matches!(self, Self::Online | Self::Offline).then_some(Var::Room));
        names.extend(matches!(self, Self::Connect | Self::Message | Self::Online).then_some(Var::Present));
        names.extend([Var::Vars, Var::Backend, Var::Node]);
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
pub(super) fn of_groups(protocol: Protocol) -> &'static [Var] {
    match protocol {
        Protocol::SocketIo => &[
            Var::User,
            Var::Claims,
            Var::Route,
            Var::Query,
            Var::Auth,
            Var::Id,
            Var::ChannelName,
            Var::Host,
            Var::Vars,
        ],
        Protocol::WebSocket | Protocol::EngineIo => {
            &[Var::User, Var::Claims, Var::Route, Var::Query, Var::Id, Var::ChannelName, Var::Host, Var::Vars]
        }
    }
}

/// The names known in the first message of a connection.
pub(super) fn of_hello(protocol: Protocol) -> Vec<Var> {
    of_groups(protocol).iter().chain(&[Var::Node]).copied().collect()
}

/// The names known where events are mapped: the same for all connections.
pub(super) const OF_EVENTS: &[Var] = &[Var::Event, Var::Group, Var::Node];

/// The names known in the messages of `on_event`: those of the event, and what many connections can have in common.
pub(super) fn of_messages(protocol: Protocol) -> Vec<Var> {
    let own = of_groups(protocol).iter().filter(|name| !matches!(name, Var::Id | Var::ChannelName));
    OF_EVENTS.iter().chain(own).copied().collect()
}

/// The names known in the conditions of `on_event`: those of the event, and those of each connection.
pub(super) fn of_conditions(protocol: Protocol) -> Vec<Var> {
    [OF_EVENTS, of_groups(protocol)].concat()
}
