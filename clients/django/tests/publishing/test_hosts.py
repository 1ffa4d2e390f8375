"""Redis in every form that `hosts` of channels_redis has: the same messages arrive by the layer and by PUBLISH."""

import contextlib
import random
import shutil
import socket
import subprocess

import pytest
import redis
from harness.server import Node, until

from channelgate import disconnect, publish
from channelgate.orders import CHANNEL

from .conftest import CORE

EVENT = {"type": "note", "name": "x"}


def free_ports(count):
    """Ports below those that the system gives to outgoing connections: none of these takes one before its server."""
    found = []
    for port in random.sample(range(9000, 10240), 1240):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no port is free")


class Everywhere:
    """A Redis with a password, on a port, on one with TLS, and known to a Sentinel."""

    def __init__(self, folder):
        self.folder = folder
        self.port, self.tls, self.sentinel = free_ports(3)
        self.certificate()
        certificate = ["--tls-cert-file", "c.pem", "--tls-key-file", "c.key", "--tls-ca-cert-file", "c.pem"]
        options = ["--port", str(self.port), "--tls-port", str(self.tls), "--tls-auth-clients", "no", *certificate]
        self.processes = [self.run("redis-server", *options, "--requirepass", "pw", "--save", "")]
        lines = f"port {self.sentinel}\nsentinel monitor main 127.0.0.1 {self.port} 1\nsentinel auth-pass main pw\n"
        (folder / "sentinel.conf").write_text(lines)
        self.client = redis.Redis(port=self.port, password="pw")
        until(lambda: self.answers(self.client))
        self.processes.append(self.run("redis-server", str(folder / "sentinel.conf"), "--sentinel"))
        sentinel = redis.Redis(port=self.sentinel)
        until(lambda: self.answers(sentinel) and sentinel.info("sentinel")["master0"]["status"] == "ok")

    def certificate(self):
        name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        key = ["-newkey", "rsa:2048", "-nodes", "-keyout", "c.key", "-out", "c.pem", "-days", "1"]
        subprocess.run(["openssl", "req", "-x509", *key, *name], cwd=self.folder, capture_output=True, check=True)

    def run(self, program, *arguments):
        return subprocess.Popen([program, *arguments], cwd=self.folder, stdout=subprocess.DEVNULL)

    @staticmethod
    def answers(client):
        try:
            return client.ping()
        except redis.ConnectionError:
            return False

    def stop(self):
        for one in self.processes:
            one.kill()
            one.wait()


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("a certificate needs openssl")
    found = Everywhere(tmp_path_factory.mktemp("redis"))
    yield found
    found.stop()


FORMS = {
    "url": lambda one: f"redis://:pw@127.0.0.1:{one.port}/0",
    "dictionary": lambda one: {"host": "127.0.0.1", "port": one.port, "password": "pw"},
    "address": lambda one: {"address": f"redis://127.0.0.1:{one.port}", "password": "pw"},
    "tls": lambda one: f"rediss://:pw@localhost:{one.tls}/0?ssl_ca_certs={one.folder}/c.pem",
    "tls in a dictionary": lambda one: {
        "host": "localhost",
        "port": one.tls,
        "password": "pw",
        "connection_class": redis.asyncio.SSLConnection,
        "ssl_ca_certs": str(one.folder / "c.pem"),
    },
    "sentinel": lambda one: {
        "sentinels": [("127.0.0.1", one.sentinel)],
        "master_name": "main",
        "password": "pw",
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_a_host_is_reached_in_every_form(form, everywhere, use, consumer_of):
    host = FORMS[form](everywhere)
    layer = use({"BACKEND": CORE, "CONFIG": {"hosts": [host]}}, PUBLISH={"ON_ERROR": "raise", "TIMEOUT": 30})
    consumer, node = consumer_of(layer, "g"), Node(everywhere, "g")
    publish("g", EVENT)
    publish("g", EVENT, via="redis")
    assert (consumer.next(), node.next()) == (EVENT, EVENT)
    node.close()
    pubsub = everywhere.client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(CHANNEL)
    pubsub.get_message(timeout=30)
    assert disconnect(7) == 1
    pubsub.close()


def test_a_certificate_of_another_authority_is_an_error(everywhere, use, caplog):
    url = f"rediss://:pw@localhost:{everywhere.tls}/0"
    use({"BACKEND": CORE, "CONFIG": {"hosts": [url]}}, PUBLISH={"TIMEOUT": 30})
    publish("g", EVENT)
    publish("g", EVENT, via="redis")
    assert caplog.text.lower().count("certificate verify failed") == 2


def test_the_connections_of_tls_stay_open(everywhere, use):
    url = FORMS["tls"](everywhere)
    use({"BACKEND": CORE, "CONFIG": {"hosts": [url]}}, PUBLISH={"ON_ERROR": "raise", "TIMEOUT": 30})
    for via in ("layer", "redis"):
        publish("g", EVENT, via=via)
        before = everywhere.client.info("stats")["total_connections_received"]
        for _ in range(20):
            publish("g", EVENT, via=via)
        assert everywhere.client.info("stats")["total_connections_received"] == before
