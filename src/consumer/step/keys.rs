//! Which keys of a step make sense where it stands, and for what the consumer's clients speak.

use super::{Site, Writer};
use crate::{
    config::{KeyPath, Protocol, Step},
    consumer::place::Place,
};

impl Writer<'_, '_> {
    pub(super) fn check_keys(&mut self, step: &Step, site: Site, key: &KeyPath) {
        let mut wrong = Vec::new();
        wrong.extend(of_place(step, site));
        wrong.extend(of_protocol(step, site, self.program.wire.protocol));
        wrong.extend(of_each_other(step));
        if step.refresh.is_some() && !self.program.tokens {
            wrong.push(("refresh", "nobody here has shown a token that another could stand for".to_owned()));
        }
        for (name, reason) in wrong {
            self.compiler.note(&key.then(name), reason);
        }
    }
}

type Wrong = (&'static str, String);

fn of_place(step: &Step, site: Site) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let to_itself = [
        ("denied", step.denied.is_some()),
        ("failed", step.failed.is_some()),
        ("limited", step.limited.is_some()),
        ("leave", step.leave.is_some()),
        ("join", step.join.is_some()),
        ("subscribe", step.subscribe.is_some()),
        ("unsubscribe", step.unsubscribe.is_some()),
        ("reply", step.reply.is_some()),
        ("reply_raw", step.reply_raw.is_some()),
        ("close", step.close.is_some()),
        ("disconnect", step.disconnect),
    ];
    let to_others = [
        ("others", step.others.is_some()),
        ("room", step.room.is_some()),
        ("to_user", step.to_user.is_some()),
        ("to_role", step.to_role.is_some()),
        ("all", step.all.is_some()),
        ("publish", step.publish.is_some()),
    ];
    if let Some(reason) = site.place.no_connection() {
        wrong.extend(to_itself.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (name, reason.to_owned())));
    }
    if let (Place::Admit, Some(reason)) = (site.place, site.place.no_connection()) {
        wrong.extend(to_others.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (name, reason.to_owned())));
    }
    if site.place == Place::Offline && step.others.is_some() {
        wrong.push(("others", "there is no connection any more; write \"room\"".to_owned()));
    }
    if site.place != Place::Admit && step.refuse.is_some() {
        wrong.push(("refuse", "a connection is refused in on_admit".to_owned()));
    }
    if site.place != Place::Admit && site.depth == 0 && step.user.is_some() {
        let reason = "the user is set in on_admit, or from what the backend answers to a call";
        wrong.push(("user", reason.to_owned()));
    }
    if step.limit.is_some() && site.place != Place::Message {
        wrong.push(("limit", "limits how often a client may send; write it in on_message".to_owned()));
    } else if step.limit.is_some() && site.called {
        wrong.push(("limit", "comes too late behind a call; write it in a step before".to_owned()));
    }
    if step.refresh.is_some() && site.place != Place::Message {
        wrong.push(("refresh", "takes a token that a client sends; write it in on_message".to_owned()));
    }
    if site.place != Place::Message {
        for (name, is_set) in [("ack", step.ack.is_some()), ("ack_args", step.ack_args.is_some())] {
            if is_set {
                wrong.push((name, "only a client's event can be acknowledged".to_owned()));
            }
        }
    }
    wrong
}

fn of_protocol(step: &Step, site: Site, protocol: Protocol) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    if protocol == Protocol::SocketIo && step.reply_raw.is_some() {
        wrong.push(("reply_raw", "Socket.IO clients get events; write \"reply\" or \"ack\"".to_owned()));
    }
    if protocol != Protocol::SocketIo {
        for (name, is_set) in [("ack", step.ack.is_some()), ("ack_args", step.ack_args.is_some())] {
            if is_set && site.place == Place::Message {
                wrong.push((name, "only Socket.IO has acknowledgements; write \"reply\"".to_owned()));
            }
        }
        if step.all.is_some() {
            wrong.push(("all", "only Socket.IO has namespaces; write room = { to = … }".to_owned()));
        }
        if step.reply.iter().flat_map(|reply| reply.as_slice()).any(|emit| emit.expect.is_some()) {
            wrong.push(("reply", "only Socket.IO has acknowledgements to expect".to_owned()));
        }
    }
    if protocol == Protocol::WebSocket && step.disconnect {
        wrong.push(("disconnect", "is for Socket.IO and Engine.IO; write close = 1000".to_owned()));
    }
    if protocol != Protocol::WebSocket && step.close.is_some() {
        wrong.push(("close", "only a plain WebSocket has close codes; write disconnect = true".to_owned()));
    }
    wrong
}

fn of_each_other(step: &Step) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    if step.denied.is_some() && step.require.is_none() && step.allow.is_none() && step.refresh.is_none() {
        wrong.push(("denied", "is never sent without \"require\", \"allow\" or \"refresh\"".to_owned()));
    }
    if step.limited.is_some() && step.limit.is_none() {
        wrong.push(("limited", "is never sent without \"limit\"".to_owned()));
    }
    let no_rooms = step.join.is_none() && step.leave.is_none() && step.others.is_none() && step.room.is_none();
    if step.allow.is_some() && no_rooms && step.publish.is_none() {
        wrong.push(("allow", "the step names no room".to_owned()));
    }
    if step.ack.is_some() && step.ack_args.is_some() {
        wrong.push(("ack_args", "an event is acknowledged once; write either \"ack\" or \"ack_args\"".to_owned()));
    }
    wrong
}
