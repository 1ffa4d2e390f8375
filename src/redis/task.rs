//! Requests to a task, and its end.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// Sends a command, now, to the one task that owns a state and talks to Redis about it. The answer is `None` if it does
/// not arrive in time, or the task has ended.
pub fn ask<C, A>(
    task: &mpsc::UnboundedSender<C>,
    command: impl FnOnce(oneshot::Sender<A>) -> C,
    deadline: Duration,
) -> impl Future<Output = Option<A>> {
    let (sender, answer) = oneshot::channel();
    let _ = task.send(command(sender));
    async move { timeout(deadline, answer).await.ok()?.ok() }
}

/// Ends a task when dropped.
pub struct AbortOnDrop(pub JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
