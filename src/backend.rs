//! Questions to the Django backend, over HTTP or through a Channels worker: one contract for both.
//!
//! In: a [`CallRequest`]. Out: an [`Outcome`], always, within a deadline.

use futures_util::future::BoxFuture;

use crate::consumer::{CallRequest, Outcome};

/// Somebody who answers questions.
pub trait Backend: Send + Sync + 'static {
    /// Asks; bounded in time and in how many ask at once.
    fn call(&self, request: CallRequest) -> BoxFuture<'_, Outcome>;
}
