//! A set of positions in a block of members.

/// The number of positions in a block.
pub const BLOCK: usize = 256;

/// Some positions of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions([u64; BLOCK / 64]);

impl Positions {
    /// No position.
    pub const NONE: Self = Self([0; BLOCK / 64]);
    /// Every position.
    pub const ALL: Self = Self([u64::MAX; BLOCK / 64]);

    /// Those from the first of these up to the second, which is excluded.
    pub fn between(from: usize, to: usize) -> Self {
        let below = |end: usize| {
            let bits = |word: usize| 64.min(end.saturating_sub(word * 64));
            Self(std::array::from_fn(|word| if bits(word) == 64 { u64::MAX } else { (1 << bits(word)) - 1 }))
        };
        below(to).without(below(from))
    }

    /// Whether the position is one of them.
    pub const fn has(self, at: u8) -> bool {
        self.0[(at >> 6) as usize] >> (at & 63) & 1 == 1
    }

    /// Adds a position.
    pub const fn add(&mut self, at: u8) {
        self.0[(at >> 6) as usize] |= 1 << (at & 63);
    }

    /// Removes a position.
    pub const fn remove(&mut self, at: u8) {
        self.0[(at >> 6) as usize] &= !(1 << (at & 63));
    }

    /// Those of both.
    pub fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    /// Those of either.
    pub fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    /// Those that the other has not.
    pub fn without(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & !other.0[word]))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Their number.
    pub fn len(self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The positions, in order.
    pub fn each(self, mut with: impl FnMut(u8)) {
        for (word, first) in self.0.into_iter().zip((0_u8..).step_by(64)) {
            let mut rest = word;
            while rest != 0 {
                with(first | rest.trailing_zeros().to_le_bytes()[0]);
                rest &= rest - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_that_were_added() {
        for (from, to) in
            [(0, 0), (0, 1), (0, 64), (3, 64), (63, 65), (64, 128), (5, 200), (255, 256), (0, 256), (9, 3)]
        {
            let some = Positions::between(from, to);
            let mut all = Vec::new();
            some.each(|at| all.push(usize::from(at)));
            assert_eq!(all, (from..to).collect::<Vec<_>>(), "{from} to {to}");
            assert_eq!((some.len(), some.is_empty()), (all.len(), all.is_empty()));
            assert!(all.iter().all(|at| some.has(u8::try_from(*at).unwrap())));
            assert_eq!(some.or(Positions::ALL.without(some)), Positions::ALL);
            assert_eq!(some.and(Positions::ALL.without(some)), Positions::NONE);
        }
        let mut some = Positions::NONE;
        some.add(200);
        some.add(7);
        some.remove(200);
        assert_eq!(some, Positions::between(7, 8));
    }
}
