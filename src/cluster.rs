//! The nodes of the cluster: who they are, where they are reached, and questions to all of them.
//!
//! In: questions of the admin API. Out: answers, with the names of the nodes that did not answer in time.
