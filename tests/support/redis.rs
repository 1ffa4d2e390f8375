//! A real redis-server for one test: a free loopback port, its own directory, killed by its process id at the end.

use std::{
    net::{Ipv4Addr, SocketAddr},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// A redis-server that a test owns.
pub struct RedisServer {
    child: Option<Child>,
    port: u16,
    arguments: Vec<String>,
    directory: TempDir,
}

/// A port for a server. It stays taken, so that the server of no other test gets it, also while this one is killed and
/// a node tries to reach it.
pub fn free_port() -> u16 {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // Redis sets it, too, and may listen.
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    std::mem::forget(socket);
    port
}

impl RedisServer {
    /// A server on a free port; it answers when this returns.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same, with more arguments.
    pub fn with(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        // A program that takes no care may have the port; then the server ends at once.
        for _ in 0..20 {
            let mut server = Self {
                child: None,
                port: free_port(),
                arguments: arguments.clone(),
                directory: TempDir::new().unwrap(),
            };
            if server.try_spawn() {
                return server;
            }
        }
        panic!("redis-server does not start with {arguments:?}");
    }

    fn try_spawn(&mut self) -> bool {
        let mut child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(["--port", &self.port.to_string(), "--dir"])
            .arg(self.directory.path())
            .arg("--unixsocket")
            .arg(self.socket())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server must be installed");
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            // Its own socket, which it opens after the port: at the port another test's server may answer.
            if UnixStream::connect(self.socket()).is_ok() {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        false
    }

    /// Its TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://…`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// Restarts it on the same port, empty.
    pub fn restart(&mut self) {
        self.kill();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.try_spawn() {
            assert!(Instant::now() < deadline, "redis-server does not come back on port {}", self.port);
        }
    }

    /// Ends it like `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Freezes it: connections stay open, but get no answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Ends the freeze.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// A plain connection for the test's own commands.
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).unwrap();
        let connection = client.get_connection_with_timeout(Duration::from_secs(10)).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        connection
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
