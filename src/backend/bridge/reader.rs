//! The lines of an answer's body, as they arrive.

use bytes::Bytes;
use reqwest::Response;

use super::super::transport::Trouble;

/// Maximum length of a line, in bytes.
const MAX_LINE: usize = 16 << 20;

/// Memory for lines that is kept for the next ones, in bytes.
const KEPT: usize = 64 << 10;

/// Why there is no next line.
pub(super) enum Unread {
    /// The answer broke off.
    Lost(String),
    /// The line is longer than this.
    TooLong(usize),
}

/// Reads lines; a wait for one may be dropped.
pub(super) struct Reader {
    response: Response,
    /// What has arrived of lines that were not taken.
    waiting: Vec<u8>,
    /// The beginning of the next line.
    start: usize,
    /// Up to here there is no end of a line.
    searched: usize,
}

impl Reader {
    pub const fn new(response: Response) -> Self {
        Self { response, waiting: Vec::new(), start: 0, searched: 0 }
    }

    /// The next line, without its end; `None` at the end of the body.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Unread> {
        loop {
            let line = self.take();
            if line.as_ref().map_or(self.waiting.len(), Bytes::len) > MAX_LINE {
                return Err(Unread::TooLong(MAX_LINE));
            }
            if line.is_some() {
                return Ok(line);
            }
            match self.response.chunk().await.map_err(|error| Unread::Lost(Trouble::of(&error).reason))? {
                Some(bytes) => self.waiting.extend_from_slice(&bytes),
                None if self.waiting.is_empty() => return Ok(None),
                None => return Err(Unread::Lost("the answer broke off in the middle of it".to_owned())),
            }
        }
    }

    /// Whether something has arrived of another line.
    pub fn has_more(&self) -> bool {
        self.waiting.len() > self.start
    }

    fn take(&mut self) -> Option<Bytes> {
        match self.waiting[self.searched..].iter().position(|byte| *byte == b'\n') {
            Some(found) => {
                let (start, end) = (self.start, self.searched + found);
                (self.start, self.searched) = (end + 1, end + 1);
                Some(Bytes::copy_from_slice(&self.waiting[start..end]))
            }
            None => {
                self.waiting.drain(..self.start);
                if self.waiting.is_empty() {
                    self.waiting.shrink_to(KEPT);
                }
                (self.start, self.searched) = (0, self.waiting.len());
                None
            }
        }
    }
}
