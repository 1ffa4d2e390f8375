//! `GET stats`: the figures of the whole cluster; with `minutes`, in detail and with their history.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix_web::{HttpRequest, HttpResponse, web};
use tokio::{sync::Mutex, time::Instant};

use super::{
    Admin, NO_ANSWER, NodesAnswered, PATIENCE, RETRY_AFTER,
    access::Problem,
    overview::{Overview, Reply},
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

/// For how long the streams of this node share an answer; they ask at the same moment, also after a reconnect.
const RECENT: Duration = Duration::from_secs(2);

/// The last answer for live streams with its number of samples, or why there was none.
pub(super) type Recent = Mutex<Option<(Instant, usize, Result<Arc<Overview>, String>)>>;

/// `GET stats`
pub(super) async fn stats(request: HttpRequest, admin: web::Data<Admin>) -> Result<HttpResponse, Problem> {
    admin.0.access.check(&request).await?;
    let (data, silent) = match minutes(request.query_string())? {
        None => {
            let overview = admin.figures().await?;
            (overview.figures(), overview.silent)
        }
        Some(minutes) => {
            let steps = minutes * PER_MINUTE;
            let overview = admin.overview(steps).await?;
            (overview.of_last(steps), overview.silent)
        }
    };
    Ok(success("Statistics of the cluster", &data, &silent))
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

/// A node with its figures, if that is its answer.
fn figures_of((id, answer): (NodeId, Answer)) -> Option<(NodeId, Reply)> {
    match answer {
        Answer::Stats(stats) => Some((id, Reply::Figures(stats))),
        _ => None,
    }
}

impl Admin {
    /// The figures of all nodes, without history.
    async fn figures(&self) -> Result<Overview, Problem> {
        let NodesAnswered { answers, silent } = self.ask(Query::Stats).await?;
        self.put_together(answers.into_iter().filter_map(figures_of).collect(), silent).await
    }

    /// The answers of all nodes in detail, with this many samples of each.
    async fn overview(&self, samples: usize) -> Result<Overview, Problem> {
        let cluster = &self.0.cluster;
        let asked = cluster.ask(Query::Overview(samples), PATIENCE).await?;
        let (mut replies, mut silent, mut refused) = (Vec::new(), asked.silent, BTreeSet::new());
        for (id, answer) in asked.by_node {
            match answer {
                Answer::Overview(overview) => replies.push((id, Reply::All(overview))),
                Answer::Failed(reason) => {
                    warn_bounded!("node {id} did not answer with its overview: {reason}");
                    refused.insert(id);
                }
                _ => silent.push(id),
            }
        }
        if !refused.is_empty() {
            // During a roll-out a node of the release before does not know the question.
            silent.extend(refused.iter().cloned());
            let asked = cluster.ask_nodes(refused, Query::Stats, PATIENCE).await?;
            replies.extend(asked.by_node.into_iter().filter_map(figures_of));
        }
        self.put_together(replies, silent).await
    }

    async fn put_together(&self, replies: Vec<(NodeId, Reply)>, silent: Vec<NodeId>) -> Result<Overview, Problem> {
        if replies.is_empty() {
            return Err(Problem::Unavailable(NO_ANSWER.to_owned(), RETRY_AFTER));
        }
        let known = self.0.cluster.nodes().await?;
        let now = history::step_of(SystemTime::now());
        Ok(Overview::new(replies, silent, &known, self.users().await, now))
    }

    /// An answer for a live stream, at least with this many samples; all streams of this node share it.
    pub(super) async fn recent_overview(&self, samples: usize) -> Result<Arc<Overview>, Problem> {
        let mut recent = self.0.recent.lock().await;
        // A failure counts as well: while Redis hangs, the streams would otherwise wait for one another.
        let serves = |known: usize, answer: &Result<_, _>| known >= samples || answer.is_err();
        let known = recent.take().filter(|(at, known, answer)| at.elapsed() < RECENT && serves(*known, answer));
        let (.., answer) = match known {
            Some(known) => recent.insert(known),
            None => {
                let asked = self.overview(samples).await.map(Arc::new).map_err(|problem| problem.to_string());
                recent.insert((Instant::now(), samples, asked))
            }
        };
        answer.clone().map_err(|reason| Problem::Unavailable(reason, RETRY_AFTER))
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
