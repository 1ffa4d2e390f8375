//! A small HTTP server for a test: what it answers, and how it breaks, is written by the test.

use std::{
    collections::HashMap,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};

/// A received request.
#[derive(Clone, Debug)]
pub struct Received {
    pub line: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The calls of a batch, or the one call.
    pub fn calls(&self) -> Vec<Value> {
        let body = self.json();
        body["batch"].as_array().cloned().unwrap_or_else(|| vec![body])
    }
}

/// Where an answer goes.
pub struct Out {
    stream: TcpStream,
}

/// The head of an answer with lines.
pub const LINES: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";

impl Out {
    /// Bytes as they are; a client that has gone does not fail the test.
    pub async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// One line as a chunk.
    pub async fn line(&mut self, line: &str) {
        self.raw(format!("{:x}\r\n{line}\n\r\n", line.len() + 1)).await;
    }

    /// The end of the answer.
    pub async fn end(mut self) -> Option<Self> {
        self.raw("0\r\n\r\n").await;
        Some(self)
    }

    /// A whole answer of these lines.
    pub async fn lines(mut self, lines: &[&str]) -> Option<Self> {
        self.raw(LINES).await;
        for line in lines {
            self.line(line).await;
        }
        self.end().await
    }

    /// An answer without lines.
    pub async fn answer(mut self, status: &str, headers: &str, body: &str) -> Option<Self> {
        let length = body.len();
        self.raw(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")).await;
        Some(self)
    }

    /// Waits until the client has closed the connection.
    pub async fn closed(mut self) {
        let mut rest = [0; 64];
        while !matches!(self.stream.read(&mut rest).await, Ok(0) | Err(_)) {}
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// Calls `with` for each request; `None` closes the connection.
    pub async fn start<F, A>(with: F) -> Self
    where
        F: Fn(Received, Out) -> A + Send + Sync + 'static,
        A: Future<Output = Option<Out>> + Send + 'static,
    {
        Self::at(([127, 0, 0, 1], 0).into(), with).await
    }

    /// The same, on this address.
    pub async fn at<F, A>(address: SocketAddr, with: F) -> Self
    where
        F: Fn(Received, Out) -> A + Send + Sync + 'static,
        A: Future<Output = Option<Out>> + Send + 'static,
    {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener: TcpListener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (accepted, with, log) = (Arc::clone(&connections), Arc::new(with), Arc::clone(&received));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (with, log) = (Arc::clone(&with), Arc::clone(&log));
                tokio::spawn(async move { serve(stream, &*with, &log).await });
            }
        });
        Self { address, received, connections, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/channelgate", self.address)
    }

    pub fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// The number of connections made to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn last(&self) -> Received {
        self.received.lock().unwrap().last().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<F, A>(mut stream: TcpStream, with: &F, log: &Mutex<Vec<Received>>) -> Option<()>
where
    F: Fn(Received, Out) -> A,
    A: Future<Output = Option<Out>>,
{
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
        let mut lines = head.lines();
        let line = lines.next()?.to_owned();
        let headers: HashMap<_, _> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers.get("content-length")?.parse().ok()?;
        while bytes.len() < end + length {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
        let body = bytes[end..end + length].to_vec();
        bytes.drain(..end + length);
        let received = Received { line, headers, body };
        log.lock().unwrap().push(received.clone());
        stream = with(received, Out { stream }).await?.stream;
    }
}
