use super::*;

fn direct(text: &str) -> Server {
    match Host::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).endpoint {
        Endpoint::Direct(server) => server,
        Endpoint::Sentinels(_) => panic!("{text}"),
    }
}

fn login(text: &str) -> (Option<String>, Option<String>, i64) {
    let login = direct(text).access.login.clone();
    (login.username().map(str::to_owned), login.password().map(str::to_owned), login.db())
}

fn error(text: &str) -> String {
    Host::parse(text).err().unwrap_or_else(|| panic!("taken: {text}")).to_string()
}

#[test]
fn urls_are_read_as_redis_py_reads_them() {
    // Each line is the result of redis.asyncio.connection.parse_url.
    for (url, address, username, password, db) in [
        ("redis://user:p%40ss@example.org:7000/3", "example.org:7000", "user", "p@ss", 3),
        ("redis://localhost", "localhost:6379", "", "", 0),
        ("redis://", "localhost:6379", "", "", 0),
        ("redis://:6380", "localhost:6380", "", "", 0),
        ("redis:///4", "localhost:6379", "", "", 4),
        ("redis://h:", "h:6379", "", "", 0),
        ("REDIS://h", "h:6379", "", "", 0),
        ("redis://h/3/", "h:6379", "", "", 3),
        ("redis://h?db=3", "h:6379", "", "", 3),
        ("redis://h/2?db=3", "h:6379", "", "", 3),
        ("redis://h?username=u&password=p", "h:6379", "u", "p", 0),
        ("redis://a:b@h?username=u&password=p", "h:6379", "a", "b", 0),
        ("redis://:b@h?username=u", "h:6379", "u", "b", 0),
        ("redis://h?password=a%2Bb+c", "h:6379", "", "a+b c", 0),
        ("redis://h?password=a%2525b", "h:6379", "", "a%b", 0),
        ("redis://h?db=1&db=2", "h:6379", "", "", 1),
        ("redis://:p@ss@h", "h:6379", "", "p@ss", 0),
        ("redis://:100%@h", "h:6379", "", "100%", 0),
        ("redis://:@h", "h:6379", "", "", 0),
        ("redis://[::1]:7000", "[::1]:7000", "", "", 0),
        ("redis://[::1]/1", "[::1]:6379", "", "", 1),
        ("valkey://:p@h:1/2", "h:1", "", "p", 2),
        (
            "redis://h?client_name=gate&health_check_interval=30&retry_on_timeout=yes&socket_keepalive=1",
            "h:6379",
            "",
            "",
            0,
        ),
        ("redis://h?socket_connect_timeout=2.5", "h:6379", "", "", 0),
    ] {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        assert_eq!(direct(url).address(), address, "{url}");
        assert_eq!(login(url), (some(username), some(password), db), "{url}");
        assert!(direct(url).access.tls.is_none(), "{url}");
    }
    assert!(direct("rediss://h:1").access.tls.is_some() && direct("valkeys://h:1").access.tls.is_some());
    // A user without a password logs in with an empty one.
    assert_eq!(login("redis://reader@h"), (Some("reader".to_owned()), Some(String::new()), 0));
}

#[test]
fn unix_sockets_are_read_in_every_spelling() {
    for text in [
        "unix:///run/redis.sock?db=2&password=pw",
        "redis+unix:///run/redis.sock?db=2&pass=pw",
        "unix://:pw@/run/redis.sock?db=2",
        r#"{"path": "/run/redis.sock", "db": 2, "password": "pw"}"#,
        r#"{"address": "unix:///run/redis.sock", "db": 2, "password": "pw"}"#,
    ] {
        assert_eq!(direct(text).address(), "/run/redis.sock", "{text}");
        assert_eq!(login(text), (None, Some("pw".to_owned()), 2), "{text}");
    }
}

#[test]
fn every_form_of_a_host_of_channels_redis_is_read() {
    for (text, address, db) in [
        (r#"["10.0.0.1", 6380]"#, "10.0.0.1:6380", 0),
        (r#"["10.0.0.1", "6380"]"#, "10.0.0.1:6380", 0),
        (r#"{"host": "10.0.0.1", "port": 6380, "db": 5}"#, "10.0.0.1:6380", 5),
        (r#"{"host": "10.0.0.1", "port": "6380", "db": "5", "password": null}"#, "10.0.0.1:6380", 5),
        (r#"{"host": "10.0.0.1"}"#, "10.0.0.1:6379", 0),
        (r#"{"port": 7}"#, "localhost:7", 0),
        (r#"{"address": "redis://h:1/2"}"#, "h:1", 2),
        (r#"{"address": "redis://h:1/2", "db": 7, "host": "other"}"#, "h:1", 2),
        (r#"{"address": "redis://h:1", "db": 7}"#, "h:1", 7),
    ] {
        assert_eq!((direct(text).address(), login(text).2), (address.to_owned(), db), "{text}");
    }
    assert!(direct(r#"{"host": "h", "ssl": true, "ssl_cert_reqs": "none"}"#).access.tls.is_some());
    assert!(direct(r#"{"address": "rediss://h", "ssl_cert_reqs": null}"#).access.tls.is_some());
    assert!(direct(r#"{"address": "rediss://h", "ssl_cert_reqs": 0}"#).access.tls.is_some());
}

#[test]
fn sentinels_are_read_from_urls_and_tables() {
    for (text, label) in [
        ("redis+sentinel://app:pw@a:1,b,[::1]:3/mymaster/4?sentinel_password=s", "mymaster of a:1,b:26379,[::1]:3"),
        ("rediss+sentinel://:pw@a:1/m?sentinel_ssl=false", "m of a:1"),
        ("redis+sentinel://a:1/m?sentinel_ssl=true&sentinel_ssl_cert_reqs=none", "m of a:1"),
        (r#"{"sentinels": [["a", 1], ["b", 2]], "master_name": "m"}"#, "m of a:1,b:2"),
        (
            r#"{"sentinels": [["a", 1]], "master_name": "m", "password": "p", "db": 3, "ssl": true,
                "sentinel_kwargs": {"password": "s", "ssl": true, "ssl_check_hostname": false}}"#,
            "m of a:1",
        ),
    ] {
        let host = Host::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(host.label(), label);
        assert!(host.moves());
    }
}

#[test]
fn errors_say_what_to_write_and_do_not_contain_the_password() {
    for (text, said) in [
        ("localhost:6379", "must begin with"),
        ("http://secret@h", "must begin with"),
        ("redis://u:secret@h:port", "port"),
        ("redis://:sec/ret@h:6379", "%2F"),
        ("redis://:sec#ret@h:6379", "%23"),
        ("redis://u:secret@h/db", "database must be a number"),
        ("rediss://u:secret@h/#insecure", "ssl_cert_reqs=none"),
        ("rediss://u:secret@h/?ssl_cert_reqs=CERT_NONE", "\"none\""),
        ("rediss://u:secret@h/?ssl_ca_certs=/nowhere/ca.pem", "/nowhere/ca.pem"),
        ("rediss://u:secret@h/?ssl_ca_data=secret", "ssl_ca_data"),
        ("rediss://u:secret@h/?ssl_keyfile=/nowhere/key.pem", "needs ssl_certfile"),
        ("rediss://u:secret@h/?ssl_password=secret", "openssl pkey"),
        ("rediss://u:secret@h/?ssl_min_version=TLSv1", "TLSv1_2"),
        ("rediss://u:secret@h/?ssl_ciphers=HIGH", "ECDHE-RSA-AES256-GCM-SHA384"),
        ("rediss://u:secret@h/?ssl_include_verify_flags=[VERIFY_CRL_CHECK_LEAF]", "may have only"),
        ("redis://u:secret@h/?ssl_ca_certs=/ca.pem", "rediss://"),
        ("redis://u:secret@h/?ssl=true", "rediss://"),
        ("redis://u:secret@h/0?dbb=3", "did you mean \"db\""),
        ("redis://h?passwort=secret", "did you mean \"password\""),
        ("redis://h?password=", "password has no value"),
        // A password with a "?" in it.
        ("redis://:p?secret@h:6379", "? is %3F"),
        ("redis://u:p?secret&x@h", "? is %3F"),
        ("redis://h?db=secret", "db must be a number"),
        ("redis://h?max_connections=10", "cache.pool"),
        ("redis://h?socket_timeout=10", "layer.probe_timeout"),
        ("redis://h?decode_responses=True", "concerns only redis-py"),
        ("redis://h?socket_keepalive=false", "cannot be off"),
        ("redis://h?sentinel_password=secret", "unknown"),
        ("unix:///s?sslx=secret", "unknown"),
        ("redis+sentinel://u:secret@h/m?usernam=secret", "did you mean \"username\""),
        ("redis+sentinel://u:secret@h", "name of the master"),
        ("redis+sentinel://u:secret@h:x/m", "port"),
        ("redis+sentinel://u:secret@,/m", "host name"),
        ("redis+sentinel://a/m,b", "all sentinels"),
        ("redis+sentinel://a/m?sentinel_db=3", "no databases"),
        ("unix://u:secret@", "path"),
        ("unix:///s?db=x&password=secret", "number"),
        (r#"{"host": "h", "password": "secret", "ssl_ca_certs": "/ca.pem"}"#, "ssl = true"),
        (r#"{"hosst": "h", "password": "secret"}"#, "did you mean \"host\""),
        (r#"{"address": "redis://h", "ssl": true, "password": "secret"}"#, "rediss://"),
        (r#"{"host": "h", "unix_socket_path": "/s"}"#, "write path"),
        (r#"{"host": "h", "connection_class": "SSLConnection"}"#, "ssl = true"),
        (r#"{"path": "/s", "ssl": true}"#, "no TLS"),
        (r#"{"sentinels": [["a", 1]], "password": "secret"}"#, "master_name"),
        (r#"{"sentinels": ["a:1"], "master_name": "m"}"#, "[\"10.0.0.1\", 6379]"),
        (r#"{"sentinels": [], "master_name": "m"}"#, "at least one"),
        (
            r#"{"sentinels": [["a", 1]], "master_name": "m", "sentinel_kwargs": {"pasword": "secret"}}"#,
            "sentinel_kwargs: ",
        ),
        (r#"{"host": "secret", "port": }"#, "a table is written"),
        (r#"["h"]"#, "[\"10.0.0.1\", 6379]"),
        (r#"["h", 1, 2]"#, "[\"10.0.0.1\", 6379]"),
    ] {
        let error = error(text);
        assert!(error.contains(said), "{text}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
