//! Maps give memory back: a table keeps the room of its fullest hour, also when nearly all of its entries have gone.

use std::{collections::HashMap, hash::Hash};

/// To be called after entries were removed. It costs nothing until seven of eight places are empty.
pub fn give_back<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.len() < map.capacity() / 8 {
        map.shrink_to(map.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
