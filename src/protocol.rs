//! What clients speak: how messages become a consumer's actions, and a consumer's effects become frames and
//! subscriptions. No path, no authentication, no Redis.

pub mod plain;
