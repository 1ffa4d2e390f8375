//! Topics: the subscriptions of a connection within its groups.
//!
//! An event's topic is converted once into the names that match it; each connection only looks them up.

use std::{collections::HashSet, sync::Arc};

use crate::config::TopicMatching;

/// Words of a topic that are considered; longer topics match by their whole name and by runs of their first words.
const MAX_WORDS: usize = 16;

/// The subscribed names that match `topic`.
pub fn matching_names(topic: &Arc<str>, matching: TopicMatching) -> Arc<[Arc<str>]> {
    match matching {
        TopicMatching::Exact => Arc::from([Arc::clone(topic)]),
        TopicMatching::Words => {
            let words: Vec<&str> = topic.split('_').take(MAX_WORDS).collect();
            let mut names: Vec<Arc<str>> = vec![Arc::clone(topic)];
            for start in 0..words.len() {
                for end in start + 1..=words.len() {
                    let name = words[start..end].join("_");
                    if *name != **topic {
                        names.push(name.into());
                    }
                }
            }
            names.into()
        }
    }
}

/// The names that one connection subscribed to.
#[derive(Debug, Default)]
pub struct TopicSubscriptions {
    #[expect(clippy::box_collection, reason = "nearly all connections have none: 8 bytes instead of 48")]
    names: Option<Box<HashSet<Arc<str>>>>,
}

/// A connection requested more names than it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyTopics;

impl TopicSubscriptions {
    /// Adds names, up to `max` in total; on an error the rest is not added.
    pub fn add(&mut self, names: Vec<Arc<str>>, max: usize) -> Result<(), TooManyTopics> {
        let held = self.names.get_or_insert_default();
        for name in names {
            if held.len() >= max && !held.contains(&name) {
                return Err(TooManyTopics);
            }
            held.insert(name);
        }
        Ok(())
    }

    /// Removes names. A connection that had some and has none left still counts as subscribed.
    pub fn remove(&mut self, names: &[Arc<str>]) {
        if let Some(held) = &mut self.names {
            for name in names {
                held.remove(name);
            }
        }
    }

    /// Whether it ever subscribed.
    pub const fn any_ever(&self) -> bool {
        self.names.is_some()
    }

    /// Whether it has one of `names`.
    pub fn wants(&self, names: &[Arc<str>]) -> bool {
        self.names.as_ref().is_some_and(|held| names.iter().any(|name| held.contains(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(subscribed: &[&str], topic: &str, matching: TopicMatching) -> bool {
        let mut held = TopicSubscriptions::default();
        held.add(subscribed.iter().map(|name| Arc::from(*name)).collect(), 100).unwrap();
        held.wants(&matching_names(&Arc::from(topic), matching))
    }

    #[test]
    fn a_name_matches_whole_words_between_underscores() {
        for topic in ["reservation", "new_reservation", "reservation_expired", "a_reservation_b"] {
            assert!(wants(&["reservation"], topic, TopicMatching::Words), "{topic}");
        }
        for topic in ["reservations", "new_reservations", "preservation", "parking_lot", ""] {
            assert!(!wants(&["reservation"], topic, TopicMatching::Words), "{topic}");
        }
        assert!(wants(&["parking_lot"], "new_parking_lot", TopicMatching::Words));
        assert!(!wants(&["parking_lot"], "parking_lots", TopicMatching::Words));
        assert!(!wants(&["parking_lot"], "parking", TopicMatching::Words));
    }

    #[test]
    fn exact_topics_match_only_themselves() {
        assert!(wants(&["reservation"], "reservation", TopicMatching::Exact));
        assert!(!wants(&["reservation"], "new_reservation", TopicMatching::Exact));
    }

    #[test]
    fn a_topic_of_many_words_gives_a_bounded_number_of_names() {
        let topic: Arc<str> = vec!["w"; 10_000].join("_").into();
        assert!(matching_names(&topic, TopicMatching::Words).len() <= 1 + MAX_WORDS * (MAX_WORDS + 1) / 2);
    }

    #[test]
    fn subscriptions_add_up_and_are_bounded() {
        let mut held = TopicSubscriptions::default();
        assert!(!held.any_ever());
        held.add(vec!["a".into()], 2).unwrap();
        held.add(vec!["b".into(), "a".into()], 2).unwrap();
        assert_eq!(held.add(vec!["a".into(), "c".into()], 2), Err(TooManyTopics));
        held.remove(&["a".into(), "b".into()]);
        assert!(held.any_ever());
        assert!(!held.wants(&["a".into(), "c".into()]));
    }
}
