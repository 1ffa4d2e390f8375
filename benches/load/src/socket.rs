//! The few system calls the receiving thread needs. All `unsafe` of the generator is here, in `procfs` and in `shared`.

use std::io::{Error, Result};

use crate::options::Target;

/// A source address of loopback: one for each 20,000 connections, different in each run.
pub fn source(salt: u32, connection: usize) -> [u8; 4] {
    let k = salt + (connection / 20_000) as u32;
    [127, 16 + (k / 62_500 % 200) as u8, (k / 250 % 250) as u8, 1 + (k % 250) as u8]
}

fn address(addr: [u8; 4], port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(addr) },
        sin_zero: [0; 8],
    }
}

fn enable(fd: i32, level: i32, name: i32) {
    let one = 1i32;
    // SAFETY: the option's value lives until the call returns.
    unsafe { libc::setsockopt(fd, level, name, (&raw const one).cast(), 4) };
}

/// Begins to connect, without waiting.
pub fn connect(target: &Target, from: [u8; 4]) -> Result<i32> {
    // SAFETY: plain calls; the addresses live until they return.
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(Error::last_os_error());
        }
        enable(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY);
        enable(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT);
        let (here, there) = (address(from, 0), address(target.addr, target.port));
        libc::bind(fd, (&raw const here).cast(), size_of_val(&here) as u32);
        if libc::connect(fd, (&raw const there).cast(), size_of_val(&there) as u32) < 0 {
            let error = Error::last_os_error();
            if error.raw_os_error() != Some(libc::EINPROGRESS) {
                libc::close(fd);
                return Err(error);
            }
        }
        Ok(fd)
    }
}

/// Closes the socket, if it is open.
pub fn close(fd: i32) {
    if fd >= 0 {
        // SAFETY: the descriptor is ours, and is forgotten by the caller.
        unsafe { libc::close(fd) };
    }
}

/// The error of a failed connect, if any.
pub fn error(fd: i32) -> Option<Error> {
    let (mut code, mut size) = (0i32, 4u32);
    // SAFETY: both live until the call returns.
    unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut code).cast(), &raw mut size) };
    (code != 0).then(|| Error::from_raw_os_error(code))
}

/// Sends; returns whether all bytes were accepted.
pub fn send(fd: i32, bytes: &[u8]) -> bool {
    // SAFETY: the slice is valid for its length.
    let sent = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
    sent == bytes.len() as isize
}

/// Receives the available bytes; 0 at the end of the stream.
pub fn receive(fd: i32, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the slice is valid for its length.
    let read = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    usize::try_from(read).map_err(|_| Error::last_os_error())
}

/// Binds the calling thread to one core.
pub fn pin(core: usize) {
    // SAFETY: the set is plain data.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}

/// Raises the limit on open files as far as possible; returns whether it suffices for this number.
pub fn room_for(files: u64) -> bool {
    // SAFETY: the limit is plain data.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        limit.rlim_cur >= files
    }
}

/// An event of a socket.
#[derive(Clone, Copy)]
pub struct Happened {
    pub readable: bool,
    pub writable: bool,
    pub hangup: bool,
}

/// Edge-triggered epoll.
pub struct Poll(i32, Vec<libc::epoll_event>);

impl Poll {
    pub fn new() -> Result<Self> {
        // SAFETY: a plain call.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            Err(Error::last_os_error())
        } else {
            Ok(Self(fd, vec![libc::epoll_event { events: 0, u64: 0 }; 512]))
        }
    }

    pub fn add(&self, fd: i32, token: usize) {
        let events = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET) as u32;
        let mut event = libc::epoll_event { events, u64: token as u64 };
        // SAFETY: the event lives until the call returns.
        unsafe { libc::epoll_ctl(self.0, libc::EPOLL_CTL_ADD, fd, &raw mut event) };
    }

    pub fn wait(&mut self, happened: &mut Vec<(usize, Happened)>, milliseconds: i32) {
        // SAFETY: the vector has room for as many events as are asked for.
        let count = unsafe { libc::epoll_wait(self.0, self.1.as_mut_ptr(), self.1.len() as i32, milliseconds) };
        happened.clear();
        happened.extend(self.1.iter().take(usize::try_from(count).unwrap_or(0)).map(|event| {
            let (events, token) = (event.events, event.u64);
            let hangup = events & (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0;
            let readable = hangup || events & libc::EPOLLIN as u32 != 0;
            (token as usize, Happened { readable, writable: events & libc::EPOLLOUT as u32 != 0, hangup })
        }));
    }
}
