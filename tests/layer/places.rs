//! Every kind of Redis: several hosts, Sentinel, a unix socket, TLS, an old version.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use channelgate::{
    config::{self, Secret},
    layer::{
        Layer, Readiness,
        redis::{RedisLayer, StartError},
    },
    telemetry::Metrics,
};

use crate::{
    redis_server::{RedisServer, free_port},
    support::{Django, Node, event, eventually, options},
};

async fn both_layers_deliver(node: &Node, django: &mut Django, rooms: i64) {
    for n in 0..rooms {
        node.join(&format!("room_{n}")).await;
    }
    for n in 0..rooms {
        let name = format!("room_{n}");
        while django.core_send(&name, &event(n)) > 0 {}
        django.pubsub_send(&name, &event(n));
    }
    node.until(usize::try_from(rooms * 2).unwrap()).await;
    for n in 0..rooms {
        assert_eq!(node.received.numbers(&format!("room_{n}")), [n, n]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_hosts_are_one_ring() {
    for count in [2, 3] {
        let servers: Vec<RedisServer> = (0..count).map(|_| RedisServer::start()).collect();
        let servers: Vec<&RedisServer> = servers.iter().collect();
        let options = options(&servers);
        let node = Node::ready(&options).await;
        let mut django = Django::new(&options, &servers);
        both_layers_deliver(&node, &mut django, 60).await;
        // A plain publisher may use any host, and a direct send goes to the host of its name's hash.
        for host in 0..count {
            django.publish(host, "channelgate:room_0", br#"{"n": 99}"#);
        }
        let before = node.received.count();
        node.until(before.max(120 + count)).await;
        for host in 0..count {
            let member = django.members("room_1").remove(0);
            let codec = channelgate::layer::codec::envelope::LayerCodec::new(&options);
            let to = channelgate::layer::codec::envelope::Addressee::Channel(&member);
            let bytes = codec.encode_core(&event(100), to, std::time::SystemTime::now()).unwrap();
            let queue = format!("asgi{}!", member.split('!').next().unwrap());
            let () = redis::cmd("ZADD").arg(queue).arg(1).arg(bytes).query(django.host(host)).unwrap();
        }
        node.until(120 + 2 * count).await;
        node.layer.stop().await;
        for host in 0..count {
            let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(django.host(host)).unwrap();
            assert!(keys.is_empty(), "{keys:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_a_host() {
    let redis = RedisServer::start();
    let url = format!("redis+unix://{}", redis.socket().display());
    let options = config::Layer { url: Some(Secret::new(url)), hosts: Vec::new(), ..options(&[&redis]) };
    let node = Node::ready(&options).await;
    both_layers_deliver(&node, &mut Django::new(&options, &[&redis]), 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_and_a_database_are_used() {
    let redis = RedisServer::with(&["--requirepass", "secret"]);
    let url = |password: &str| Secret::new(format!("redis://:{password}@127.0.0.1:{}/3", redis.port()));
    let options = config::Layer { hosts: vec![url("secret")], ..options(&[&redis]) };
    let node = Node::ready(&options).await;
    node.join("room").await;
    let client = redis::Client::open(options.hosts[0].expose()).unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut client.get_connection().unwrap()).unwrap();
    assert_eq!(keys, ["asgi:group:room"]);
    let wrong = Node::new(&config::Layer { hosts: vec![url("wrong")], ..options }, Vec::new());
    eventually("the reason is reported", || match wrong.layer.readiness() {
        Readiness::NotReady(reason) => reason.contains("WRONGPASS") || reason.to_lowercase().contains("auth"),
        Readiness::Ready | Readiness::Degraded(_) => panic!("a wrong password was accepted"),
    })
    .await;
    assert!(!format!("{}", wrong.layer.readiness()).contains("wrong@"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_redis_without_resp3_works() {
    let redis = RedisServer::with(&["--rename-command", "HELLO", ""]);
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    let mut django = Django::new(&options, &[&redis]);
    both_layers_deliver(&node, &mut django, 20).await;
    for n in 0..300 {
        while django.core_send("room_0", &event(1000 + n)) > 0 {}
    }
    node.until(340).await;
    let numbers = node.received.numbers("room_0");
    assert_eq!(numbers[2..], (1000..1300).collect::<Vec<_>>());
    node.layer.stop().await;
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let output =
        Command::new("openssl").args(arguments).current_dir(directory).output().expect("openssl must be installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_verified_against_the_named_authority() {
    let files = tempfile::TempDir::new().unwrap();
    let at = files.path();
    openssl(
        at,
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            "/CN=test authority",
        ],
    );
    openssl(
        at,
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "redis.key",
            "-out",
            "redis.csr",
            "-subj",
            "/CN=localhost",
        ],
    );
    fs::write(at.join("san.cnf"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    openssl(
        at,
        &[
            "x509",
            "-req",
            "-in",
            "redis.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-out",
            "redis.pem",
            "-extfile",
            "san.cnf",
        ],
    );
    let file = |name: &str| at.join(name).to_str().unwrap().to_owned();
    let port = free_port();
    let redis = RedisServer::with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &file("redis.pem"),
        "--tls-key-file",
        &file("redis.key"),
        "--tls-ca-cert-file",
        &file("ca.pem"),
        "--tls-auth-clients",
        "no",
    ]);
    let trusting = format!("rediss://127.0.0.1:{port}/?ssl_ca_certs={}", file("ca.pem"));
    let options = config::Layer { hosts: vec![Secret::new(trusting)], ..options(&[&redis]) };
    let node = Node::ready(&options).await;
    both_layers_deliver(&node, &mut Django::new(&options, &[&redis]), 3).await;

    let strange = format!("rediss://127.0.0.1:{port}/");
    let node = Node::new(&config::Layer { hosts: vec![Secret::new(strange)], ..options }, Vec::new());
    eventually("the certificate is refused", || match node.layer.readiness() {
        Readiness::NotReady(reason) => reason.to_lowercase().contains("certificate"),
        Readiness::Ready | Readiness::Degraded(_) => panic!("an unknown authority was trusted"),
    })
    .await;
}

/// A redis-sentinel of one test.
struct Sentinel {
    child: Child,
    _directory: tempfile::TempDir,
    port: u16,
}

impl Sentinel {
    fn watching(master: &RedisServer) -> Self {
        let directory = tempfile::TempDir::new().unwrap();
        let port = free_port();
        let file = directory.path().join("sentinel.conf");
        let settings = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor mymaster 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 2000\n",
            directory.path().display(),
            master.port()
        );
        fs::write(&file, settings).unwrap();
        let child = Command::new("redis-server")
            .arg(&file)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, _directory: directory, port }
    }

    fn replicas(&self) -> usize {
        let Ok(client) = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)) else { return 0 };
        let Ok(mut connection) = client.get_connection() else { return 0 };
        let replicas: Result<Vec<redis::Value>, _> =
            redis::cmd("SENTINEL").arg("REPLICAS").arg("mymaster").query(&mut connection);
        replicas.map_or(0, |replicas| replicas.len())
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // Its end does not matter to the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinel_names_the_master_and_after_a_failover_the_new_one() {
    let mut master = RedisServer::start();
    let replica = RedisServer::with(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
    let sentinel = Sentinel::watching(&master);
    eventually("the sentinel knows the replica", || sentinel.replicas() == 1).await;
    // The first address does not answer: the next one is asked.
    let url = format!("redis+sentinel://127.0.0.1:{},127.0.0.1:{}/mymaster/0", free_port(), sentinel.port);
    let options = config::Layer { hosts: vec![Secret::new(url)], ..options(&[&master]) };
    let node = Node::ready(&options).await;
    both_layers_deliver(&node, &mut Django::new(&options, &[&master]), 3).await;

    master.kill();
    eventually("not ready", || node.layer.readiness() != Readiness::Ready).await;
    node.until_ready().await;
    let mut django = Django::new(&options, &[&replica]);
    django.core_send("room_1", &event(50));
    django.pubsub_send("room_1", &event(50));
    node.until(8).await;
    assert_eq!(node.received.numbers("room_1"), [1, 1, 50, 50]);
}

#[test]
fn an_invalid_url_is_an_error_at_start_without_its_password() {
    let start = |options: &config::Layer| RedisLayer::new(options, Vec::new(), Metrics::new()).err().unwrap();
    assert!(matches!(start(&config::Layer::default()), StartError::NoHost));
    let hosts = vec![Secret::new("redis://127.0.0.1"), Secret::new("http://u:secret@h")];
    let error = start(&config::Layer { hosts, ..Default::default() }).to_string();
    assert!(error.contains("Redis 2") && !error.contains("secret"), "{error}");
}
