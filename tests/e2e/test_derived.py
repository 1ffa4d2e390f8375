"""`manage.py channelgate run`: a group_send of the project reaches a client, and nothing was copied by hand."""

import asyncio
import os
import signal
import time
from pathlib import Path

import jwt
import pytest
import stack
from rig.certificates import HERE, Certificates
from rig.client import Client, refusal, until
from rig.derived import DerivedSite, Shell
from rig.http import Http
from rig.log import whole_log

BACKENDS = {"core": "channels_redis.core.RedisChannelLayer", "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer"}
#: A secret key of each project, with what shells and files of variables could misread.
SECRET_KEY = "of-{name}-'$x`\\\"#-and-as-long-as-Django-wants-it-to-be"
#: One that still opens sessions, and no tokens: simplejwt does not know it.
FORMER_KEY = "of-before-and-as-long-as-Django-wants-it-to-be"
#: And a password of Redis.
PASSWORD = "p@'$/w"
ROOMS = """
[[consumer]]
path = "/room/<str:name>/"
groups = ["room_{{ route.name }}"]
[consumer.on_event."*"]
send = "event"
"""


def settings(name: str, config: dict, backend: str = "core", more: str = "") -> str:
    layers = {"default": {"BACKEND": BACKENDS[backend], "CONFIG": config}}
    key = SECRET_KEY.format(name=name)
    return f"import ssl\nSECRET_KEY = {key!r}\nCHANNEL_LAYERS = {layers!r}\n{more}\n"


class Servers:
    """Redis in every form of the table."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.parts: list[stack.Part] = []
        self.made = Certificates(directory / "certificates")
        self.made.self_signed("ca", "ca")
        self.made.signed("redis", "ca", "redis", HERE)
        self.made.openssl("genrsa", "-out", "jwt.key", "2048")
        self.made.openssl("rsa", "-in", "jwt.key", "-pubout", "-out", "jwt.pub")
        self.private_key, self.public_key = (Path(self.made.path(f"jwt.{end}")).read_text() for end in ("key", "pub"))
        self.tls, self.sentinel = stack.free_port(), stack.free_port()
        self.socket = directory / "redis.sock"
        arguments = [*self.made.server("redis", "ca", self.tls), "--unixsocket", str(self.socket)]
        self.first = self.start(stack.redis(directory, stack.free_port(), "first", arguments))
        self.second = self.start(stack.redis(directory, stack.free_port(), "second", ["--requirepass", PASSWORD]))
        self.second.ready = lambda: stack.listening(self.second.port)
        file = directory / "sentinel.conf"
        lines = [f"bind {stack.LOOPBACK}", f"port {self.sentinel}", f"dir {directory}"]
        file.write_text("\n".join([*lines, f"sentinel monitor mymaster {stack.LOOPBACK} {self.first.port} 1"]) + "\n")
        argv = [stack.tool("redis-server"), file, "--sentinel"]
        self.start(stack.Part("sentinel", argv, directory, lambda: stack.listening(self.sentinel)))
        for part in self.parts:
            part.wait()

    def start(self, part: stack.Part) -> stack.Part:
        self.parts.append(part)
        return part.start()

    def stop(self) -> None:
        for part in self.parts:
            part.stop(5)


def forms(servers: Servers) -> dict[str, str]:
    """The settings of each project. All but the encrypted ones share servers, so each has a prefix or a database."""
    first = servers.first.port
    ca = servers.made.path("ca.crt")
    tokens = f"""
SECRET_KEY_FALLBACKS = [{FORMER_KEY!r}]
CHANNELGATE = {{"WS_TOKEN": {{"FORM": "opaque"}}}}
CACHES = {{"default": {{
    "BACKEND": "django.core.cache.backends.redis.RedisCache", "KEY_PREFIX": "shop", "VERSION": 3,
    "LOCATION": "redis://{stack.LOOPBACK}:{servers.second.port}/5", "OPTIONS": {{"password": {PASSWORD!r}}},
}}}}
"""
    return {
        "core": settings("core", {"hosts": [(stack.LOOPBACK, first)]}),
        "pubsub": settings("pubsub", {"hosts": [f"redis://{stack.LOOPBACK}:{first}/1"], "prefix": "of"}, "pubsub"),
        "prefix": settings(
            "prefix", {"hosts": [f"redis://{stack.LOOPBACK}:{first}/2"], "prefix": "my shop"}, more=tokens
        ),
        "encrypted": settings(
            "encrypted",
            {
                "hosts": [{"address": f"redis://{stack.LOOPBACK}:{first}", "db": 3, "max_connections": 9}],
                "symmetric_encryption_keys": ["a 'key', \"quoted\"", "an older one"],
                "serializer_format": "json",
                "expiry": 30,
                "capacity": 200,
            },
            more=f"SIMPLE_JWT = {simple_jwt(servers)!r}",
        ),
        "hosts": settings(
            "hosts",
            {
                "hosts": [
                    f"unix://{servers.socket}?db=4",
                    {"host": stack.LOOPBACK, "port": servers.second.port, "password": PASSWORD},
                ]
            },
        ),
        "sentinel": settings(
            "sentinel",
            {"hosts": [{"sentinels": [(stack.LOOPBACK, servers.sentinel)], "master_name": "mymaster", "db": 6}]},
        ),
        "tls": settings(
            "tls",
            {"hosts": [{"address": f"rediss://{stack.LOOPBACK}:{servers.tls}/7", "ssl_ca_certs": ca}]},
            "pubsub",
        ),
    }


def simple_jwt(servers: Servers) -> dict:
    """Keys and rules that are none of the node's defaults."""
    return {
        "ALGORITHM": "RS256",
        "SIGNING_KEY": "only Django's",
        "VERIFYING_KEY": servers.public_key,
        "AUDIENCE": ["gate", "other"],
        "ISSUER": "shop",
        "LEEWAY": 30,
        "USER_ID_CLAIM": "member",
        "TOKEN_TYPE_CLAIM": "kind",
        "JTI_CLAIM": None,
        "AUTH_HEADER_TYPES": ("JWT",),
    }


FORMS = ["core", "pubsub", "prefix", "encrypted", "hosts", "sentinel", "tls"]
#: The files of some of the projects; the others have the built-in presets.
FILES = {
    "hosts": ROOMS,
    "encrypted": 'presets = ["feed", "attendance"]\n[preset.attendance]\nauth = ["jwt"]\n',
    "prefix": 'presets = ["feed", "attendance", "parking"]\n[preset.attendance]\nauth = ["jwt"]\n',
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    servers = Servers(tmp_path_factory.mktemp("derived"))
    yield servers
    servers.stop()


@pytest.fixture(scope="module")
def sites(servers):
    """All projects, started side by side."""
    table = forms(servers)
    assert list(table) == FORMS
    sites = {name: DerivedSite(servers.directory, name, text, FILES.get(name)) for name, text in table.items()}
    try:
        for site in sites.values():
            site.start()
        for site in sites.values():
            site.node.wait()
        yield sites
    finally:
        for site in sites.values():
            site.node.ask()
        for site in sites.values():
            site.stop()


@pytest.fixture(scope="module")
def shell(sites):
    """A process of the project `prefix`."""
    shell = Shell(sites["prefix"], list(sites.values()))
    yield shell
    shell.stop()


@pytest.mark.parametrize("form", FORMS)
async def test_a_group_send_of_the_project_reaches_a_client(sites, shell, form):
    site = sites[form]
    if form == "hosts":
        # Rooms on both servers.
        clients = {f"room_{n}": await Client.open(site.port, f"/room/{n}/") for n in range(12)}
    else:
        clients = {"broadcast": await Client.open(site.port, "/ws/")}
    for number, group in enumerate(clients):
        await shell.ask(site, "send", group, {"type": "send_event", "event": form, "data": number})
    for number, (group, client) in enumerate(clients.items()):
        frame = {"event": form, "data": number}
        assert await client.count(1) == [{"type": "send_event", **frame} if form == "hosts" else frame], group
        await client.close()


async def test_the_process_is_the_node_and_says_in_a_line_what_starts(sites):
    site = sites["tls"]
    assert Path(f"/proc/{site.node.pid}/exe").resolve() == stack.binary()
    said = [line for line in whole_log(site.node).splitlines() if line.startswith("Starts ")]
    (line,) = said
    assert f"at 127.0.0.1:{site.port}: the built-in default: valid" in line, line
    assert f"Redis rediss://{stack.LOOPBACK}:" in line and "pubsub, prefix asgi" in line, line
    hosts = whole_log(sites["hosts"].node)
    assert f"{sites['hosts'].file}: valid, 1 consumers" in hosts and "p@" not in hosts


async def test_tokens_of_django_are_admitted_with_its_keys_and_its_cache(sites, shell):
    site = sites["prefix"]
    token = await shell.ask(site, "access", 7)
    client = await Client.open(site.port, f"/ws/attendance/?token={token}")
    await client.close()
    assert await refusal(site.port, f"/ws/attendance/?token={token[:-2]}xx") == 403
    assert await refusal(site.port, "/ws/attendance/") == 403
    claims = jwt.decode(token, SECRET_KEY.format(name="prefix"), algorithms=["HS256"])
    former = jwt.encode(claims, FORMER_KEY, algorithm="HS256")
    assert await refusal(site.port, f"/ws/attendance/?token={former}") == 403
    # KEY_PREFIX, VERSION and the database of the cache.
    opaque = "opaque-token-of-the-project"
    assert await refusal(site.port, f"/ws/notifications/?token={opaque}") == 403
    await shell.ask(site, "keep", f"ws_token_{opaque}", {"user_id": 7})
    await (await Client.open(site.port, f"/ws/notifications/?token={opaque}")).close()


async def test_the_rules_of_simplejwt_are_the_nodes(servers, sites):
    port, now = sites["encrypted"].port, int(time.time())
    right = {"member": 7, "kind": "access", "aud": "gate", "iss": "shop", "exp": now + 60}

    async def status(key: str = servers.private_key, algorithm: str = "RS256", scheme: str = "JWT", **changed) -> int:
        claims = {name: value for name, value in {**right, **changed}.items() if value is not None}
        token = jwt.encode(claims, key, algorithm=algorithm)
        return await refusal(port, "/ws/attendance/", additional_headers={"Authorization": f"{scheme} {token}"})

    assert await status() == await status(aud="other") == await status(exp=now - 10) == 101
    for wrong in (
        {"aud": "elsewhere"},
        {"aud": None},
        {"iss": "elsewhere"},
        {"kind": "refresh"},
        {"kind": None, "token_type": "access"},
        {"exp": now - 40},
        # The node's own defaults read these claims, too; the project does not.
        {"member": None, "user_id": 7},
        {"member": None, "sub": "7"},
        {"key": SECRET_KEY.format(name="encrypted"), "algorithm": "HS256"},
        {"scheme": "Bearer"},
    ):
        assert await status(**wrong) == 403, wrong


async def test_only_pages_of_allowed_hosts_are_admitted(sites):
    # The project wraps its consumers in AllowedHostsOriginValidator, and names two hosts.
    for form in ("core", "hosts"):
        path = "/room/1/" if form == "hosts" else "/ws/"
        port = sites[form].port
        for origin, status in (
            ("http://127.0.0.1:3000", 101),
            ("https://localhost", 101),
            ("http://evil.example", 403),
            (None, 403),
        ):
            assert await refusal(port, path, origin=origin) == status, (form, origin)


async def test_env_starts_the_same_node_elsewhere(sites, shell):
    site = sites["encrypted"]
    file = site.directory / "node.env"
    done = site.command("env", "--reveal", "--port", str(port := stack.free_port()))
    assert done.returncode == 0, done.stderr
    file.write_text(done.stdout)
    bare = {name: value for name, value in site.env.items() if not name.startswith(("CHANNELGATE", "DJANGO"))}
    argv = ["sh", "-c", 'set -a; . "$1"; exec "$2" serve', "sh", str(file), str(stack.binary())]
    ready = lambda: stack.http_status(port, "/health/ready") == 200  # noqa: E731
    node = stack.Part("env", argv, site.directory, ready)
    node.env = bare
    try:
        node.start().wait()
        client = await Client.open(port, "/ws/")
        await shell.ask(site, "send", "broadcast", {"type": "send_event", "event": "env", "data": 1})
        assert await client.count(1) == [{"event": "env", "data": 1}]
        await client.close()
    finally:
        node.stop(5)


async def test_the_files_own_list_of_origins_is_not_widened_and_a_changed_file_is_read(servers):
    config = f'server.allowed_origins = ["shop.example"]\n{ROOMS}'
    text = settings("file", {"hosts": [(stack.LOOPBACK, servers.first.port)], "prefix": "file"}, more="DEBUG = True")
    site = DerivedSite(servers.directory, "file", text, config).start()
    try:
        site.node.wait()
        shop = {"origin": "https://shop.example"}
        assert await refusal(site.port, "/room/1/") == 403
        before = await Client.open(site.port, "/room/1/", **shop)
        site.file.write_text(config.replace("/room/", "/place/"))

        async def is_read() -> bool:
            return await refusal(site.port, "/place/1/", **shop) == 101

        await until(is_read, "the changed file to be in effect")
        assert before.closed is None
        assert await refusal(site.port, "/place/1/") == 403
        await before.close()
        (watcher,) = children(site.node.pid)
        # Ctrl-C in a terminal reaches the node, and the watcher, which ends after it.
        site.node.signal(signal.SIGINT)
        os.kill(watcher, signal.SIGINT)
        assert site.node.join(20) == 0, site.node.tail()
        await until(lambda: not Path(f"/proc/{watcher}").exists(), "the watcher to end")
    finally:
        site.stop()


ACTIONS = """
from channelgate import action
from django.contrib.auth.models import User

@action("told")
def told(call):
    return {"by": "django", "user": call.user}

def by_cookie(request):
    return User(pk=7, username="anna") if request.COOKIES.get("shop_session") == "of-anna" else None
"""
ASKING = """
presets = []
[[consumer]]
path = "/ws/mine/"
auth = ["django"]
[consumer.on_connect.call]
action = "told"
data = "{}"
ok.reply = "{'by': result.body.by, 'id': result.body.user.id}"
"""


async def test_the_node_asks_django_with_the_secret_and_the_cookie_of_the_settings_and_passes_pages_on(servers):
    more = """
import sys
sys.path.insert(0, str(BASE_DIR))
INSTALLED_APPS = [*INSTALLED_APPS, "shop"]
SESSION_COOKIE_NAME = "shop_session"
CHANNELGATE = {"SECRET": ["the new $secret", "the old one"], "AUTHENTICATORS": ["shop.actions.by_cookie"]}
"""
    text = settings("asking", {"hosts": [(stack.LOOPBACK, servers.first.port)], "prefix": "asking"}, more=more)
    site = DerivedSite(servers.directory, "asking", text, ASKING)
    shop = site.directory / "shop"
    shop.mkdir()
    (shop / "__init__.py").write_text("")
    (shop / "actions.py").write_text(ACTIONS)
    port = stack.free_port()
    argv = [stack.PYTHON, stack.MANAGE, "runserver", "--noreload", "--skip-checks", f"{stack.LOOPBACK}:{port}"]
    django = stack.Part("runserver", argv, site.directory, lambda: stack.http_status(port, "/api/") is not None)
    django.env = site.env
    try:
        django.start()
        site.start("--backend", f"http://{stack.LOOPBACK}:{port}", "--proxy").node.wait()
        django.wait()
        mine = {"additional_headers": {"Cookie": "sessionid=of-anna; shop_session=of-anna"}}
        client = await Client.open(site.port, "/ws/mine/", **mine)
        assert await client.count(1) == [{"by": "django", "id": 7}]
        await client.close()
        others = {"additional_headers": {"Cookie": "sessionid=of-anna"}}
        assert await refusal(site.port, "/ws/mine/", **others) == 403
        # One port for the page and its sockets: Django's answer at a path of no consumer.
        assert (await Http(site.port).get("/api/token/")).status == 405
    finally:
        django.ask()
        site.stop()
        django.stop(5)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_errors_are_in_plain_words_and_no_node_starts(servers, tmp_path):
    host = (stack.LOOPBACK, servers.first.port)
    good = DerivedSite(tmp_path, "good", settings("good", {"hosts": [host]}), ROOMS)
    bad = DerivedSite(tmp_path, "bad", settings("bad", {"hosts": [host]}), '[server]\nlistn = "127.0.0.1:1"\n')
    wrong = DerivedSite(tmp_path, "wrong", settings("wrong", {"hosts": ["http://127.0.0.1"]}))
    of_good, of_bad, of_wrong = await asyncio.gather(
        asyncio.to_thread(good.command, "run", "--check"),
        *(asyncio.to_thread(site.command, "run", "--port", str(site.port)) for site in (bad, wrong)),
    )
    assert (of_good.returncode, of_good.stdout.strip()) == (0, f"{good.file}: valid, 1 consumers"), of_good
    assert (of_bad.returncode, of_bad.stdout) == (2, "") and of_bad.stderr.endswith(
        f'{bad.file}:2: server.listn: unknown key; did you mean "listen"?\n'
    ), of_bad
    assert (of_wrong.returncode, of_wrong.stdout) == (2, ""), of_wrong
    # The setting, the variable that it becomes, and what the node says of it.
    where = 'CHANNEL_LAYERS["default"]["CONFIG"]["hosts"] (REDIS_URL: layer.url: '
    assert where in of_wrong.stderr and "must begin with redis://" in of_wrong.stderr, of_wrong
