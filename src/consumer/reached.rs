//! Reports consumers that no client reaches: another one before it, or the node itself, takes their paths or namespaces.

use std::sync::Arc;

use super::{
    Consumer,
    compiler::Compiler,
    groups::{Pattern, cover::is_covered},
};
use crate::config::{KeyPath, Protocol};

/// Paths that the node serves itself.
const OWN: [&str; 6] = ["/health/live", "/health/ready", "/metrics", "/api/tail", "/api/user/ws-token", "/api/publish"];

/// Adds an error for each path or namespace that is never reached, and for two consumers of the same name.
pub(super) fn check(consumers: &[Option<Arc<Consumer>>], compiler: &mut Compiler<'_>) {
    let own: Vec<Pattern> = OWN.iter().filter_map(|path| Pattern::compile(path).ok()).collect();
    for (index, consumer) in consumers.iter().enumerate() {
        let Some(consumer) = consumer else { continue };
        let key = KeyPath::ROOT.then("consumer").then(index);
        let before: Vec<&Arc<Consumer>> = consumers[..index].iter().flatten().collect();
        let hidden = check_paths(consumer, &before, &own, &key, compiler);
        if !hidden && before.iter().any(|other| other.name() == consumer.name()) {
            let reason = "a consumer before this one has the same name, and messages between nodes go by names";
            compiler.note(&key.then("name"), reason);
        }
        check_namespace(consumer, &before, &key, compiler);
    }
}

/// Whether a path of the consumer is never reached.
fn check_paths(
    consumer: &Consumer,
    before: &[&Arc<Consumer>],
    own: &[Pattern],
    key: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> bool {
    let here = key.then("path");
    let mut any = false;
    for (number, ((here, source), pattern)) in consumer.spec.path.keyed(&here).zip(&consumer.patterns).enumerate() {
        let mine = consumer.patterns[..number].iter();
        if mine.clone().any(|other| is_covered(pattern, &[other])) {
            compiler.note(
                &here,
                "is never reached: another path of this consumer, before this one, takes all its requests",
            );
            any = true;
            continue;
        }
        if is_covered(pattern, &own.iter().collect::<Vec<_>>()) {
            compiler.note(&here, "is never reached: the node itself answers at this path");
            any = true;
            continue;
        }
        if !is_shared(consumer, pattern, before) {
            any |= report(consumer, (pattern, source), before, &here, compiler);
        }
    }
    any
}

/// Whether an earlier consumer of Socket.IO has this path, too: they share it.
fn is_shared(consumer: &Consumer, pattern: &Pattern, before: &[&Arc<Consumer>]) -> bool {
    let socketio = |one: &Consumer| one.spec.protocol == Protocol::SocketIo;
    socketio(consumer)
        && before.iter().any(|other| socketio(other) && other.patterns.iter().any(|theirs| theirs.is_same(pattern)))
}

fn report(
    consumer: &Consumer,
    (pattern, source): (&Pattern, &str),
    before: &[&Arc<Consumer>],
    key: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> bool {
    let paths = before.iter().flat_map(|other| {
        let paths = other.spec.path.as_slice().iter().zip(&other.patterns);
        paths.map(move |(path, theirs)| (other, path, theirs))
    });
    let paths: Vec<(&&Arc<Consumer>, &String, &Pattern)> = paths.collect();
    let reason = match paths.iter().find(|(_, _, theirs)| is_covered(pattern, &[theirs])) {
        Some((other, _, theirs)) if theirs.is_same(pattern) => {
            if other.spec.protocol == consumer.spec.protocol {
                "is never reached: a consumer before this one has the same path".to_owned()
            } else {
                "is never reached: a consumer before this one has the same path and speaks another protocol there"
                    .to_owned()
            }
        }
        Some((other, path, _)) => format!(
            "is never reached: {path:?} of the consumer {:?}, before this one, takes all requests for {source:?}; {}",
            other.name(),
            advice(compiler, key)
        ),
        None if is_covered(pattern, &paths.iter().map(|(_, _, theirs)| *theirs).collect::<Vec<_>>()) => {
            let advice = advice(compiler, key);
            format!("is never reached: the consumers before this one take all requests for {source:?}; {advice}")
        }
        None => return false,
    };
    compiler.note(key, reason);
    true
}

/// A preset's consumers come after those of the file.
fn advice(compiler: &Compiler<'_>, key: &KeyPath) -> &'static str {
    match compiler.config.is_of_preset(key) {
        true => "take its preset out of \"presets\", or let the other path begin differently",
        false => "write this consumer first",
    }
}

/// A form of namespaces is tried after every namespace without parameters, and after the forms before it.
fn check_namespace(consumer: &Consumer, before: &[&Arc<Consumer>], key: &KeyPath, compiler: &mut Compiler<'_>) {
    let Some(form) = &consumer.namespaces else { return };
    let shares_path = |other: &Consumer| {
        other.patterns.iter().any(|theirs| consumer.patterns.iter().any(|mine| mine.is_same(theirs)))
    };
    // Consumers of one form stand where the first of them stands.
    if before.iter().any(|other| shares_path(other) && other.spec.namespace == consumer.spec.namespace) {
        return;
    }
    let others = before.iter().filter(|other| shares_path(other) && other.spec.namespace != consumer.spec.namespace);
    let hides = others.filter_map(|other| Some((other, other.namespaces.as_ref()?)));
    if let Some((other, _)) = hides.into_iter().find(|(_, theirs)| is_covered(form.pattern(), &[theirs.pattern()])) {
        let reason = format!(
            "is never reached: {:?} of the consumer {:?}, before this one, takes all these namespaces; write this consumer \
             first",
            other.spec.namespace,
            other.name()
        );
        compiler.note(&key.then("namespace"), reason);
    }
}
