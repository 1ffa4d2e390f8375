//! Publishers: Redis, HTTP POST, lines over TCP to a program that publishes like its users, and the clients themselves.

use std::io::{Error, Read, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::frames::masked;
use crate::shared::Shared;
use crate::socket;

enum Kind {
    Redis {
        channel: String,
    },
    Http {
        path: String,
        host: String,
    },
    Lines,
    /// Client number `group` sends the message over its own connection.
    Clients(Arc<Shared>),
}

/// One connection to a publisher.
pub struct Publisher {
    /// The connection; clients have their own.
    socket: Option<TcpStream>,
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
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        socket.set_write_timeout(Some(Duration::from_secs(20)))?;
        Self::new(Some(socket), kind, template)
    }

    /// The clients as senders; their answers are counted where they arrive.
    pub fn clients(shared: Arc<Shared>, template: &str) -> Result<Self> {
        Self::new(None, Kind::Clients(shared), template)
    }

    fn new(socket: Option<TcpStream>, kind: Kind, template: &str) -> Result<Self> {
        let (before, after) = template.split_once("{}").ok_or_else(|| Error::other("--template has no {}"))?;
        let (out, answer) = (Vec::new(), Vec::new());
        Ok(Self { socket, kind, before: before.to_owned(), after: after.to_owned(), out, answer })
    }

    fn socket(&mut self) -> Result<&mut TcpStream> {
        self.socket.as_mut().ok_or_else(|| Error::other("clients publish only single messages"))
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
            Kind::Clients(_) => {}
        }
        self.out.extend_from_slice(before.as_bytes());
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(after.as_bytes());
        match &self.kind {
            Kind::Redis { .. } => self.out.extend_from_slice(b"\r\n"),
            Kind::Http { .. } | Kind::Clients(_) => {}
            Kind::Lines => self.out.push(b'\n'),
        }
        Ok(())
    }

    /// Sends the buffered messages, without waiting for answers.
    pub fn flush(&mut self) -> Result<()> {
        let out = std::mem::take(&mut self.out);
        self.socket()?.write_all(&out)?;
        self.out = out;
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
        if let Kind::Clients(shared) = &self.kind {
            let frame = masked(1, &self.out);
            self.out.clear();
            // A short write or a closed socket: the answer will be missing, and counted.
            socket::send(shared.sockets[group].load(SeqCst), &frame);
            return Ok(());
        }
        self.flush()?;
        self.answers(1)
    }

    fn fill(&mut self) -> Result<()> {
        let mut buffer = [0u8; 65536];
        let read = self.socket()?.read(&mut buffer)?;
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_client_sends_over_its_own_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let shared = Arc::new(Shared::new(2, 2));
        shared.sockets[1].store(client.as_raw_fd(), SeqCst);
        let mut clients = Publisher::clients(shared, "<{}>").unwrap();
        // Client 0 has no connection: its message is lost, and counted as such where its answer is missing.
        clients.publish(b"nobody", 0).unwrap();
        clients.publish(b"text", 1).unwrap();
        let expected = masked(1, b"<text>");
        let mut frame = vec![0; expected.len()];
        server.read_exact(&mut frame).unwrap();
        assert_eq!(frame, expected);
        drop((client, clients));
        assert_eq!(server.read_to_end(&mut Vec::new()).unwrap(), 0);
    }
}
