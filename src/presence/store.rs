//! Presence in Redis: scripts, so that each exchange is one step for all nodes.
//!
//! | key | what it holds |
//! | --- | --- |
//! | `channelgate:presence:nodes` | nodes by the end of their lease; 0 has said goodbye, -1 is being taken over |
//! | `channelgate:presence:node:<id>` | a node's members, `["scope","id"]`, with their facts |
//! | `channelgate:presence:member:<member>` | the nodes that have a member |
//! | `channelgate:presence:scope:<scope>` | the members of a scope, with the moment of their arrival and their facts |
//! | `channelgate:presence:ids` | for each id, in how many scopes it is present |
//! | `channelgate:presence:epoch` | missing or changed when Redis has lost its data |
//! | `channelgate:presence:recovering` | after that: the nodes write their members again |

use std::{sync::Arc, time::Duration};

use redis::{Script, Value as Reply, from_redis_value};

use super::{
    PresenceMember,
    ledger::{ChangeResult, MemberChange, RejoinReason, Transition},
    listing::Listing,
};
use crate::{
    event::{Value, json},
    redis::{Host, KEEP, Lease, PoolError, RedisPool, millis},
};

const NODES: &str = "channelgate:presence:nodes";
const NODE: &str = "channelgate:presence:node:";
const MEMBER: &str = "channelgate:presence:member:";
const SCOPE: &str = "channelgate:presence:scope:";
const IDS: &str = "channelgate:presence:ids";
const EPOCH: &str = "channelgate:presence:epoch";
const RECOVERING: &str = "channelgate:presence:recovering";

/// One for the node's own steps, one for counting, the others for listings.
const CONNECTIONS: usize = 4;

/// Maximum number of members taken over in one step.
const TAKE: usize = 200;

pub(super) struct PresenceStore {
    pool: RedisPool,
    pub lease: Lease,
    node_key: String,
    beat: Script,
    change: Script,
    take: Script,
    goodbye: Script,
    present: Script,
    lose: Script,
}

/// The result of a heartbeat.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeartbeatResult {
    /// This node must join, again or for the first time.
    Lost(RejoinReason),
    /// It belongs to this epoch; these nodes are dead.
    Alive { epoch: String, dead: Vec<String> },
}

/// The result of a take-over step.
#[derive(Debug, Default)]
pub(super) struct TakeoverResult {
    /// No member is left.
    pub complete: bool,
    /// The node had stopped regularly, not died.
    pub goodbye: bool,
    /// The members that are now this node's.
    pub members: Vec<(PresenceMember, Value)>,
}

impl PresenceStore {
    pub fn new(host: Host, lease: Lease) -> Self {
        Self {
            pool: lease.pool(host, CONNECTIONS),
            node_key: format!("{NODE}{}", lease.node),
            lease,
            beat: Script::new(include_str!("beat.lua")),
            change: Script::new(include_str!("change.lua")),
            take: Script::new(include_str!("take.lua")),
            goodbye: Script::new(include_str!("goodbye.lua")),
            present: Script::new(include_str!("present.lua")),
            lose: Script::new(include_str!("lose.lua")),
        }
    }

    pub fn label(&self) -> &str {
        self.pool.label()
    }

    /// After an outage: the time within which every live node has sent a sign of life.
    pub fn settle(&self) -> Duration {
        2 * self.lease.heartbeat + self.lease.deadline()
    }

    /// The minimum time for which a silent node has been silent when its lease ends.
    pub fn silence(&self, beat: Duration) -> Duration {
        self.lease.length().saturating_sub(beat)
    }

    /// Renews the lease; with `join` the node joins whatever epoch there is. The data counts as incomplete while a node
    /// is `restoring` its members, and some time after.
    pub async fn beat(&self, epoch: &str, join: bool, restoring: bool) -> Result<HeartbeatResult, PoolError> {
        let mut call = self.beat.prepare_invoke();
        for key in [NODES, &self.node_key, IDS, EPOCH, RECOVERING] {
            call.key(key);
        }
        call.arg(&self.lease.node).arg(millis(self.lease.length())).arg(millis(KEEP)).arg(epoch);
        call.arg(uuid::Uuid::new_v4().simple().to_string()).arg(millis(self.settle())).arg(u8::from(join));
        call.arg(u8::from(restoring));
        let reply: Vec<Reply> = self.pool.invoke(&call).await?;
        let mut words = reply.into_iter().map(|word| from_redis_value::<String>(word).unwrap_or_default());
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        Ok(match (first.as_str(), second.as_str()) {
            ("lost", "lease") => HeartbeatResult::Lost(RejoinReason::Lease),
            ("lost", _) => HeartbeatResult::Lost(RejoinReason::Data),
            _ => HeartbeatResult::Alive { epoch: first, dead: words.collect() },
        })
    }

    /// Carries out steps; returns the answers and their moment, or `None` if this node must join first.
    pub async fn change(
        &self,
        epoch: &str,
        steps: &[MemberChange],
    ) -> Result<Option<(Vec<ChangeResult>, u64)>, PoolError> {
        let mut call = self.change.prepare_invoke();
        for key in [NODES, &self.node_key, IDS, EPOCH, RECOVERING] {
            call.key(key);
        }
        call.arg(&self.lease.node).arg(millis(KEEP)).arg(epoch).arg(MEMBER).arg(SCOPE);
        for MemberChange { member, what, facts } in steps {
            let what = match what {
                Transition::Came { unsure: false } => "+",
                Transition::Came { unsure: true } => "p",
                Transition::Went { unsure: false } => "-",
                Transition::Went { unsure: true } => "m",
            };
            let facts = json::text(facts);
            call.arg(what).arg(field(member)).arg(&*member.id).arg(facts).arg(&*member.scope);
        }
        let reply: Vec<i64> = self.pool.invoke(&call).await?;
        let [recovering, at, codes @ ..] = reply.as_slice() else { return Ok(None) };
        let held = Duration::from_millis(u64::try_from(*recovering).unwrap_or_default());
        let done = codes.iter().map(|code| match code {
            0 => ChangeResult::NoChange,
            1 => ChangeResult::Changed,
            _ => ChangeResult::Held(held),
        });
        Ok(Some((done.collect(), u64::try_from(*at).unwrap_or_default())))
    }

    /// Takes over some members of a dead node.
    pub async fn take(&self, dead: &str) -> Result<TakeoverResult, PoolError> {
        let mut call = self.take.prepare_invoke();
        call.key(NODES).key(&self.node_key).key(format!("{NODE}{dead}"));
        call.arg(&self.lease.node).arg(millis(KEEP)).arg(MEMBER).arg(dead).arg(TAKE);
        let reply: Vec<Reply> = self.pool.invoke(&call).await?;
        let mut taken = TakeoverResult {
            complete: matches!(reply.first(), Some(Reply::Int(1))),
            goodbye: matches!(reply.get(1), Some(Reply::Int(1))),
            members: Vec::new(),
        };
        for pair in reply.get(2..).unwrap_or_default().chunks_exact(2) {
            if let [Reply::BulkString(member), Reply::BulkString(facts)] = pair
                && let Some(member) = of_field(member)
            {
                taken.members.push((member, json::read(facts).unwrap_or_default()));
            }
        }
        Ok(taken)
    }

    /// Leaves this node's members to the other nodes.
    pub async fn goodbye(&self) -> Result<(), PoolError> {
        let mut call = self.goodbye.prepare_invoke();
        call.key(NODES).key(&self.node_key).arg(&self.lease.node).arg(millis(KEEP));
        self.pool.invoke(&call).await
    }

    /// The members of a scope, at most so many.
    pub async fn present(&self, scope: &str, most: usize) -> Result<Listing, PoolError> {
        let mut call = self.present.prepare_invoke();
        call.key(format!("{SCOPE}{scope}")).key(RECOVERING).arg(most);
        let reply: Vec<Reply> = self.pool.invoke(&call).await?;
        let number = |index: usize| match reply.get(index) {
            Some(Reply::Int(number)) => u64::try_from(*number).unwrap_or_default(),
            _ => 0,
        };
        let count = usize::try_from(number(1)).unwrap_or(usize::MAX);
        let mut members: Vec<(u64, Arc<str>, Value)> = Vec::new();
        for pair in reply.get(3..).unwrap_or_default().chunks_exact(2) {
            if let [Reply::BulkString(id), Reply::BulkString(text)] = pair
                && let Ok(id) = std::str::from_utf8(id)
                && let Some(space) = text.iter().position(|byte| *byte == b' ')
            {
                let at = std::str::from_utf8(&text[..space]).ok().and_then(|at| at.parse().ok()).unwrap_or_default();
                members.push((at, id.into(), json::read(&text[space + 1..]).unwrap_or_default()));
            }
        }
        members.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        let members: Vec<_> = members.into_iter().map(|(_, id, facts)| (id, facts)).collect();
        let complete = members.len() == count && number(2) == 0;
        Ok(Listing { members, count, complete, at: number(0) })
    }

    /// Redis has lost a part of this epoch's data: all nodes write their members again.
    pub async fn lose(&self, epoch: &str) -> Result<(), PoolError> {
        let mut call = self.lose.prepare_invoke();
        call.key(EPOCH).arg(epoch);
        self.pool.invoke(&call).await
    }

    /// The number of ids present in the cluster.
    pub async fn count(&self) -> Result<usize, PoolError> {
        self.pool.query(redis::cmd("HLEN").arg(IDS)).await
    }
}

/// A unique text for a member.
fn field(member: &PresenceMember) -> String {
    serde_json::json!([&*member.scope, &*member.id]).to_string()
}

fn of_field(text: &[u8]) -> Option<PresenceMember> {
    let (scope, id): (Arc<str>, Arc<str>) = serde_json::from_slice(text).ok()?;
    Some(PresenceMember { scope, id })
}
