//! Pickles of plain data, as written by Django's cache. A function named in a pickle is never called.
//!
//! A pickle is a program for a stack machine. `machine` runs the opcodes that build data, `calls` imitates the few
//! functions that plain data needs (dates, Decimal, UUID, …), `tree` holds the result, `cost` checks that it may become
//! a [`Value`], and `tree` then makes it. Anything else in a pickle is an error. Opcodes: CPython `Lib/pickletools.py`.

mod calls;
mod cost;
mod encode;
mod machine;
mod tree;

use crate::event::Value;

pub use encode::encode;

/// Why a pickle is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// The bytes end inside an opcode, or before STOP.
    #[error("the pickle ends too early")]
    Truncated,
    /// It names a class or function that is not plain data.
    #[error("the pickle contains {0}, which is not plain data")]
    Forbidden(String),
    /// An opcode that plain data does not need, or that does not exist.
    #[error("the pickle contains the opcode 0x{0:02x}, which plain data does not need")]
    Opcode(u8),
    /// Not a pickle that Python writes.
    #[error("malformed pickle: {0}")]
    Malformed(&'static str),
    /// Nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH), or inside itself.
    #[error("the pickle is nested too deeply")]
    TooDeep,
    /// More values or text than the node accepts, counting every repeated reference.
    #[error("the pickle contains too much data")]
    TooLarge,
}

/// The plain data in a pickle of protocol 0 to 5.
///
/// | Python | here |
/// | --- | --- |
/// | tuple, set, frozenset | a list |
/// | datetime, date | `isoformat()` as text |
/// | timedelta | an ISO duration as `DjangoJSONEncoder` writes it, `P1DT00H00M02S` |
/// | Decimal, UUID, SafeString | text |
/// | OrderedDict, defaultdict | a map |
/// | a key that is not text | text as in `json.dumps` |
pub fn decode(bytes: &[u8]) -> Result<Value, PickleError> {
    let (tree, root) = machine::run(bytes)?;
    cost::check(&tree, root, bytes.len())?;
    tree.to_value(root)
}

/// The entries of a pickled dict, for callers that need what [`decode`] does not keep: whether a value is a tuple or a
/// list.
#[derive(Clone, Debug, PartialEq)]
pub struct DictEntries {
    /// The dict.
    pub values: Value,
    /// Its keys with tuples as values.
    pub tuples: Vec<Box<str>>,
}

/// Like [`decode`], for a dict.
pub fn decode_entries(bytes: &[u8]) -> Result<DictEntries, PickleError> {
    let (tree, root) = machine::run(bytes)?;
    cost::check(&tree, root, bytes.len())?;
    Ok(DictEntries { values: tree.to_value(root)?, tuples: tree.tuples_in(root) })
}
