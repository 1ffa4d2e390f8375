//! Changes the user of an open connection: from then on disconnects, limits and presence use the new user only.

use std::{
    rc::Rc,
    time::{Instant, SystemTime},
};

use super::{After, Binding, Session, work::Work};
use crate::{
    admission::OverLimit,
    auth::claims::user_id_of,
    event::{Fingerprint, Proof, Value},
    hub::{Member, Principal},
    protocol::{
        principal::{anonymous, fingerprint},
        refusal::Refusal,
    },
    socket::close::{CloseCode, Ending},
};

impl Session {
    /// Takes the new user's permit before it returns the old one's. If the user exceeds its limit, or was disconnected
    /// after the backend call began, the connection ends.
    pub(super) async fn become_user(&self, binding: &Binding, user: Value) -> After {
        // A gone connection counts for no user; its handlers still see the new one.
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
            self.join_ordered(binding, self.leave_since(binding, self.asked())).await;
        }
        if let Some(bridged) = binding.bridged.as_deref() {
            bridged.set_user(user_id_of(&user));
        }
        binding.change(&self.services.shard, self.member().as_deref(), |context| context.user = user);
        After::More(if binding.consumer.has_presence() { vec![Work::Enter] } else { Vec::new() })
    }

    async fn exchange_permit(&self, binding: &Binding, member: &Member, user: Option<&str>) -> Result<(), OverLimit> {
        let Some(users) = self.services.control.users() else { return Ok(()) };
        let connection = member.connection();
        let permit = user.map(|user| connection.with_permits(|permits| permits.of_user(user)));
        if let Some(permit) = &permit {
            permit.take(users).await?;
        }
        // The connection may have gone meanwhile, with all its permits.
        if self.member().is_some() {
            let before = binding.user_id();
            connection.with_permits(|permits| permits.exchange(self.attempt, before.as_deref(), permit));
        }
        Ok(())
    }

    /// The binding's entry in the index for disconnects, as this user. Without an id it stays unchanged, so that its
    /// token can still end it. An error if the user was disconnected meanwhile.
    fn principal_as(&self, binding: &Binding, member: &Member, user: &Value) -> Result<Option<Rc<Principal>>, ()> {
        let asked = self.asked();
        let before = binding.principal();
        if let Some(bridged) = binding.bridged.as_deref()
            && before.as_ref().is_none_or(|known| !known.has_token())
        {
            return self.login(binding, member, fingerprint(user), bridged.expires(), asked);
        }
        let Some(user) = fingerprint(user) else { return Ok(before) };
        let now = match before {
            // Other bindings of the connection use the same entry.
            Some(shared) if Rc::strong_count(&shared) > 2 => shared.also_user(user, asked),
            Some(own) => own.become_user(user, asked).then_some(own),
            None => self.services.shard.principals().enter(member.connection(), anonymous(user, asked)),
        };
        now.map(Some).ok_or(())
    }

    /// The entry of a user whom Django named. No token says when it ends, but its login may.
    fn login(
        &self,
        binding: &Binding,
        member: &Member,
        user: Option<Fingerprint>,
        expires: Option<SystemTime>,
        asked: Instant,
    ) -> Result<Option<Rc<Principal>>, ()> {
        let Some(user) = user else { return Ok(None) };
        let deadline = expires.filter(|_| binding.consumer.ends_with_token());
        let proof = Proof { deadline, ..anonymous(user, asked) };
        self.services.shard.principals().enter(member.connection(), proof).map(Some).ok_or(())
    }

    /// The login of the user whom Django named expires at another time.
    pub(super) fn renew_login(&self, binding: &Binding) -> After {
        if let (Some(member), Some(bridged), Some(user)) =
            (self.member(), binding.bridged.as_deref(), binding.user_id())
            && binding.principal().is_none_or(|known| !known.has_token())
        {
            let user = Some(Fingerprint::of_user(&user));
            if let Ok(principal) = self.login(binding, &member, user, bridged.expires(), Instant::now()) {
                binding.set_principal(principal);
            }
        }
        After::More(Vec::new())
    }

    /// When the current handler first called the backend; now if it has not.
    pub(super) fn asked(&self) -> Instant {
        self.queue.borrow().as_deref().and_then(|queue| queue.asked).unwrap_or_else(Instant::now)
    }

    /// Records when the current handler called the backend, or that another handler begins.
    pub(super) fn set_asked(&self, at: Option<Instant>) {
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            queue.asked = at.map(|at| queue.asked.unwrap_or(at));
        }
    }
}
