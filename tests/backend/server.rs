//! A small HTTP server for a test: it reads complete requests and answers each as the test specifies.

use std::{
    collections::HashMap,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A received request.
#[derive(Clone, Debug)]
pub struct Received {
    pub line: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

pub struct Server {
    pub address: SocketAddr,
    pub received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// An answer with a JSON body.
pub fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

impl Server {
    /// Answers each request with the bytes that `with` gives for its number; empty bytes close the connection.
    pub async fn start<F, A>(with: F) -> Self
    where
        F: Fn(usize) -> A + Send + Sync + 'static,
        A: Future<Output = Vec<u8>> + Send + 'static,
    {
        Self::at(([127, 0, 0, 1], 0).into(), with).await
    }

    /// The same, on this address.
    pub async fn at<F, A>(address: SocketAddr, with: F) -> Self
    where
        F: Fn(usize) -> A + Send + Sync + 'static,
        A: Future<Output = Vec<u8>> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let (with, log) = (Arc::new(with), Arc::clone(&received));
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
        format!("http://{}/gate", self.address)
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
    F: Fn(usize) -> A,
    A: Future<Output = Vec<u8>>,
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
        let number = {
            let mut log = log.lock().unwrap();
            log.push(Received { line, headers, body });
            log.len() - 1
        };
        let answer = with(number).await;
        if answer.is_empty() {
            return None;
        }
        stream.write_all(&answer).await.ok()?;
    }
}
