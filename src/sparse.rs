//! Maps return memory: a table keeps the capacity of its fullest time, even when almost all entries are gone.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

/// Call it after removing entries. It does nothing until seven of eight places are empty.
pub fn give_back<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.len() < map.capacity() / 8 {
        map.shrink_to(map.len() * 2);
    }
}

/// The same for a set.
pub fn give_back_set<T: Eq + Hash>(set: &mut HashSet<T>) {
    if set.len() < set.capacity() / 8 {
        set.shrink_to(set.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_was_large_is_small_again() {
        let mut set: HashSet<u32> = (0..10_000).collect();
        for number in 10..10_000 {
            set.remove(&number);
            give_back_set(&mut set);
        }
        assert!(set.len() == 10 && set.capacity() < 200, "{}", set.capacity());
    }

    #[test]
    fn a_map_that_was_large_is_small_again() {
        let mut map: HashMap<u32, u32> = (0..10_000).map(|number| (number, number)).collect();
        for number in 10..10_000 {
            map.remove(&number);
            give_back(&mut map);
        }
        assert!(map.len() == 10 && map.capacity() < 200, "{}", map.capacity());
    }
}
