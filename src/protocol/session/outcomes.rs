//! What an event asks of a connection after its frames: to leave groups, to join groups, to close.
//!
//! It comes in its place among the events, and those after it wait. The interpreter of all other effects carries it out;
//! groups are left as in Channels, where what was sent to them before still comes.

use std::slice;

use super::{After, Binding, Session};
use crate::{
    consumer::{Effect, EventOutcome, MapError},
    hub::MemberOutcome,
    protocol::{
        bridged::Bridged,
        effects::{Stage, carry_out},
    },
    socket::close::Ending,
    telemetry::DropReason,
    warn_bounded,
};

impl Session {
    /// Carries out what needs no wait; returns the rest, with the index of its binding.
    pub(super) fn begin_outcome(&self, asked: &MemberOutcome) -> Option<(usize, Vec<Effect>)> {
        let index = self.bindings.iter().position(|binding| binding.consumer.id() == asked.consumer)?;
        let effects = self.effects_of(&self.bindings[index], &asked.outcome)?;
        if effects.iter().any(|effect| !matches!(effect, Effect::Close { .. })) {
            return Some((index, effects));
        }
        effects.into_iter().for_each(|effect| self.close_after_event(&self.bindings[index], effect));
        None
    }

    /// The rest of an outcome.
    pub(super) async fn carry_out_outcome(&self, index: usize, effects: Vec<Effect>) -> After {
        let binding = &self.bindings[index];
        for effect in effects {
            match effect {
                Effect::Leave(groups) => {
                    for group in &groups {
                        // It has left in any case.
                        let left = self.depart(binding, slice::from_ref(group)).await;
                        self.or_reply(binding, left, None);
                    }
                }
                Effect::Close { .. } => self.close_after_event(binding, effect),
                effect => {
                    if let After::End = self.apply(index, effect).await {
                        break;
                    }
                }
            }
        }
        After::More(Vec::new())
    }

    /// The effects of an outcome for this connection. Without them, a consumer in Django ends as after an exception.
    fn effects_of(&self, binding: &Binding, outcome: &EventOutcome) -> Option<Vec<Effect>> {
        let effects = binding.with_context(|context| binding.consumer.outcome(outcome, context));
        effects.map_err(|error| self.no_outcome(binding, &error)).ok()
    }

    fn no_outcome(&self, binding: &Binding, error: &MapError) {
        let name = binding.consumer.name();
        self.services.metrics.lost(DropReason::Mapping, 1, None, Some(name), error);
        warn_bounded!("{name}: what an event asks of a connection is not done: {error}");
        if binding.bridged.is_some() {
            self.end_as_failed(&Ending::event_failed());
        }
    }

    /// Nothing of the consumer runs any more, as after an exception in Channels.
    pub(super) fn end_as_failed(&self, ending: &Ending) {
        self.bindings.iter().filter_map(|binding| binding.bridged.as_deref()).for_each(Bridged::stop);
        if let Some(member) = self.member() {
            member.connection().end(ending);
        }
    }

    fn close_after_event(&self, binding: &Binding, effect: Effect) {
        carry_out(effect, &binding.consumer, Stage::Open(self.open(binding)));
        // Events behind it are not for this client any more; Python still handles them until it learns of the end.
        if let Some(member) = self.member().filter(|_| !self.is_bridged()) {
            self.services.shard.leave_all(&member);
        }
    }
}
