//! Publishers: Redis, HTTP POST, and lines over TCP to a program that publishes like its users.

use std::io::{Error, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

enum Kind {
    Redis { channel: String },
    Http { path: String, host: String },
    Lines,
}

/// One connection to a publisher.
pub struct Publisher {
    socket: TcpStream,
    kind: Kind,
    before: String,
    after: String,
    out: Vec<u8>,
    answer: Vec<u8>,
}

impl Publisher {
    /// Connects. In the template `{}` stands for the text, and `{g}` for the group's number.
    pub fn open(url: &str, template: &str) -> Result<Self> {
        let bad = || Error::other(format!("--pub {url}: expected redis://, http:// or tcp://"));
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let kind = match scheme {
            "redis" => Kind::Redis { channel: path.to_owned() },
            "http" => Kind::Http { path: format!("/{path}"), host: address.to_owned() },
            "tcp" => Kind::Lines,
            _ => return Err(bad()),
        };
        let (before, after) = template.split_once("{}").ok_or_else(|| Error::other("--template has no {}"))?;
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        socket.set_write_timeout(Some(Duration::from_secs(20)))?;
        let (out, answer) = (Vec::new(), Vec::new());
        Ok(Self { socket, kind, before: before.to_owned(), after: after.to_owned(), out, answer })
    }

    /// Adds one message to the buffer of `flush`.
    pub fn push(&mut self, text: &[u8], group: usize) -> Result<()> {
        let group = group.to_string();
        let (before, after) = (self.before.replace("{g}", &group), self.after.replace("{g}", &group));
        let length = before.len() + text.len() + after.len();
        match &self.kind {
            Kind::Redis { channel } => {
                let channel = channel.replace("{g}", &group);
                write!(self.out, "*3\r\n$7\r\nPUBLISH\r\n${}\r\n{channel}\r\n${length}\r\n", channel.len())?;
            }
            Kind::Http { path, host } => {
                let path = path.replace("{g}", &group);
                write!(self.out, "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n")?;
            }
            // The group, a space, the message.
            Kind::Lines => write!(self.out, "{group} ")?,
        }
        self.out.extend_from_slice(before.as_bytes());
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(after.as_bytes());
        match &self.kind {
            Kind::Redis { .. } => self.out.extend_from_slice(b"\r\n"),
            Kind::Http { .. } => {}
            Kind::Lines => self.out.push(b'\n'),
        }
        Ok(())
    }

    /// Sends the buffered messages, without waiting for answers.
    pub fn flush(&mut self) -> Result<()> {
        self.socket.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Waits for the answers of this number of messages.
    pub fn answers(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            match &self.kind {
                Kind::Http { .. } => self.http_answer()?,
                _ => {
                    let line = self.line()?;
                    if line.first() == Some(&b'-') {
                        return Err(Error::other(String::from_utf8_lossy(&line).trim().to_owned()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Publishes one message and waits for the answer.
    pub fn publish(&mut self, text: &[u8], group: usize) -> Result<()> {
        self.push(text, group)?;
        self.flush()?;
        self.answers(1)
    }

    fn fill(&mut self) -> Result<()> {
        let mut buffer = [0u8; 65536];
        let read = self.socket.read(&mut buffer)?;
        if read == 0 {
            return Err(Error::other("the publisher's connection was closed"));
        }
        self.answer.extend_from_slice(&buffer[..read]);
        Ok(())
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.answer) {
                return Ok(self.answer.drain(..=end).collect());
            }
            self.fill()?;
        }
    }

    fn http_answer(&mut self) -> Result<()> {
        let status = self.line()?;
        let mut length = 0;
        loop {
            let line = self.line()?;
            let line = String::from_utf8_lossy(&line).trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(Error::other)?;
            }
        }
        while self.answer.len() < length {
            self.fill()?;
        }
        self.answer.drain(..length);
        let status = String::from_utf8_lossy(&status).trim().to_owned();
        if status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
            Ok(())
        } else {
            Err(Error::other(status))
        }
    }
}
