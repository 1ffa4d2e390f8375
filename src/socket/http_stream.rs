//! A socket while actix-http reads it.
//!
//! actix-http takes a request for a WebSocket only if `Upgrade` is `websocket` and nothing else. RFC 9110 (section 7.8)
//! makes it a list, and some clients and proxies send `websocket, h2c`. So in the head of a GET such a list becomes
//! `websocket`, with spaces in place of the rest. Nothing else is ever changed, and no body: a head can begin only where
//! the connection begins or after an answer. And actix-http gets no more at once than `turn.rs` permits.

use std::{
    cell::RefCell,
    collections::HashMap,
    io::{self, IoSlice},
    mem,
    os::fd::{AsRawFd as _, RawFd},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::turn;

/// At most this much is read at once: an ordinary head, and few requests if they are sent without waiting for answers.
const PIECE: u64 = 8 << 10;

/// Longer heads are passed on as they are.
const MAX_HEAD: usize = 32 << 10;

const GET: &[u8] = b"GET ";
const UPGRADE: &[u8] = b"upgrade:";
const WEBSOCKET: &[u8] = b"websocket";

/// What the next bytes are.
enum Next {
    /// Perhaps the head of a GET: its bytes so far, which were already searched for its end.
    Head(Vec<u8>),
    /// A complete head that did not arrive in one piece.
    Ready(Vec<u8>),
    /// Anything else.
    Rest,
}

thread_local! {
    /// Sockets that actix-http has left open at its end, by number.
    static LEFT: RefCell<HashMap<RawFd, TcpStream>> = RefCell::default();
}

/// Takes the socket with this number, if actix-http has left it.
pub(super) fn left(socket: RawFd) -> Option<TcpStream> {
    LEFT.with_borrow_mut(|left| left.remove(&socket))
}

/// A socket that actix-http reads. It is not closed with it, but [`left`].
pub struct HttpStream {
    /// `None` once it was taken over.
    tcp: Option<TcpStream>,
    next: Next,
}

impl Drop for HttpStream {
    fn drop(&mut self) {
        if let Some(tcp) = self.tcp.take() {
            // At the end of the thread it is closed here.
            let _ = LEFT.try_with(|left| left.borrow_mut().insert(tcp.as_raw_fd(), tcp));
        }
    }
}

impl HttpStream {
    /// A connection from its first byte on.
    pub const fn new(tcp: TcpStream) -> Self {
        Self { tcp: Some(tcp), next: Next::Head(Vec::new()) }
    }

    /// The socket, to take it over.
    pub fn into_tcp(mut self) -> Option<TcpStream> {
        self.tcp.take()
    }

    fn tcp(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.tcp.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { tcp, next } = &mut *self;
        let Some(tcp) = tcp else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        if !turn::may_read() && !matches!(next, Next::Ready(_)) {
            return poll_gone(tcp, cx);
        }
        if turn::wants_body() && matches!(next, Next::Head(held) if held.is_empty()) {
            *next = Next::Rest;
        }
        loop {
            match next {
                Next::Rest => return poll_piece(tcp, cx, buffer),
                Next::Ready(held) => {
                    let count = held.len().min(buffer.remaining());
                    buffer.put_slice(&held[..count]);
                    held.drain(..count);
                    if held.is_empty() {
                        *next = Next::Rest;
                    }
                    return Poll::Ready(Ok(()));
                }
                Next::Head(held) => {
                    let start = buffer.filled().len();
                    ready!(poll_piece(tcp, cx, buffer))?;
                    let fresh = &mut buffer.filled_mut()[start..];
                    // An ordinary head comes in one piece, and is never copied.
                    if held.is_empty() && (!is_get(fresh) || fresh.is_empty() || normalise(fresh, 0)) {
                        *next = Next::Rest;
                        return Poll::Ready(Ok(()));
                    }
                    let searched = held.len();
                    held.extend_from_slice(fresh);
                    let ended = fresh.is_empty();
                    buffer.set_filled(start);
                    if ended || !is_get(held) || normalise(held, searched) || held.len() >= MAX_HEAD {
                        *next = Next::Ready(mem::take(held));
                    }
                }
            }
        }
    }
}

fn poll_piece(tcp: &mut TcpStream, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    ready!(Pin::new(&mut tcp.take(PIECE)).poll_read(cx, buffer))?;
    turn::has_read();
    Poll::Ready(Ok(()))
}

/// Reads nothing; ready only if the client has closed the connection.
fn poll_gone(tcp: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    match ready!(tcp.poll_peek(cx, &mut ReadBuf::new(&mut [0])))? {
        0 => Poll::Ready(Ok(())),
        _ => {
            turn::has_more();
            Poll::Pending
        }
    }
}

/// Whether these may be the first bytes of a GET.
fn is_get(bytes: &[u8]) -> bool {
    let count = bytes.len().min(GET.len());
    bytes[..count] == GET[..count]
}

/// Returns whether a head ends in these bytes; its lists of upgrades with a WebSocket become `websocket` alone. The
/// first `searched` bytes have no end.
fn normalise(bytes: &mut [u8], searched: usize) -> bool {
    // As lenient as the parser: lines may end without \r.
    let is_end = |at: usize| matches!(bytes[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]);
    let from = searched.saturating_sub(2);
    let mut breaks = bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| from + at);
    let Some(end) = breaks.find(|at| is_end(*at)) else { return false };
    for line in bytes[..end].split_mut(|byte| *byte == b'\n') {
        let Some((name, value)) = line.split_at_mut_checked(UPGRADE.len()) else { continue };
        if name.eq_ignore_ascii_case(UPGRADE) && value.contains(&b',') && lists_websocket(value) {
            let had_return = value.last() == Some(&b'\r');
            value.fill(b' ');
            value[..WEBSOCKET.len()].copy_from_slice(WEBSOCKET);
            if had_return && let Some(last) = value.last_mut() {
                *last = b'\r';
            }
        }
    }
    true
}

fn lists_websocket(value: &[u8]) -> bool {
    // A value that the parser refuses stays as it is.
    let line = value.strip_suffix(b"\r").unwrap_or(value);
    let is_text = line.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
    is_text && value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(WEBSOCKET))
}

impl AsyncWrite for HttpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // After `100 Continue` comes a body; after any other answer, the next head.
        if matches!(self.next, Next::Rest) && !bytes.starts_with(b"HTTP/1.1 100") {
            self.next = Next::Head(Vec::new());
        }
        let written = self.tcp()?.poll_write(cx, bytes);
        turn::is_blocked(written.is_pending());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.tcp()?.poll_write_vectored(cx, slices);
        turn::is_blocked(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// What is read of these pieces, sent one by one.
    async fn read(pieces: &[&[u8]]) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        let mut stream = HttpStream::new(listener.accept().await.unwrap().0);
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let sending = tokio::spawn(async move {
            for piece in pieces {
                client.write_all(&piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        sending.await.unwrap();
        all
    }

    fn head(start: &str, upgrade: &str) -> String {
        format!("{start} HTTP/1.1\r\nHost: x\r\n{upgrade}\r\nConnection: Upgrade\r\n\r\n")
    }

    #[tokio::test]
    async fn a_list_with_a_websocket_becomes_one_however_it_arrives() {
        for (list, passed) in [
            ("Upgrade: websocket, h2c", "Upgrade:websocket      "),
            ("UPGRADE:h2c ,\tWebSocket", "UPGRADE:websocket      "),
            ("Upgrade: h2c", "Upgrade: h2c"),
            ("Upgrade: h2c, websocket2", "Upgrade: h2c, websocket2"),
            ("Upgrade: WebSocket ", "Upgrade: WebSocket "),
            ("X-Upgrade: websocket, h2c", "X-Upgrade: websocket, h2c"),
            ("Upgrade: websocket, \u{1}", "Upgrade: websocket, \u{1}"),
            ("Upgrade: websocket,\rX: y", "Upgrade: websocket,\rX: y"),
        ] {
            let after = "frames\r\nUpgrade: websocket, h2c\r\n\r\n";
            let (sent, expected) = (head("GET /", list) + after, head("GET /", passed) + after);
            let apart: Vec<&[u8]> = sent.as_bytes().chunks(1).collect();
            for pieces in [vec![sent.as_bytes()], apart] {
                assert_eq!(String::from_utf8_lossy(&read(&pieces).await), expected, "{list}");
            }
        }
    }

    #[tokio::test]
    async fn everything_else_passes_unchanged() {
        let long = head(&format!("GET /{}", "x".repeat(MAX_HEAD)), "Upgrade: websocket, h2c");
        let other = head("POST /", "Upgrade: websocket, h2c");
        for sent in [&*long, &other, "", "G", "GET", "GET / HTTP/1.1\r\nUpgrade: websocket, h2c\r\n", "\u{0}\n\n"] {
            assert_eq!(String::from_utf8_lossy(&read(&[sent.as_bytes()]).await), sent);
        }
        let bare = "GET / HTTP/1.1\nUpgrade: websocket, h2c\n\n";
        assert_eq!(read(&[bare.as_bytes()]).await, b"GET / HTTP/1.1\nUpgrade:websocket      \n\n");
    }
}
