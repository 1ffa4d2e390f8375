//! `GET stats`: the figures of the whole cluster; with `minutes`, in detail and with their history.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use tokio::sync::Mutex;

use super::{
    Admin, NO_ANSWER, PATIENCE, RETRY_AFTER, Shared,
    access::Problem,
    overview::{NodeSaid, Overview, Said},
    success,
};
use crate::{
    cluster::{Answer, NodeId, Query},
    telemetry::history::{self, STEP, STEPS},
    warn_bounded,
};

/// The steps in a minute.
const PER_MINUTE: usize = (60 / STEP) as usize;

/// The samples that a live stream asks for at each step: it may have missed some.
pub(super) const FEW: usize = 2 * PER_MINUTE;

/// For how long the streams of this node share an answer; they ask at the same moment.
const RECENT: Duration = Duration::from_secs(2);

/// The last answer for live streams.
pub(super) type Recent = Mutex<Option<(Instant, Arc<Overview>)>>;

/// `GET stats`
pub(super) async fn stats(request: HttpRequest, admin: web::Data<Admin>) -> Result<HttpResponse, Problem> {
    admin.0.access.check(&request).await?;
    match minutes(request.query_string())? {
        None => figures(&admin).await,
        Some(minutes) => {
            let overview = admin.overview(minutes * PER_MINUTE).await?;
            let data = overview.of_last(minutes * PER_MINUTE);
            Ok(success("Statistics of the cluster", &data, &overview.silent))
        }
    }
}

/// How much history is wanted, if any.
fn minutes(query: &str) -> Result<Option<usize>, Problem> {
    let Some((_, text)) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "minutes") else {
        return Ok(None);
    };
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse().ok().filter(|minutes| is_number && (1..=STEPS / PER_MINUTE).contains(minutes)) {
        Some(minutes) => Ok(Some(minutes)),
        None => {
            let reason = format!("minutes must be a whole number from 1 to {}", STEPS / PER_MINUTE);
            Err(Problem::Invalid { field: "minutes".to_owned(), reason })
        }
    }
}

/// The figures without history.
async fn figures(admin: &Admin) -> Result<HttpResponse, Problem> {
    let asked = admin.ask(Query::Stats).await?;
    let known = admin.0.cluster.nodes().await?;
    let (mut connections, mut events, mut rooms, mut nodes) = (0, 0, BTreeSet::new(), Vec::new());
    for (node, answer) in &asked.answers {
        let Answer::Stats(stats) = answer else { continue };
        connections += stats.connections;
        events += stats.events;
        rooms.extend(stats.rooms.iter().cloned());
        let facts = known.get(node);
        nodes.push(json!({
            "node": node,
            "address": facts.map(|facts| &facts.address),
            "started": facts.map(|facts| facts.started),
            "connections": stats.connections,
            "users": stats.users,
            "rooms": stats.rooms.len(),
            "events": stats.events,
        }));
    }
    let data = json!({
        "nodes": nodes.len() + asked.silent.len(),
        "connections": connections,
        "users": admin.users().await,
        "rooms": rooms.len(),
        "events": events,
        "perNode": nodes,
    });
    Ok(asked.respond("Statistics of the cluster", &data))
}

impl Admin {
    /// What all nodes say, with this many samples of each.
    pub(super) async fn overview(&self, samples: usize) -> Result<Overview, Problem> {
        let Shared { cluster, .. } = &*self.0;
        let asked = cluster.ask(Query::Overview(samples), PATIENCE).await?;
        let known = cluster.nodes().await?;
        let (mut nodes, mut silent, mut refused) = (Vec::new(), asked.silent, BTreeSet::new());
        let mut add = |id: NodeId, said| nodes.push(NodeSaid { facts: known.get(&id).cloned(), id, said });
        for (id, answer) in asked.by_node {
            match answer {
                Answer::Overview(overview) => add(id, Said::All(overview)),
                Answer::Failed(reason) => {
                    warn_bounded!("node {id} cannot say how it is: {reason}");
                    refused.insert(id);
                }
                _ => silent.push(id),
            }
        }
        if !refused.is_empty() {
            // During a roll-out a node of the release before does not know the question.
            silent.extend(refused.iter().cloned());
            for (id, answer) in cluster.ask_nodes(refused, Query::Stats, PATIENCE).await?.by_node {
                if let Answer::Stats(stats) = answer {
                    add(id, Said::Figures(stats));
                }
            }
        }
        if nodes.is_empty() {
            return Err(Problem::Unavailable(NO_ANSWER.to_owned(), RETRY_AFTER));
        }
        nodes.sort_by(|one, other| one.id.cmp(&other.id));
        silent.sort();
        Ok(Overview { nodes, silent, users: self.users().await, now: history::step_of(SystemTime::now()) })
    }

    /// The same with the few samples that a live stream lacks; all streams of this node share an answer.
    pub(super) async fn recent_overview(&self) -> Result<Arc<Overview>, Problem> {
        let mut recent = self.0.recent.lock().await;
        if let Some((at, overview)) = &*recent
            && at.elapsed() < RECENT
        {
            return Ok(Arc::clone(overview));
        }
        let overview = Arc::new(self.overview(FEW).await?);
        *recent = Some((Instant::now(), Arc::clone(&overview)));
        Ok(overview)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_a_whole_number_from_1_to_15() {
        let read = |query: &str| minutes(query).map_err(|problem| problem.to_string());
        for query in ["", "a=1", "minute=1"] {
            assert_eq!(read(query), Ok(None), "{query}");
        }
        assert_eq!((read("minutes=1"), read("a=b&minutes=15")), (Ok(Some(1)), Ok(Some(15))));
        for value in ["", "0", "16", "-1", "+1", "1.5", "x", "99999999999999999999"] {
            let query = format!("minutes={value}");
            assert_eq!(read(&query), Err("minutes must be a whole number from 1 to 15".to_owned()), "{value}");
        }
    }
}
