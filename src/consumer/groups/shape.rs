//! The names that a pattern can give: whether two patterns can give the same name, and in how many ways one gives a
//! certain name.
//!
//! In: a [`Pattern`]. Its text is taken as written in a name, and each parameter as any value that it can have there.

use super::{Converter, Part, Pattern};
use crate::event::{NamePart, written};

/// The names of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    atoms: Box<[Atom]>,
    /// Its text, and `None` for each of its values.
    parts: Box<[Option<Box<str>>]>,
}

/// One of these characters; repeated: any number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Atom {
    /// A bit for each ASCII character.
    characters: u128,
    repeated: bool,
}

impl Shape {
    pub fn of(pattern: &Pattern) -> Self {
        let parts = pattern.parts().iter().map(|part| match part {
            Part::Text(text) => Some(written([NamePart::Text(text)]).into()),
            Part::Parameter(..) => None,
        });
        let mut atoms = Vec::new();
        for part in pattern.parts() {
            match part {
                Part::Text(text) => {
                    let one = |byte| Atom { characters: bit(byte), repeated: false };
                    atoms.extend(written([NamePart::Text(text)]).bytes().map(one));
                }
                Part::Parameter(_, converter @ Converter::Digest(length)) => {
                    let one = Atom { characters: characters(*converter), repeated: false };
                    atoms.extend((0..*length).map(|_| one));
                }
                Part::Parameter(_, converter) => {
                    let characters = characters(*converter);
                    atoms.extend([false, true].map(|repeated| Atom { characters, repeated }));
                }
            }
        }
        Self { parts: parts.collect(), atoms: atoms.into() }
    }

    /// Its text, and `None` for each of its values.
    pub fn parts(&self) -> &[Option<Box<str>>] {
        &self.parts
    }

    /// The number of its values.
    pub fn values(&self) -> usize {
        self.parts.iter().filter(|part| part.is_none()).count()
    }

    /// The amount of fixed text: of two patterns that give one name, the one with more text owns it.
    pub fn weight(&self) -> usize {
        self.parts.iter().flatten().map(|text| text.len()).sum()
    }

    /// In how many ways it gives this name; more than two are not counted.
    pub fn ways(&self, name: &str) -> u8 {
        // For each position among the atoms: in how many ways it can be reached. A way is a choice of values, because a
        // value ends where the next atom begins.
        let mut ways = vec![0_u8; self.atoms.len() + 1];
        ways[0] = 1;
        self.pass_repeated(&mut ways);
        for byte in name.bytes() {
            let mut next = vec![0_u8; ways.len()];
            for (index, atom) in self.atoms.iter().enumerate().filter(|(_, atom)| atom.characters & bit(byte) != 0) {
                let to = if atom.repeated { index } else { index + 1 };
                next[to] = two_at_most(next[to] + ways[index]);
            }
            self.pass_repeated(&mut next);
            ways = next;
        }
        ways[self.atoms.len()]
    }

    fn pass_repeated(&self, ways: &mut [u8]) {
        for (index, _) in self.atoms.iter().enumerate().filter(|(_, atom)| atom.repeated) {
            ways[index + 1] = two_at_most(ways[index + 1] + ways[index]);
        }
    }

    /// Whether there is a name that both can give.
    pub fn meets(&self, other: &Self) -> bool {
        let width = other.atoms.len() + 1;
        let mut seen = vec![false; (self.atoms.len() + 1) * width];
        let mut open = vec![(0, 0)];
        while let Some((mine, theirs)) = open.pop() {
            if std::mem::replace(&mut seen[mine * width + theirs], true) {
                continue;
            }
            let (one, two) = (self.atoms.get(mine), other.atoms.get(theirs));
            if one.is_none() && two.is_none() {
                return true;
            }
            open.extend(one.filter(|atom| atom.repeated).map(|_| (mine + 1, theirs)));
            open.extend(two.filter(|atom| atom.repeated).map(|_| (mine, theirs + 1)));
            if let (Some(one), Some(two)) = (one, two)
                && one.characters & two.characters != 0
            {
                open.push((mine + usize::from(!one.repeated), theirs + usize::from(!two.repeated)));
            }
        }
        false
    }
}

const fn two_at_most(ways: u8) -> u8 {
    if ways > 2 { 2 } else { ways }
}

fn bit(byte: u8) -> u128 {
    1_u128.checked_shl(byte.into()).unwrap_or(0)
}

/// The characters of a value as written in a name. Codes for characters outside the rule consist of letters, digits and
/// `-`.
fn characters(converter: Converter) -> u128 {
    let fits = |c: &u8| match converter {
        Converter::Int => c.is_ascii_digit(),
        Converter::Uuid => is_digit(*c) || *c == b'-',
        Converter::Digest(_) => is_digit(*c),
        Converter::Slug => c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'),
        Converter::Str | Converter::Path => c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'),
    };
    (0..128).filter(fits).map(bit).fold(0, |all, one| all | one)
}

const fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(pattern: &str) -> Shape {
        Shape::of(&Pattern::room(pattern).unwrap())
    }

    #[test]
    fn patterns_meet_where_they_can_give_one_name() {
        for (one, other) in [
            ("session:<int>", "session.<int>"),
            ("a:<str>:b", "a.<str>.b"),
            ("x|<int>", "x/<int>"),
            ("team_<str>", "team_<int>_admins"),
            ("a_<str>_b", "a_<slug>_c_b"),
            ("room_<str>", "room_lobby"),
            ("a<uuid>", "ab<str>"),
            ("a_<int>_<str>", "a_<str>_7"),
        ] {
            assert!(shape(one).meets(&shape(other)) && shape(other).meets(&shape(one)), "{one} {other}");
        }
        for (one, other) in [
            ("work_order_<int>", "ticket_<int>"),
            ("order_<int>", "order_<int>_items"),
            ("order_<int>", "orders"),
            ("order_<int>", "order_"),
            ("a_<slug>", "a_<slug>.<slug>"),
            ("lobby", "lobby_<str>"),
        ] {
            assert!(!shape(one).meets(&shape(other)) && !shape(other).meets(&shape(one)), "{one} {other}");
        }
    }

    #[test]
    fn ways_are_choices_of_values() {
        for (pattern, name, ways) in [
            ("user_<str>", "user_7", 1),
            ("user_<str>", "user_", 0),
            ("user_<str>", "users_7", 0),
            ("chat_<str>_<str>", "chat_1_2", 1),
            ("chat_<str>_<str>", "chat_1_2_3", 2),
            ("chat_<int>_<str>", "chat_1_2_3", 1),
            ("chat_<str>_<str>", "chat_1__2", 2),
            ("chat_<str>_<str>", "chat_a_b_c_d_e", 2),
            ("a<str>_n_n<str>", "a1_n_n_nz", 2),
            ("lobby", "lobby", 1),
            ("lobby", "lobbyé", 0),
        ] {
            assert_eq!(shape(pattern).ways(name), ways, "{pattern} {name}");
        }
    }
}
