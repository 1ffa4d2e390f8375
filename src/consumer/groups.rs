//! The forms of a consumer's groups: every template and every pattern of rooms, and which of them could be mistaken for
//! another.
//!
//! In: a form and its values, or a room as another program names it. Out: its group, or why it has none. Two different
//! pairs of a form and values never give one group: if two forms can give the same name, it belongs to the form with
//! more text, and a value that would make the name of another form is refused.

pub(super) mod collisions;
pub(super) mod cover;
pub(super) mod pattern;
pub(super) mod shape;

pub use self::{
    pattern::{Converter, Part, Pattern, decode},
    shape::Shape,
};
use crate::{
    config::KeyPath,
    event::{GroupName, GroupNameError, NamePart, written},
};

/// Why a template gave no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// A variable is undefined, null, or neither text nor a number; `None` is never put into a name.
    #[error("{0}")]
    Value(String),
    /// The name breaks Channels' rule.
    #[error("{name:?} is not a group name: {reason}")]
    Name {
        /// The result of the template, shortened.
        name: String,
        /// The violated part of the rule.
        reason: GroupNameError,
    },
    /// No pattern of `allow` permits the client to name it.
    #[error("{0:?} is not a name that \"allow\" permits")]
    NotAllowed(String),
    /// It could be the name of another form, or of other values.
    #[error("{0:?} could also be the name of another group: a value in it contains text of a name")]
    Ambiguous(String),
    /// A client chose more groups than its consumer permits.
    #[error("a client may choose at most {0} groups here (\"max_rooms\")")]
    TooMany(usize),
}

/// Refuses a room that is too long for a name, before it is matched: every character of a room becomes at least one of
/// the name's.
fn check_length(room: &str) -> Result<(), GroupError> {
    let length = room.chars().count();
    if length <= GroupName::MAX_LENGTH {
        return Ok(());
    }
    Err(GroupError::Name { name: room.chars().take(100).collect(), reason: GroupNameError::TooLong(length) })
}

impl From<GroupError> for String {
    fn from(error: GroupError) -> Self {
        error.to_string()
    }
}

/// A form, by its index in [`Forms`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FormId(usize);

/// The use of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A template.
    Template {
        /// Whether a client can choose some of its values.
        chosen: bool,
        /// Whether a client joins through it without a pattern that restricts the names.
        free: bool,
    },
    /// A pattern of `allow`.
    Pattern,
    /// A name, or the beginning of names, within an expression that gives whole names.
    Inner,
    /// Its names are not reserved.
    Hidden,
}

/// A form of names.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// Its pattern, by which rooms are matched.
    pub pattern: Pattern,
    pub shape: Shape,
    pub role: Role,
    /// Its source text, and its key.
    pub source: Box<str>,
    pub key: KeyPath,
    /// Other forms, of any consumer, that can give its names.
    rivals: Vec<Rival>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rival {
    shape: Shape,
    /// Which value of the form it continues after, and with which text.
    goes_on: Option<(usize, Box<str>)>,
}

impl Form {
    fn rival(&self, other: &Self) -> Option<Rival> {
        let (mine, theirs) = (self.shape.parts(), other.shape.parts());
        if mine == theirs || other.role == Role::Hidden || !self.shape.meets(&other.shape) {
            return None;
        }
        let common = mine.iter().zip(theirs).take_while(|(one, other)| one == other).count();
        let value = mine[..common].iter().filter(|part| part.is_none()).count().checked_sub(1);
        let goes_on = match (common.checked_sub(1).map(|last| &mine[last]), theirs.get(common), value) {
            (Some(None), Some(Some(text)), Some(value)) => Some((value, text.clone())),
            _ => None,
        };
        Some(Rival { shape: other.shape.clone(), goes_on })
    }

    /// Whether the same forms are its rivals, in any order.
    fn has_same_rivals(&self, other: &Self) -> bool {
        let (mine, theirs) = (&self.rivals, &other.rivals);
        mine.len() == theirs.len() && mine.iter().all(|rival| theirs.contains(rival))
    }

    /// The group named by its parts.
    fn group(&self, parts: &[NamePart<'_>]) -> Result<GroupName, GroupError> {
        let shortened = || {
            let whole = parts.iter().flat_map(|(NamePart::Text(text) | NamePart::Value(text))| text.chars());
            whole.take(100).collect()
        };
        let group =
            GroupName::of(parts.iter().copied()).map_err(|reason| GroupError::Name { name: shortened(), reason })?;
        let ambiguous = self.shape.values() > 1 && self.shape.ways(group.as_str()) > 1
            || self.rivals.iter().any(|rival| {
                let has_it = rival.shape.weight() >= self.shape.weight() && rival.shape.ways(group.as_str()) > 0;
                has_it || rival.goes_on.as_ref().is_some_and(|(index, text)| holds(parts, *index, text))
            });
        if ambiguous { Err(GroupError::Ambiguous(shortened())) } else { Ok(group) }
    }
}

/// Whether this value of a name contains this text.
fn holds(parts: &[NamePart<'_>], index: usize, text: &str) -> bool {
    let mut values = parts.iter().filter(|part| matches!(part, NamePart::Value(_)));
    values.nth(index).is_some_and(|value| written([*value]).contains(text))
}

/// The forms of one consumer.
#[derive(Clone, Debug, Default)]
pub(super) struct Forms {
    /// Of the consumers that read each other's rooms, the first: those of a namespace, any other consumer alone.
    sharing: usize,
    own: Vec<Form>,
    /// The forms of the other consumers of its namespace, which have the same rooms.
    others: Vec<Pattern>,
}

impl Forms {
    pub fn add(&mut self, pattern: Pattern, role: Role, source: &str, key: &KeyPath) -> FormId {
        let shape = Shape::of(&pattern);
        self.own.push(Form { pattern, shape, role, source: source.into(), key: key.clone(), rivals: Vec::new() });
        FormId(self.own.len() - 1)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Form> {
        self.own.iter()
    }

    /// Sets which consumers read its rooms, by the first of them.
    pub const fn share(&mut self, first: usize) {
        self.sharing = first;
    }

    /// Whether both know the same forms of others, so that each value gives or is refused the same group.
    pub fn has_same_others(&self, other: &Self) -> bool {
        let mut forms = self.own.iter().zip(&other.own);
        self.others == other.others && forms.all(|(one, other)| one.has_same_rivals(other))
    }

    /// Determines which forms can be mistaken for which, over all consumers of a configuration: a group is the same
    /// wherever it is joined. Only the forms of its own namespace tell a consumer how others write a room.
    pub fn settle(all_forms: &mut [Self]) {
        let all: Vec<(usize, Vec<Form>)> = all_forms.iter().map(|forms| (forms.sharing, forms.own.clone())).collect();
        for (index, forms) in all_forms.iter_mut().enumerate() {
            for form in &mut forms.own {
                let mut rivals = Vec::new();
                for rival in all.iter().flat_map(|(_, forms)| forms).filter_map(|other| form.rival(other)) {
                    if !rivals.contains(&rival) {
                        rivals.push(rival);
                    }
                }
                form.rivals = rivals;
            }
            let others =
                all.iter().enumerate().filter(|(other, (sharing, _))| *other != index && *sharing == forms.sharing);
            let others = others.flat_map(|(_, (_, forms))| forms);
            forms.others = others.filter(|form| form.role != Role::Hidden).map(|form| form.pattern.clone()).collect();
        }
    }

    /// The group named by the parts of a form.
    pub fn group(&self, form: FormId, parts: &[NamePart<'_>]) -> Result<GroupName, GroupError> {
        match self.own.get(form.0) {
            Some(form) => form.group(parts),
            None => Err(GroupError::Value("the form is unknown".to_owned())),
        }
    }

    /// The group of a room that a client names, if one of these patterns permits it.
    pub fn allowed(&self, allow: &[FormId], room: &str) -> Result<GroupName, GroupError> {
        check_length(room)?;
        let forms = allow.iter().filter_map(|form| self.own.get(form.0));
        let named = forms.filter_map(|form| Some((form, form.pattern.parse(room)?)));
        match named.max_by_key(|(form, _)| form.shape.weight()) {
            Some((form, parts)) => form.group(&parts),
            None => Err(GroupError::NotAllowed(room.chars().take(100).collect())),
        }
    }

    /// Splits a room into text and values, by the form with the most text.
    pub fn recognise<'a>(&'a self, room: &'a str) -> Option<Vec<NamePart<'a>>> {
        check_length(room).ok()?;
        let own = self.own.iter().filter(|form| form.role != Role::Hidden);
        let patterns = own.map(|form| &form.pattern).chain(&self.others);
        let recognised = patterns.filter_map(|pattern| pattern.parse(room));
        recognised.max_by_key(|parts| text_of(parts))
    }

    /// Whether a template or a pattern gives this group.
    pub fn names(&self, group: &GroupName) -> bool {
        self.own.iter().filter(|form| form.role != Role::Hidden).any(|form| form.shape.ways(group.as_str()) > 0)
    }

    /// The group of a room that the configuration or the backend names as a whole.
    pub fn given(&self, room: &str) -> Result<GroupName, GroupError> {
        check_length(room)?;
        let group = GroupName::of_plain_room(room).map_or_else(
            || match self.recognise(room) {
                Some(parts) => GroupName::of(parts),
                None => GroupName::of_room(room),
            },
            Ok,
        );
        group.map_err(|reason| GroupError::Name { name: room.chars().take(100).collect(), reason })
    }
}

/// How much of a name is text.
pub(super) fn text_of(parts: &[NamePart<'_>]) -> usize {
    parts.iter().map(|part| if let NamePart::Text(text) = part { text.len() } else { 0 }).sum()
}
