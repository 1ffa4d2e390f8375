//! Names of groups, from text of the configuration and values that clients choose, by turns.

use channelgate::event::{GroupName, NamePart, written};

/// What stands in a value, read again as docs/GROUPS.md says it is written.
fn read(name: &str) -> Vec<u8> {
    let bytes = name.as_bytes();
    let (mut value, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let code = bytes.get(at + 2..at + 4).filter(|_| bytes[at..].starts_with(b"-x"));
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        let is_lower = bytes.get(at + 2..at + 4).is_some_and(|code| !code.iter().any(u8::is_ascii_uppercase));
        match code.filter(|_| is_lower && bytes[at + 2] != b'+') {
            Some(byte) => {
                value.push(byte);
                at += 4;
            }
            None => {
                value.push(bytes[at]);
                at += 1;
            }
        }
    }
    value
}

/// Pieces of text, divided by zeros: text, value, text, …
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let pieces: Vec<&str> = text.split('\0').collect();
    for value in &pieces {
        let name = written([NamePart::Value(value)]);
        // What is longer than any name is not written to its end.
        if name.len() < 1024 {
            assert_eq!(read(&name), value.as_bytes(), "{name} says which value it is");
        }
    }
    let parts = pieces.iter().enumerate();
    let parts = parts.map(|(place, piece)| if place % 2 == 0 { NamePart::Text(piece) } else { NamePart::Value(piece) });
    if let Ok(group) = GroupName::of(parts) {
        assert_eq!(GroupName::new(group.as_str()).as_ref(), Ok(&group), "it is a name of Channels");
    }
    if let Ok(room) = GroupName::of_room(text) {
        assert_eq!(GroupName::new(room.as_str()).as_ref(), Ok(&room));
    }
}
