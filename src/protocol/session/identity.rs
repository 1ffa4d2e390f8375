//! Another user behind an open connection: from then on it is found, counted and present as that user, and as no other.

use std::{rc::Rc, time::Instant};

use super::{After, Binding, Session, work::Work};
use crate::{
    admission::OverLimit,
    auth::claims::user_id_of,
    event::Value,
    hub::{Member, Principal},
    protocol::{
        principal::{anonymous, fingerprint},
        refusal::Refusal,
    },
    socket::close::{CloseCode, Ending},
};

impl Session {
    /// Takes the new user's permit before it gives the old one's back. A user above its limit, or disconnected since the
    /// backend was asked who it is, ends the connection.
    pub(super) async fn become_user(&self, binding: &Binding, user: Value) -> After {
        // A connection that has gone is nobody's; its handlers still say whose it was.
        if let Some(member) = self.member() {
            if let Err(refused) = self.exchange_permit(binding, &member, user_id_of(&user).as_deref()).await {
                self.services.metrics.closed("user_limit");
                self.outlet.close(CloseCode::TRY_AGAIN_LATER, &Refusal::Limited(refused).row().detail);
                return After::End;
            }
            let Ok(principal) = self.principal_as(binding, &member, &user) else {
                self.services.metrics.revocation("refused", 1);
                member.connection().end(&Ending::disconnected());
                return After::End;
            };
            binding.set_principal(principal);
        }
        binding.change(|context| context.user = user);
        After::More(if binding.consumer.has_presence() { vec![Work::Enter] } else { Vec::new() })
    }

    async fn exchange_permit(&self, binding: &Binding, member: &Member, user: Option<&str>) -> Result<(), OverLimit> {
        let Some(users) = self.services.control.users() else { return Ok(()) };
        let connection = member.connection();
        let permit = user.map(|user| connection.with_permits(|permits| permits.of_user(user)));
        if let Some(permit) = &permit {
            permit.take(users).await?;
        }
        // It may have gone meanwhile, and all that it held with it.
        if self.member().is_some() {
            let before = binding.user_id();
            connection.with_permits(|permits| permits.exchange(self.attempt, before.as_deref(), permit));
        }
        Ok(())
    }

    /// The part's entry among those who can be disconnected, as this user. Without an id it stays as it was, so that its
    /// token can still end it. An error where the user was disconnected meanwhile.
    fn principal_as(&self, binding: &Binding, member: &Member, user: &Value) -> Result<Option<Rc<Principal>>, ()> {
        let asked = self.queue.borrow().as_deref().and_then(|queue| queue.asked).unwrap_or_else(Instant::now);
        let before = binding.principal();
        let Some(user) = fingerprint(user) else { return Ok(before) };
        let now = match before {
            // Others of the connection are known by it, too.
            Some(shared) if Rc::strong_count(&shared) > 2 => shared.also_user(user, asked),
            Some(own) => own.become_user(user, asked).then_some(own),
            None => self.services.shard.principals().enter(member.connection(), anonymous(user, asked)),
        };
        now.map(Some).ok_or(())
    }

    /// Notes when the handler at work asked the backend, or that another handler begins.
    pub(super) fn set_asked(&self, at: Option<Instant>) {
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            queue.asked = at.map(|at| queue.asked.unwrap_or(at));
        }
    }
}
