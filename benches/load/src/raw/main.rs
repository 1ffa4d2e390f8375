//! `raw`: the minimum cost of a WebSocket broadcast on this kernel. A reference, not a product.
//!
//! One thread, raw epoll. It answers the handshake, reads one Redis channel, encodes each message as a frame once and
//! `send`s it to every socket. No ping, no limits, no authentication; it ignores what clients send. With `--coalesce`,
//! all messages from one read of Redis are sent with one `send` per socket: the minimum cost of bursts.

mod resp;

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Parser;
use memchr::memmem;
use sha1::{Digest, Sha1};

/// The minimum cost of a broadcast: each frame is encoded once, with one send per socket.
#[derive(Parser)]
struct Options {
    /// The port on loopback.
    #[arg(long)]
    port: u16,
    /// HOST:PORT of Redis.
    #[arg(long)]
    redis: String,
    /// The subscribed channel.
    #[arg(long)]
    channel: String,
    /// A message on CHANNEL followed by a number goes to the sockets opened with ?g=NUMBER.
    #[arg(long)]
    groups: bool,
    /// One send for all messages that one read from Redis returned.
    #[arg(long)]
    coalesce: bool,
}

#[derive(Default)]
struct Conn {
    open: bool,
    group: u32,
    place: usize,
    /// Bytes that the socket has not accepted yet.
    out: Vec<u8>,
    request: Vec<u8>,
}

struct Server {
    options: Options,
    epoll: RawFd,
    listener: TcpListener,
    redis: TcpStream,
    unread: Vec<u8>,
    conns: Vec<Option<Box<Conn>>>,
    groups: HashMap<u32, Vec<RawFd>>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    // SAFETY: plain data in and out.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
    Server::new(options)?.run()
}

impl Server {
    fn new(options: Options) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        // SAFETY: plain calls. The standard library listens with a backlog of 128; a storm needs more.
        let epoll = unsafe {
            libc::listen(listener.as_raw_fd(), 4096);
            libc::epoll_create1(libc::EPOLL_CLOEXEC)
        };
        let mut redis = TcpStream::connect(&options.redis)?;
        let (command, channel) = if options.groups {
            ("PSUBSCRIBE", format!("{}*", options.channel))
        } else {
            ("SUBSCRIBE", options.channel.clone())
        };
        write!(redis, "*2\r\n${}\r\n{command}\r\n${}\r\n{channel}\r\n", command.len(), channel.len())?;
        redis.set_nonblocking(true)?;
        let server = Self { options, epoll, listener, redis, unread: vec![], conns: vec![], groups: HashMap::new() };
        server.watch(server.listener.as_raw_fd(), libc::EPOLLIN);
        server.watch(server.redis.as_raw_fd(), libc::EPOLLIN);
        Ok(server)
    }

    fn watch(&self, fd: RawFd, events: i32) {
        let mut event = libc::epoll_event { events: events as u32, u64: fd as u64 };
        // SAFETY: the event lives until the call returns.
        unsafe { libc::epoll_ctl(self.epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) };
    }

    fn run(&mut self) -> Result<()> {
        let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 1024];
        loop {
            // SAFETY: the vector has room for as many events as are asked for.
            let count = unsafe { libc::epoll_wait(self.epoll, events.as_mut_ptr(), 1024, -1) };
            for event in events.iter().take(usize::try_from(count).unwrap_or(0)) {
                let (happened, fd) = (event.events as i32, event.u64 as RawFd);
                if fd == self.listener.as_raw_fd() {
                    self.accept();
                } else if fd == self.redis.as_raw_fd() {
                    self.read_redis()?;
                } else {
                    if happened & libc::EPOLLOUT != 0 {
                        self.flush(fd);
                    }
                    if happened & !libc::EPOLLOUT != 0 {
                        self.readable(fd);
                    }
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((socket, _)) = self.listener.accept() {
            let _ = socket.set_nodelay(true);
            let _ = socket.set_nonblocking(true);
            let fd = socket.into_raw_fd();
            self.watch(fd, libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET);
            if self.conns.len() <= fd as usize {
                self.conns.resize_with(fd as usize + 1, || None);
            }
            self.conns[fd as usize] = Some(Box::default());
        }
    }

    fn close(&mut self, fd: RawFd) {
        let Some(conn) = self.conns[fd as usize].take() else { return };
        if conn.open {
            let members = self.groups.entry(conn.group).or_default();
            members.swap_remove(conn.place);
            if let Some(moved) = members.get(conn.place).and_then(|&fd| self.conns[fd as usize].as_mut()) {
                moved.place = conn.place;
            }
        }
        // SAFETY: the descriptor is forgotten with its connection.
        unsafe { libc::close(fd) };
    }

    fn readable(&mut self, fd: RawFd) {
        let mut buffer = [0u8; 16384];
        while self.conns[fd as usize].is_some() {
            // SAFETY: the buffer is valid for its length.
            let read = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            match usize::try_from(read) {
                Ok(0) => self.close(fd),
                Ok(read) => self.request(fd, &buffer[..read]),
                Err(_) if Error::last_os_error().kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.close(fd),
            }
        }
    }

    /// Answers the handshake; bytes after it are ignored.
    fn request(&mut self, fd: RawFd, bytes: &[u8]) {
        let Some(conn) = self.conns[fd as usize].as_mut().filter(|conn| !conn.open) else { return };
        conn.request.extend_from_slice(bytes);
        if memmem::find(&conn.request, b"\r\n\r\n").is_none() {
            return;
        }
        let request = String::from_utf8_lossy(&std::mem::take(&mut conn.request)).into_owned();
        let Some(key) = request.split("Sec-WebSocket-Key: ").nth(1).and_then(|rest| rest.split("\r\n").next()) else {
            return self.close(fd);
        };
        let accept = STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
        let group =
            request.split(' ').nth(1).and_then(|path| path.split("g=").nth(1)).and_then(|group| group.parse().ok());
        let members = self.groups.entry(group.unwrap_or(0)).or_default();
        (conn.open, conn.group, conn.place) = (true, group.unwrap_or(0), members.len());
        members.push(fd);
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        write(conn, fd, answer.as_bytes());
    }

    fn flush(&mut self, fd: RawFd) {
        if let Some(Some(conn)) = self.conns.get_mut(fd as usize)
            && !conn.out.is_empty()
        {
            let out = std::mem::take(&mut conn.out);
            write(conn, fd, &out);
        }
    }

    fn read_redis(&mut self) -> Result<()> {
        let mut buffer = [0u8; 65536];
        loop {
            match self.redis.read(&mut buffer) {
                Ok(0) => return Err(Error::other("Redis closed the connection")),
                Ok(read) => self.unread.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let unread = std::mem::take(&mut self.unread);
        let (mut used, mut together) = (0, HashMap::<u32, Vec<u8>>::new());
        while let Some((length, message)) = resp::next(&unread[used..]) {
            used += length;
            let Some(message) = message else { continue };
            let group = String::from_utf8_lossy(&message.channel[self.options.channel.len()..]).parse().unwrap_or(0);
            if self.options.coalesce {
                frame(message.payload, together.entry(group).or_default());
            } else {
                let mut bytes = Vec::new();
                frame(message.payload, &mut bytes);
                self.broadcast(group, &bytes);
            }
        }
        for (group, bytes) in together {
            self.broadcast(group, &bytes);
        }
        self.unread = unread[used..].to_vec();
        Ok(())
    }

    fn broadcast(&mut self, group: u32, bytes: &[u8]) {
        for &fd in self.groups.get(&group).into_iter().flatten() {
            if let Some(conn) = self.conns[fd as usize].as_mut() {
                write(conn, fd, bytes);
            }
        }
    }
}

/// Sends, and keeps the bytes that the socket does not accept. A dead socket is closed when its hang-up is read.
fn write(conn: &mut Conn, fd: RawFd, bytes: &[u8]) {
    if !conn.out.is_empty() {
        return conn.out.extend_from_slice(bytes);
    }
    // SAFETY: the slice is valid for its length.
    let sent = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) };
    match usize::try_from(sent) {
        Ok(sent) if sent == bytes.len() => {}
        Ok(sent) => conn.out.extend_from_slice(&bytes[sent..]),
        Err(_) if Error::last_os_error().kind() == ErrorKind::WouldBlock => conn.out.extend_from_slice(bytes),
        Err(_) => {}
    }
}

/// A text frame, unmasked.
fn frame(payload: &[u8], to: &mut Vec<u8>) {
    to.push(0x81);
    match payload.len() {
        length @ ..126 => to.push(length as u8),
        length @ ..65536 => {
            to.push(126);
            to.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            to.push(127);
            to.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    to.extend_from_slice(payload);
}
