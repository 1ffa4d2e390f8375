"""The nginx configuration of the repository, in front of real nodes and the real Django."""

import asyncio
import datetime
import ipaddress
import re
import ssl
import subprocess

import pytest
import stack
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from rig.client import Client, refusal, until
from rig.http import Http
from rig.raw import Raw, request


async def test_sockets_and_tokens_go_to_the_nodes_and_the_rest_to_django(site):
    web = Http(site.nginx.port)
    client = await Client.open(site.nginx.port, "/ws/")
    image = {"image": ("a.png", b"\x89PNG" * 100_000)}
    form = {"first_seen": "2025-06-01T09:00:00Z", "last_seen": "2025-06-01T09:00:00Z", "gender": "male", "age": 3}
    assert (await web.post("/api/clients/", form=form, files=image)).status == 201
    assert (await client.count(1))[0]["event"] == "client_create"
    reply = await web.get("/api/user/ws-token/", token="noise")
    assert reply.status == 401
    # The publish API, the metrics and the nodes' calls to Django are not public.
    for path in ("/api/publish", "/metrics", "/health/ready", "/channelgate/findUser"):
        assert (await web.post(path, data={})).status == 404, path
    await client.close()


async def test_the_host_reaches_the_node_unchanged_so_that_origins_compare(site):
    # Same host and port as the page: allowed. Another host: refused.
    client = await Client.open(site.nginx.port, "/ws/")
    await client.close()
    assert await refusal(site.nginx.port, "/ws/", origin="http://evil.example") == 403


@pytest.mark.alone("bounds the time of an event")
async def test_a_socket_through_nginx_outlives_silence_and_carries_large_events_at_once(site):
    client = await Client.open(site.nginx.port, "/ws/")
    loop = asyncio.get_running_loop()
    async with site.publisher() as publisher:
        number = 0
        for size in (1, 100_000, 1):
            took = []
            # A machine that stands still for a moment delays one of them.
            while len(took) < 3 and not (took and min(took) < 1):
                began, number = loop.time(), number + 1
                await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": "x" * size})
                await client.count_of(number)
                took.append(loop.time() - began)
            assert min(took) < 1, "nginx held a frame back"
    await client.close()


def certify(home) -> None:
    """A self-signed certificate for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "channelgate test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(stack.LOOPBACK))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).add_extension(address, critical=False)
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    certificate = builder.not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    home.mkdir(exist_ok=True)
    (home / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (home / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))


SERVERS = ["channelgate.conf", "tls.conf", "migration.conf"]


@pytest.mark.parametrize("server", SERVERS)
def test_nginx_accepts_every_file(tmp_path, server):
    certify(tmp_path / "nginx")
    trusting = {"# include trusted-hops.conf;": "include trusted-hops.conf;"}
    part = stack.nginx(tmp_path, 8080, [8001, 8002, 8003], 8000, server=server, replace=trusting)
    said = subprocess.run([*part.argv, "-t"], capture_output=True, text=True, check=False, timeout=20).stderr
    assert "test is successful" in said and "warn" not in said, said


async def test_sockets_over_tls_and_plain_requests_sent_there(system):
    certify(system.directory / "nginx")
    system.start_node()
    port = stack.free_port()
    plain = system.start_nginx(server="tls.conf", replace={"127.0.0.1:8443": f"{stack.LOOPBACK}:{port}"}).port
    reply = await Http(plain).post("/ws/?a=b", data={})
    assert (reply.status, reply.headers["location"]) == (308, f"https://{stack.LOOPBACK}/ws/?a=b")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=system.directory / "nginx" / "certificate.pem")
        context.minimum_version = context.maximum_version = version
        raw = await Raw.tcp(port, ssl=context, server_hostname=stack.LOOPBACK)
        await raw.write(request(port, "/ws/", Origin=f"https://{stack.LOOPBACK}:{port}"))
        status, headers = await raw.head()
        assert status == 101 and "max-age" in headers["strict-transport-security"], (status, headers)
        async with system.publisher() as publisher:
            await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": 1})
        assert (await raw.read())[1] == b'{"event":"n","data":1}'
        raw.abort()
    old = ssl.create_default_context(cafile=system.directory / "nginx" / "certificate.pem")
    old.set_ciphers("AES128-SHA:@SECLEVEL=0")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        await Raw.tcp(port, ssl=old, server_hostname=stack.LOOPBACK)


async def test_paths_move_from_daphne_to_channelgate_one_by_one(system, database):
    system.start_django(database, wait=False)
    system.start_node(wait=False, CHANNELGATE_ALLOWED_ORIGINS=stack.LOOPBACK)
    system.wait()
    share = {"10% channelgate;": "100% channelgate;", "    *   django;\n": ""}
    port = system.start_nginx(server="migration.conf", replace=share).port
    origin = {"origin": f"http://{stack.LOOPBACK}:{port}"}
    by_daphne = await Client.open(port, "/ws/", **origin)
    by_node = await Client.open(port, "/ws/attendance/", **origin)
    served = [client.connection.response.headers.get("Server") for client in (by_daphne, by_node)]
    # The greeting comes after the takeover, so the connection is counted.
    assert (await by_node.count(1))[0]["type"] == "connection_established"
    assert system.metric(system.nodes[0], "channelgate_connections") == 1, served
    # Django's events reach both.
    async with system.publisher() as publisher:
        await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": 1})
        update = {"type": "attendance_update", "data": {"id": 1}}
        await publisher.group_send("attendance_updates", update)
    assert await by_daphne.count(1) == [{"event": "n", "data": 1}]
    await by_node.count(2)
    # Moved, so the node refuses it for a missing token, with its own text.
    assert await refusal(port, "/ws/notifications/", **origin) == 403
    assert system.metric(system.nodes[0], "channelgate_handshakes_total", outcome="missing") == 1
    await by_daphne.close()
    await by_node.close()


async def test_no_log_of_nginx_ever_has_a_token(site):
    port, secret = site.nginx.port, "a-token-that-nobody-may-read"
    headers = {"Referer": f"http://shop.example/?token={secret}"}
    path = f"/ws/notifications/?token={secret}"
    assert await refusal(port, path, additional_headers=headers) == 403
    assert (await Http(port).get(f"/socket.io/?EIO=4&transport=polling&token={secret}", headers=headers)).status == 200
    for node in site.nodes:
        node.kill()
    # Now nginx has something to report.
    assert await refusal(port, path, additional_headers=headers) == 502
    assert (await Http(port).get(f"/api/user/ws-token/?token={secret}", token=secret)).status == 502
    home = site.directory / "nginx"
    logged = lambda: (home / "access.log").read_text()  # noqa: E731
    await until(lambda: '/ws-token/ HTTP/1.1" 502' in logged(), "the last line")
    for log in home.glob("*.log"):
        assert secret not in log.read_text(), log
    assert re.search(r'"GET /ws/notifications/ HTTP/1.1" 403 ', logged())


async def test_when_one_of_three_nodes_dies_new_connections_go_to_the_others(system):
    for _ in range(3):
        system.start_node(wait=False)
    system.wait()
    port = system.start_nginx().port
    origin = {"origin": f"http://{stack.LOOPBACK}:{port}"}
    system.nodes[1].kill()
    clients = [await Client.open(port, "/ws/", **origin) for _ in range(30)]
    shares = [system.metric(node, "channelgate_connections") for node in (system.nodes[0], system.nodes[2])]
    assert sum(shares) == 30 and min(shares) >= 10, shares
    # Back again, it gets its share: nginx does not penalise its absence.
    system.nodes[1].start().wait()
    clients += [await Client.open(port, "/ws/", **origin) for _ in range(30)]
    assert system.metric(system.nodes[1], "channelgate_connections") >= 15
    for client in clients:
        await client.close()


async def test_handshakes_avoid_a_draining_node(system):
    for _ in range(3):
        system.start_node(wait=False, CHANNELGATE__SERVER__DRAIN_DELAY="20s")
    system.wait()
    port = system.start_nginx().port
    origin = {"origin": f"http://{stack.LOOPBACK}:{port}"}
    system.nodes[0].ask()
    await until(lambda: stack.http_status(system.nodes[0].port, "/health/ready") == 503, "the drain to begin")
    for _ in range(12):
        client = await Client.open(port, "/ws/", **origin)
        await client.close()
    system.nodes[0].kill()


async def test_an_address_is_taken_only_from_a_trusted_proxy(system):
    system.start_node()
    hop = {"# include trusted-hops.conf;": "include trusted-hops.conf;", "10.0.0.0/24": "127.0.0.2"}
    port = system.start_nginx(replace=hop).port
    for source in ("127.0.0.1", "127.0.0.2"):
        raw = await Raw.tcp(port, local_addr=(source, 0))
        await raw.write(request(port, "/ws/", X_Forwarded_For="198.51.100.1, 203.0.113.7"))
        assert (await raw.head())[0] == 101
        raw.abort()
    log = system.directory / "nginx" / "access.log"
    await until(lambda: log.exists() and log.read_text().count("\n") == 2, "the log")
    assert sorted(line.split()[0] for line in log.read_text().splitlines()) == ["127.0.0.1", "203.0.113.7"]
