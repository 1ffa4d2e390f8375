//! A second WebSocket that wants to carry on for a connection without one: it is read here until it has shown that it
//! works, and then given to that connection. What the client sends right behind that is the connection's own already.

use std::{ops::ControlFlow, rc::Rc};

use bytes::BytesMut;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{
    connection::Connection,
    driver::{self, Driver},
    frame,
    negotiate::Deflate,
    reader::{Limits, Reader, Received},
};
use crate::event::{Incoming, Payload};

/// Bytes one read takes at most: a probe is short.
const SCRATCH: usize = 4 << 10;

/// What becomes of a candidate after a message.
pub enum Verdict {
    /// It is answered, and goes on.
    Answer(Payload),
    /// It carries this connection from here on.
    Adopt(Rc<Connection>),
    /// It is closed.
    End,
}

/// What may be there of a message that is not whole: a probe is six bytes.
const MAX_PROBE: usize = 8 << 10;

/// Who judges a candidate.
pub trait Judge {
    /// A message came from it.
    fn judge(&self, message: Incoming<'_>) -> Verdict;
}

/// Reads a candidate until it is adopted; then it is the driver of the connection. `None` if it was not, in time.
pub async fn probe(
    stream: TcpStream,
    mut early: BytesMut,
    deflate: Option<Deflate>,
    max_message: usize,
    judge: impl Judge,
    deadline: Instant,
) -> Option<Driver> {
    let mut candidate =
        Candidate { reader: Reader::new(deflate.is_some()), answer: Vec::new(), adopted: None, over: false };
    let limits = Limits { max_message };
    let mut stream = stream;
    let mut buffer = vec![0; SCRATCH];
    candidate.take(&mut early, &limits, &judge);
    while candidate.adopted.is_none() && !candidate.over {
        if !candidate.answer.is_empty() {
            let answer = std::mem::take(&mut candidate.answer);
            timeout_at(deadline, stream.write_all(&answer)).await.ok()?.ok()?;
        }
        timeout_at(deadline, stream.readable()).await.ok()?.ok()?;
        match stream.try_read(&mut buffer) {
            Ok(0) => return None,
            Ok(count) => candidate.take(&mut buffer[..count], &limits, &judge),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    if let Some(connection) = candidate.adopted {
        // What was answered before the adoption goes out before what the connection holds for the client.
        let written = timeout_at(deadline, stream.write_all(&candidate.answer)).await;
        connection.adopt(stream, deflate);
        if !matches!(written, Ok(Ok(()))) {
            connection.abort();
        }
        return Some(Driver::resume(connection, candidate.reader));
    }
    // Nobody waits for the client's own Close: it is told, and let go.
    let _ = timeout_at(deadline, stream.write_all(&candidate.answer)).await;
    let _ = timeout_at(deadline, stream.shutdown()).await;
    None
}

struct Candidate {
    reader: Reader,
    answer: Vec<u8>,
    adopted: Option<Rc<Connection>>,
    over: bool,
}

impl Candidate {
    fn take(&mut self, bytes: &mut [u8], limits: &Limits, judge: &impl Judge) {
        let Self { reader, answer, adopted, over } = self;
        let result = reader.read(bytes, limits, &mut |received| {
            if let Some(connection) = adopted {
                return driver::hand_on(connection, connection.handler().as_ref(), received);
            }
            let message = match received {
                Received::Text(text) => Incoming::Text(text),
                Received::Binary(bytes) => Incoming::Binary(bytes),
                Received::Ping(payload) => {
                    answer.extend_from_slice(&frame::pong(payload));
                    return ControlFlow::Continue(());
                }
                Received::Pong(_) => return ControlFlow::Continue(()),
                Received::Close(close) => {
                    answer.extend_from_slice(&frame::close_reply(close));
                    *over = true;
                    return ControlFlow::Break(());
                }
            };
            match judge.judge(message) {
                Verdict::Answer(payload) => {
                    answer.extend_from_slice(&frame::Frame::new(&payload).into_bytes());
                    ControlFlow::Continue(())
                }
                Verdict::Adopt(connection) => {
                    *adopted = Some(connection);
                    ControlFlow::Continue(())
                }
                Verdict::End => {
                    answer.extend_from_slice(&frame::close(super::close::CloseCode::NORMAL, ""));
                    *over = true;
                    ControlFlow::Break(())
                }
            }
        });
        if adopted.is_none() && reader.held() > MAX_PROBE {
            *over = true;
            return;
        }
        match (result, adopted) {
            (Err(error), Some(connection)) => driver::fail(connection, error),
            (Err(error), None) => {
                answer.extend_from_slice(&frame::close(error.code(), &error.to_string()));
                *over = true;
            }
            (Ok(()), _) => {}
        }
    }
}
