//! A second WebSocket that is to take over a connection without a socket: it is read here until it has proven to work,
//! and then passed to that connection, together with the client's further bytes.

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
    reader::{ReadLimits, Reader, Received},
};
use crate::event::{Incoming, Payload};

/// Maximum number of bytes per read: a probe is short.
const SCRATCH: usize = 4 << 10;

/// The decision about a candidate after a message.
pub enum Verdict {
    /// It is answered, and continues.
    Answer(Payload),
    /// It carries this connection from now on.
    Adopt(Rc<Connection>),
    /// It is closed.
    End,
}

/// Maximum size of an incomplete message: a probe has six bytes.
const MAX_PROBE: usize = 8 << 10;

/// Decides about a candidate.
pub trait Judge {
    /// A message arrived from it.
    fn judge(&self, message: Incoming<'_>) -> Verdict;
}

/// Reads a candidate until it is adopted; returns the driver of the connection, or `None` if it was not adopted in
/// time.
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
    let limits = ReadLimits { max_message };
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
        // Answers from before the adoption are sent before the connection's waiting messages.
        let written = timeout_at(deadline, stream.write_all(&candidate.answer)).await;
        connection.adopt(stream, deflate);
        if !matches!(written, Ok(Ok(()))) {
            connection.abort();
        }
        return Some(Driver::resume(connection, candidate.reader));
    }
    // The client's own Close is not awaited: it gets the answer and is dropped.
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
    fn take(&mut self, bytes: &mut [u8], limits: &ReadLimits, judge: &impl Judge) {
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
