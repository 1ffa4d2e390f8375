//! A node for a test, and clients that exchange single packets.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Client, Response};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message},
};

/// Long enough for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Echoes on `/engine.io/`.
pub const ECHO: &str = r#"
[[consumer]]
protocol = "engine.io"
path = "/engine.io/"
[consumer.on_raw."*"]
reply_raw = "message"
"#;

/// The key of each node's publish API.
pub const API_KEY: &str = "the-key-of-the-publish-api";

pub struct Node {
    child: Child,
    address: String,
}

impl Node {
    /// Starts one on a free port; `config` continues the section `[server]`.
    pub fn start(config: &str) -> Self {
        Self::with(config, &[])
    }

    pub fn with(config: &str, environment: &[(&str, &str)]) -> Self {
        let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
        let base = "presets = []\n[page]\nenabled = false\n[server]\nlisten = \"127.0.0.1:0\"\nworkers = 3\n";
        write!(file, "{base}{config}").unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_channelgate"))
            .arg("--config")
            .arg(file.path())
            .env_remove("REDIS_URL")
            .env("RUST_LOG", "info")
            .env("CHANNELGATE_API_KEY", API_KEY)
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the node starts").unwrap();
            if let Some((_, address)) = line.split_once("listens on http://") {
                break address.to_owned();
            }
            assert!(!line.contains("ERROR"), "{line}");
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// Stops the node, like Ctrl-C.
    pub fn interrupt(&self) {
        let told = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
    }

    /// Waits for its end; returns whether it was successful.
    pub async fn ended(mut self) -> bool {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(std::time::Instant::now() < deadline, "the node ends");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A WebSocket at `path`.
    pub async fn socket(&self, path: &str) -> Socket {
        self.try_socket(path).await.unwrap()
    }

    /// The same, where the handshake may be refused.
    pub async fn try_socket(&self, path: &str) -> tungstenite::Result<Socket> {
        let connected = connect_async(format!("ws://{}{path}", self.address));
        let (socket, _) = tokio::time::timeout(PATIENCE, connected).await.expect("an answer in time")?;
        Ok(Socket(socket))
    }

    /// A polling session at `path`.
    pub async fn session(&self, path: &str) -> Session {
        Session::open(self, path).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A WebSocket and its messages.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.send(Message::binary(bytes.to_vec())).await.unwrap();
    }

    /// The next message that is not an Engine.IO ping; pings are answered. Bytes are shown in hex.
    pub async fn next(&mut self) -> String {
        loop {
            let text = self.next_packet().await;
            if text != "2" {
                return text;
            }
            self.send("3").await;
        }
    }

    /// The next message of any kind.
    pub async fn next_packet(&mut self) -> String {
        match self.message().await {
            Some(Message::Text(text)) => text.to_string(),
            Some(Message::Binary(bytes)) => hex::encode(bytes),
            other => panic!("instead of a message: {other:?}"),
        }
    }

    /// The close code of the server; other messages are skipped.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.message().await {
                Some(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Some(_) => {}
                None => return None,
            }
        }
    }

    async fn message(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message in time");
        next.and_then(Result::ok)
    }
}

/// A polling session. Every request uses a new connection, so that any worker may get it.
pub struct Session {
    client: Client,
    url: String,
    path: String,
}

/// A client that keeps its connections.
pub fn client() -> Client {
    channelgate::backend::http_client().unwrap()
}

impl Session {
    async fn open(node: &Node, path: &str) -> Self {
        // The node's own client sets up the TLS library, which every other client expects.
        drop(client());
        let client = Client::builder().pool_max_idle_per_host(0).build().unwrap();
        let opened = client.get(node.http(&format!("{path}?EIO=4&transport=polling"))).send().await.unwrap();
        assert_eq!(opened.status(), 200);
        assert_eq!(opened.headers()["content-type"], "text/plain; charset=UTF-8");
        let open: serde_json::Value = serde_json::from_str(&opened.text().await.unwrap()[1..]).unwrap();
        assert_eq!(open["upgrades"], serde_json::json!(["websocket"]));
        let sid = open["sid"].as_str().unwrap();
        Self { client, url: node.http(path), path: format!("{path}?EIO=4&transport=websocket&sid={sid}") }.with(sid)
    }

    fn with(mut self, sid: &str) -> Self {
        self.url = format!("{}?EIO=4&transport=polling&sid={sid}", self.url);
        self
    }

    /// The same session, requested at another node.
    pub fn through(&self, node: &Node) -> Self {
        let query = self.url.split_once('?').unwrap().1;
        let path = self.path.split_once('?').unwrap().0;
        Self { client: self.client.clone(), url: node.http(&format!("{path}?{query}")), path: self.path.clone() }
    }

    /// The path of a WebSocket for the same session.
    pub fn upgrade_path(&self) -> &str {
        &self.path
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn get(&self) -> Response {
        tokio::time::timeout(PATIENCE, self.client.get(&self.url).send()).await.expect("an answer in time").unwrap()
    }

    /// Sends a request for messages, all of it, and closes the connection before the answer.
    pub async fn abandon_a_request(&self) {
        let (address, target) = self.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET /{target} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await.unwrap();
    }

    /// The waiting payload, without pings, which are answered.
    pub async fn poll(&self) -> String {
        loop {
            let answer = self.get().await;
            assert_eq!(answer.status(), 200);
            let text = answer.text().await.unwrap();
            if !text.split('\x1e').any(|packet| packet == "2") {
                return text;
            }
            self.post("3").await;
            let rest: Vec<_> = text.split('\x1e').filter(|packet| *packet != "2").collect();
            if !rest.is_empty() {
                return rest.join("\x1e");
            }
        }
    }

    pub async fn post(&self, body: impl Into<String>) -> (u16, String) {
        let answer = self.client.post(&self.url).body(body.into()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}
