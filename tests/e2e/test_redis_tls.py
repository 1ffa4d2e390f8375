"""TLS to Redis: what redis-py connects to, the node connects to, and nothing else.

The oracle is redis-py through channels_redis' own `create_pool`, with the same settings against the same servers.
"""

import asyncio
import json
import ssl

import pytest
import redis.asyncio as redis
import stack
from channels_redis.utils import create_pool, decode_hosts
from redis.exceptions import RedisError
from rig.certificates import HERE, Certificates
from rig.client import until
from rig.http import Http
from rig.system import System

#: Several hosts are the same Redis here, so they must not share queues.
FAST = {"CHANNELGATE__LAYER__PROBE_INTERVAL": "200ms", "CHANNELGATE_LAYER": "pubsub"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    for authority in ("ca", "other", "system"):
        made.self_signed(authority, authority)
    made.signed("named", "ca", "redis", HERE)
    made.signed("public", "system", "redis", HERE)
    made.signed("wrong", "ca", "redis", "subjectAltName=DNS:elsewhere")
    made.signed("both", "ca", "localhost", "subjectAltName=DNS:elsewhere")
    made.signed("first", "ca", "localhost")
    made.signed("first_wrong", "ca", "redis")
    made.signed("subject", "ca", "localhost", "basicConstraints=CA:FALSE")
    made.signed("star", "ca", "*.localhost", "basicConstraints=CA:FALSE")
    made.signed("client", "ca", "redis", HERE, "extendedKeyUsage=clientAuth")
    made.signed("authority", "ca", "redis", HERE, "basicConstraints=critical,CA:TRUE")
    made.signed("expired", "ca", "redis", HERE, days=-1)
    made.signed("between", "ca", "between", "basicConstraints=critical,CA:TRUE")
    made.signed("leaf", "between", "redis", HERE)
    made.bundle("chain", "leaf", "between", key="leaf")
    made.self_signed("own", "redis", HERE)
    made.self_signed("own_subject", "localhost")
    made.self_signed("own_wrong", "redis", "subjectAltName=DNS:elsewhere")
    made.self_signed("own_leaf", "redis", HERE, "basicConstraints=critical,CA:FALSE")
    made.bundle("several", "other", "ca")
    (made.directory / "client_and_key.pem").write_text(made.text("named") + (made.directory / "named.key").read_text())
    (made.directory / "hashed").mkdir()
    (made.directory / "hashed" / "ca.pem").write_text(made.text("ca"))
    made.openssl("rehash", "hashed")
    return made


class Tls:
    """Redis servers, one per certificate, each with an ordinary port for the test besides."""

    def __init__(self, system: System, certificates: Certificates):
        self.system, self.certificates = system, certificates
        self.parts: dict[str, stack.Part] = {}
        self.ports: dict[str, int] = {}

    def start(
        self, name: str, certificate: str | None = None, *more: str, clients: str = "no", authorities: str = "ca"
    ):
        self.ports[name] = stack.free_port()
        arguments = self.certificates.server(certificate or name, authorities, self.ports[name], clients)
        part = stack.redis(self.certificates.directory, stack.free_port(), f"tls-{name}", [*arguments, *more])
        self.parts[name] = self.system._start(part, wait=False)

    async def clients(self) -> set[str]:
        """The names of the clients of every server."""
        names = set()
        for part in self.parts.values():
            connection = redis.Redis(port=part.port)
            names |= {client["name"] for client in await connection.client_list()}
            await connection.aclose()
        return names - {""}


def rows(made: Certificates) -> list[tuple[str, dict]]:
    """A server, and a host of channels_redis without its address."""
    ca, other = {"ssl_ca_certs": made.path("ca.crt")}, {"ssl_ca_certs": made.path("other.crt")}
    any_name, none = {"ssl_check_hostname": False}, {"ssl_cert_reqs": "none"}

    def pin(name):
        return {"ssl_ca_certs": made.path(f"{name}.crt")}

    table = [("named", setting) for setting in ({}, none, ca, ca | any_name, other, other | none)]
    table += [
        ("named", ca | {"ssl_cert_reqs": "optional"}),
        ("named", other | {"ssl_cert_reqs": "optional"}),
        ("named", {"ssl_cert_reqs": None}),
        ("named", none | {"ssl_check_hostname": True}),
        ("named", {"ssl_ca_certs": made.path("several.crt")}),
        ("named", {"ssl_ca_path": made.path("hashed")}),
        ("named", {"ssl_ca_data": made.text("ca")}),
        ("named", {"ssl_ca_data": made.text("other")}),
        ("named", ca | {"ssl_min_version": ssl.TLSVersion.TLSv1_3}),
        ("public", {}),
        ("public", other),
        ("public", {"ssl_check_hostname": False}),
    ]
    for name in ("wrong", "both", "first", "first_wrong", "subject", "star", "client", "authority", "expired", "chain"):
        table += [(name, ca), (name, ca | any_name)]
    table += [("first", other | any_name), ("leaf", ca), ("expired", none), ("authority", other)]
    for name in ("own", "own_subject", "own_wrong", "own_leaf"):
        table += [(name, pin(name)), (name, pin(name) | any_name)]
    table += [("own", ca), ("own_wrong", pin("own") | any_name)]
    mine = {"ssl_certfile": made.path("named.crt"), "ssl_keyfile": made.path("named.key")}
    theirs = {"ssl_certfile": made.path("other.crt"), "ssl_keyfile": made.path("other.key")}
    table += [("mutual", ca), ("mutual", ca | mine), ("mutual", ca | theirs), ("mutual", none | mine)]
    table += [("mutual", ca | {"ssl_certfile": made.path("client_and_key.pem")})]
    table += [
        ("old", ca),
        ("old", ca | {"ssl_min_version": ssl.TLSVersion.TLSv1_2}),
        ("old", ca | {"ssl_min_version": ssl.TLSVersion.TLSv1_3}),
        ("old", ca | {"ssl_ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256"}),
        ("old", ca | {"ssl_ciphers": "ECDHE-RSA-AES128-GCM-SHA256"}),
        ("old_first", ca),
    ]
    return table


async def redis_py_connects(host: dict) -> bool:
    if "sentinels" in host:
        # It asks a Sentinel four times otherwise, for ten seconds.
        host = {**host, "sentinel_kwargs": {**host.get("sentinel_kwargs", {}), "retry": None}}
    connection = redis.Redis(connection_pool=create_pool(decode_hosts([host])[0]))
    try:
        return await connection.ping()
    except (RedisError, OSError):
        return False
    finally:
        await connection.aclose()


def for_node(host: dict) -> dict:
    return {key: value.name if isinstance(value, ssl.TLSVersion) else value for key, value in host.items()}


async def reasons(node) -> str:
    return json.loads((await Http(node.port).get("/health/ready")).body).get("reason", "")


async def test_a_node_connects_to_a_redis_with_tls_exactly_if_redis_py_does(system, certificates, monkeypatch):
    # The authorities that the machine itself trusts.
    monkeypatch.setenv("SSL_CERT_FILE", certificates.path("system.crt"))
    monkeypatch.setenv("SSL_CERT_DIR", certificates.path("nothing"))
    tls = Tls(system, certificates)
    table = rows(certificates)
    for name in dict.fromkeys(name for name, _ in table):
        match name:
            case "mutual":
                tls.start(name, "named", clients="yes")
            case "old":
                tls.start(name, "named", "--tls-protocols", "TLSv1.2")
            case "old_first":
                tls.start(name, "first", "--tls-protocols", "TLSv1.2")
            case "public":
                tls.start(name, authorities="system")
            case _:
                tls.start(name)
    system.wait()
    said = await as_redis_py_connects(system, tls, table)
    assert "ssl_ca_certs" in said and "ssl_check_hostname=false" in said, said


async def as_redis_py_connects(system, tls: Tls, table: list[tuple[str, dict]], few: int = 15) -> str:
    """Starts a node with every row, and waits until it has connected where redis-py does; what readiness says."""
    hosts = {}
    for number, (name, settings) in enumerate(table):
        # An address has no alternative name but that of its address.
        machine = "localhost" if number % 2 or name.endswith(("subject", "first", "old_first")) else "127.0.0.1"
        client = f"row-{number}-{name}"
        hosts[client] = {"address": f"rediss://{machine}:{tls.ports[name]}/1", "client_name": client, **settings}
    assert len(hosts) <= 64, "a layer has at most 64 hosts"
    expected = {client: await redis_py_connects(host) for client, host in hosts.items()}
    assert few < sum(expected.values()) < len(hosts) - few, expected
    node = system.start_node(
        CHANNELGATE__LAYER__HOSTS=json.dumps([for_node(host) for host in hosts.values()]),
        wait=False,
        **FAST,
    )
    await until(lambda: asyncio.to_thread(stack.listening, node.port), "the node to listen", 30)

    async def all_tried() -> bool:
        return "not connected yet" not in await reasons(node)

    await until(all_tried, "every host to be tried", 30)
    wanted = {client for client, connects in expected.items() if connects}

    async def as_redis_py() -> bool:
        return await tls.clients() == wanted

    try:
        await until(as_redis_py, "the same connections as redis-py")
    except AssertionError:
        found = await tls.clients()
        wrong = {client: hosts[client] for client in hosts if (client in found) != expected[client]}
        raise AssertionError(f"unlike redis-py: {wrong}\n{await reasons(node)}") from None
    return await reasons(node)


async def test_a_certificate_of_a_server_is_no_authority_and_an_authority_is_held_to_its_limits(system, tmp_path):
    made = Certificates(tmp_path / "certificates")
    usable, ca = "keyUsage=critical,keyCertSign", "basicConstraints=critical,CA:TRUE"
    for name, extensions in {
        "plain": [],
        "pinned": [HERE, "basicConstraints=critical,CA:FALSE"],
        "signing": [ca, usable],
        "unsigning": [ca, "keyUsage=critical,digitalSignature"],
        "short": [f"{ca},pathlen:0"],
        "elsewhere": [ca, "nameConstraints=critical,permitted;DNS:elsewhere"],
    }.items():
        made.self_signed(name, name, *extensions)
        made.signed(f"by_{name}", name, "redis", HERE)
    made.self_signed("ended", "ended", days=-1)
    made.signed("by_ended", "ended", "redis", HERE)
    made.self_signed("first_version", "first_version", version_1=True)
    made.signed("by_first_version", "first_version", "redis", HERE)
    made.signed("server", "plain", "server", HERE)
    made.signed("by_server", "server", "redis", HERE)
    made.self_signed("twin", "plain")
    for name in ("plain", "short"):
        made.signed(f"between_{name}", name, "between", ca)
        made.signed(f"far_{name}", f"between_{name}", "redis", HERE)
        made.bundle(f"chain_{name}", f"far_{name}", f"between_{name}", key=f"far_{name}")
    table = [
        (name, {"ssl_ca_certs": made.path(f"{authority}.crt")})
        for name, authority in [
            *((f"by_{name}", name) for name in ("plain", "pinned", "signing", "unsigning", "short", "elsewhere")),
            ("by_ended", "ended"),
            ("by_first_version", "first_version"),
            ("by_server", "server"),
            ("by_plain", "twin"),
            ("chain_plain", "plain"),
            ("chain_short", "short"),
        ]
    ]
    tls = Tls(system, made)
    for name in dict.fromkeys(name for name, _ in table):
        tls.start(name, authorities="plain")
    system.wait()
    await as_redis_py_connects(system, tls, table, few=4)


async def test_certificates_that_were_exchanged_are_used_from_the_next_connection_on(system, certificates):
    made = Certificates(certificates.directory / "rotation")
    made.self_signed("redis", "localhost", HERE)
    tls = Tls(system, made)
    tls.start("rotated", "redis", authorities="redis")
    system.wait()
    url = f"rediss://127.0.0.1:{tls.ports['rotated']}?ssl_ca_certs={made.path('redis.crt')}"
    node = system.start_node(CHANNELGATE__LAYER__HOSTS=url, **FAST)
    made.self_signed("redis", "localhost", HERE)
    admin = redis.Redis(port=tls.parts["rotated"].port)
    files = {f"tls-{what}-file": made.path(f"redis.{end}") for what, end in (("cert", "crt"), ("key", "key"))}
    await admin.execute_command("CONFIG", "SET", *(word for pair in files.items() for word in pair))
    before = {client["id"] for client in await admin.client_list()}
    for kind in ("normal", "pubsub"):
        await admin.client_kill_filter(_type=kind, skipme=True)

    async def back() -> bool:
        new = {client["id"] for client in await admin.client_list()} - before
        return len(new) >= 2 and (await Http(node.port).get("/health/ready")).status == 200

    await until(back, "the node to connect again")
    await admin.aclose()


@pytest.fixture
def guarded(system, certificates):
    """A Redis with TLS and a password, and a Sentinel with another certificate and password, and a plain port."""
    made = certificates
    made.bundle("everyone", "ca", "other")
    made.signed("sentinel", "other", "sentinel", HERE)
    tls = Tls(system, made)
    tls.start("named", None, "--requirepass", "of-redis")
    tls.parts["named"].ready = lambda: stack.listening(tls.ports["named"])
    tls.ports["sentinel"], plain = stack.free_port(), stack.free_port()
    file = system.directory / "sentinel.conf"
    lines = [
        f"bind {stack.LOOPBACK}",
        f"port {plain}",
        f"dir {system.directory}",
        "requirepass of-sentinel",
        "tls-replication yes",
        f"tls-port {tls.ports['sentinel']}",
        "tls-auth-clients no",
        f"tls-cert-file {made.path('sentinel.crt')}",
        f"tls-key-file {made.path('sentinel.key')}",
        f"tls-ca-cert-file {made.path('everyone.crt')}",
        f"sentinel monitor mymaster {stack.LOOPBACK} {tls.ports['named']} 1",
        "sentinel auth-pass mymaster of-redis",
    ]
    file.write_text("\n".join(lines) + "\n")
    argv = [stack.tool("redis-server"), file, "--sentinel"]
    ready = lambda: stack.listening(tls.ports["sentinel"])  # noqa: E731
    system._start(stack.Part("sentinel", argv, system.directory, ready, port=plain), wait=False)
    system.wait()
    return tls.ports["sentinel"], plain, tls.parts["named"].port


async def test_sentinel_and_redis_have_logins_and_certificates_of_their_own(system, certificates, guarded):
    with_tls, plain, admin_port = guarded
    ca, other = certificates.path("ca.crt"), certificates.path("other.crt")
    to_redis = {"master_name": "mymaster", "password": "of-redis", "ssl": True, "ssl_ca_certs": ca}
    encrypted = {"password": "of-sentinel", "ssl": True, "ssl_ca_certs": other}
    table = {
        "apart": {"sentinels": [[stack.LOOPBACK, with_tls]], **to_redis, "sentinel_kwargs": encrypted},
        "plain": {"sentinels": [[stack.LOOPBACK, plain]], **to_redis, "sentinel_kwargs": {"password": "of-sentinel"}},
        "second": {"sentinels": [["127.0.0.1", 1], ["localhost", with_tls]], **to_redis, "sentinel_kwargs": encrypted},
        "swapped": {
            "sentinels": [[stack.LOOPBACK, with_tls]],
            **to_redis,
            "sentinel_kwargs": {**encrypted, "ssl_ca_certs": ca},
        },
        "no_login": {"sentinels": [[stack.LOOPBACK, plain]], **to_redis},
        "no_tls": {"sentinels": [[stack.LOOPBACK, plain]], "master_name": "mymaster", "password": "of-redis"},
        "other_master": {"sentinels": [[stack.LOOPBACK, plain]], **to_redis, "master_name": "another"},
    }
    expected = {name: await redis_py_connects(host) for name, host in table.items()}
    assert [name for name, connects in expected.items() if connects] == ["apart", "plain", "second"], expected
    hosts = [{**host, "client_name": name} for name, host in table.items()]
    query = f"ssl_ca_certs={ca}&sentinel_password=of-sentinel"
    start = f"rediss+sentinel://:of-redis@{stack.LOOPBACK}"
    hosts += [
        f"{start}:{with_tls}/mymaster?{query}&sentinel_ssl_ca_certs={other}&client_name=url-apart",
        f"{start}:{plain}/mymaster?{query}&sentinel_ssl=false&client_name=url-plain",
        f"{start}:{with_tls}/mymaster?{query}&client_name=url-swapped",
    ]
    node = system.start_node(CHANNELGATE__LAYER__HOSTS=json.dumps(hosts), wait=False, **FAST)
    admin = redis.Redis(port=admin_port, password="of-redis")

    async def connected() -> bool:
        names = {client["name"] for client in await admin.client_list()}
        wanted = {"apart", "plain", "second", "url-apart", "url-plain"}
        return {name for name in names if name in table or name.startswith("url-")} == wanted

    await until(connected, "the hosts whose settings are right", 30)

    async def all_tried() -> bool:
        return "not connected yet" not in await reasons(node)

    await until(lambda: asyncio.to_thread(stack.listening, node.port), "the node to listen", 30)
    await until(all_tried, "every host to be tried", 30)
    assert await connected()
    await admin.aclose()
