//! Tasks beside the caller's: how one is asked, and how one ends.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// Gives a command, now, to the one task that keeps a state and alone talks to Redis about it. The answer is `None` where it
/// does not come in time, or the task has ended.
pub fn ask<C, A>(
    task: &mpsc::UnboundedSender<C>,
    command: impl FnOnce(oneshot::Sender<A>) -> C,
    deadline: Duration,
) -> impl Future<Output = Option<A>> {
    let (sender, answer) = oneshot::channel();
    let _ = task.send(command(sender));
    async move { timeout(deadline, answer).await.ok()?.ok() }
}

/// Ends a task when it is dropped.
pub struct AbortOnDrop(pub JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
