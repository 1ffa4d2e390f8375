//! The part of RESP2 that a subscriber needs.

use memchr::memmem;

/// A message of a channel.
pub struct Message<'a> {
    pub channel: &'a [u8],
    pub payload: &'a [u8],
}

/// The first complete array: its length, and its message if it contains one. None while it is incomplete.
pub fn next(bytes: &[u8]) -> Option<(usize, Option<Message<'_>>)> {
    let line =
        |from: usize| memmem::find(&bytes[from..], b"\r\n").map(|end| (&bytes[from..from + end], from + end + 2));
    let number =
        |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(0);
    let (head, mut at) = line(0)?;
    let mut words: [&[u8]; 4] = [b""; 4];
    for word in 0..number(head.get(1..)?) {
        let (head, from) = line(at)?;
        at = from;
        let value = if head.first() == Some(&b'$') {
            let to = from + number(&head[1..]);
            at = to + 2;
            bytes.get(..at)?;
            &bytes[from..to]
        } else {
            head
        };
        if let Some(place) = words.get_mut(word) {
            *place = value;
        }
    }
    let message = match words[0] {
        b"message" => Some(Message { channel: words[1], payload: words[2] }),
        b"pmessage" => Some(Message { channel: words[2], payload: words[3] }),
        _ => None,
    };
    Some((at, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_when_it_is_whole() {
        let bytes = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n";
        let (used, none) = next(bytes).unwrap();
        assert!(none.is_none());
        let (rest, message) = next(&bytes[used..]).unwrap();
        assert_eq!(message.unwrap().payload, b"hi");
        assert_eq!(used + rest, bytes.len());
        assert!(next(&bytes[used..bytes.len() - 1]).is_none());
    }
}
