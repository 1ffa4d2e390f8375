"""`manage.py channelgate doctor`, `nginx`, `token`, `publish` and `tail` against real nodes, Django, Redis and nginx.

One set of servers serves all cases: nodes that are right and wrong, and settings of Django that differ by case.
"""

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import time

import pytest
import stack
from rig.checked import PASSWORD, Checked
from rig.client import Client, refusal
from rig.system import API_KEY

#: What must not be printed, whatever is wrong.
SECRETS = (PASSWORD, API_KEY, stack.SECRET_KEY, stack.BACKEND_SECRET)
DEAF = "The node is ready but did not hear a group_send: other Redis, prefix, keys or database"
#: A message that does not come does not come later, either.
IMPATIENT = "from channelgate.doctor import hearing; hearing.PATIENCE = 0.4"
#: One that comes may be late on a busy machine.
PATIENT = """
from channelgate.doctor import hearing, publishing, sockets
hearing.PATIENCE = publishing.PATIENCE = sockets.PATIENCE = 20.0
"""
USER = "from django.contrib.auth.models import User; print(User.objects.create_user('ada').pk)"


@pytest.fixture(scope="module")
def world(tmp_path_factory, hanging):
    checked = Checked(tmp_path_factory.mktemp("checked"))
    try:
        assert checked.commands.run(code=USER).out == "1\n"
        checked.commands.run(code=PATIENT)
        checked.sites = checked.start_nginx()
        checked.clean, checked.rows = checked.keys(), rows(checked)
        assert not any(checked.clean.values())
        # Beside the other tests: all that it does is wait.
        where = f"http://{stack.LOOPBACK}:{hanging}"
        redis_url = f"redis://shop:{PASSWORD}@{stack.LOOPBACK}:{hanging}/0"
        checked.stuck = manage(checked, "--traceback", "doctor", "--node", where, "--site", where, REDIS_URL=redis_url)
        yield checked
    finally:
        checked.stop()


def rows(world) -> list[str]:
    """Everything in the project's database."""
    with sqlite3.connect(world.directory / "checked.sqlite3") as database:
        return list(database.iterdump())


@pytest.fixture(autouse=True)
def traces(world):
    """A command leaves Redis, the database and the sessions as they were, and prints no secret."""
    said = []
    run = world.commands.run

    def kept(*words, **options):
        answer = run(*words, **options)
        said.append(answer.out + answer.err)
        return answer

    world.commands.run = kept
    yield
    world.commands.run = run
    # The nodes keep a group for a moment.
    until = time.monotonic() + 30
    while world.keys() != world.clean and time.monotonic() < until:
        time.sleep(0.05)
    assert world.keys() == world.clean
    assert rows(world) == world.rows
    for text in said:
        assert not [secret for secret in SECRETS if secret in text], text


def failures(said) -> list[str]:
    assert (said.code == 1) == any(line.startswith("FAIL") for line in said.lines), said.out
    assert said.code in (0, 1) and not said.err, said.err
    return [line[6:] for line in said.lines if line.startswith("FAIL")]


def good(said) -> list[str]:
    return [line[6:] for line in said.lines if line.startswith("ok ")]


def layer(world, host=None, **config) -> dict:
    """Settings of a layer that differs from the nodes'."""
    kind = config.pop("kind", "core.RedisChannelLayer")
    config = {"hosts": [host or world.redis_url], **config}
    return {"CHANNEL_LAYERS": {"default": {"BACKEND": f"channels_redis.{kind}", "CONFIG": config}}}


@pytest.fixture
def impatient(world):
    world.commands.run(code=IMPATIENT)
    yield
    world.commands.run(code=PATIENT)


def test_all_is_well(world):
    site = world.sites["good"]
    said = world.doctor("--site", site)
    assert failures(said) == []
    where = re.escape(f"redis://{stack.LOOPBACK}:{world.redis.port}/0")
    node = re.escape(world.url(world.good))
    expected = [
        rf"The channel layer is RedisChannelLayer at {where}, prefix asgi",
        rf"Redis {where} answers in \d+\.\d ms",
        rf"The node at {node} is ready",
        r"The node reads the same Redis \(probe seen\)",
        r"A group_send reached a socket in \d+ ms",
        r"publish\(\) inside a rolled-back transaction sent nothing",
        r"SECRET_KEY is the same: a token of Django was admitted",
        r"A ws-token of the cache was admitted",
        r"A session cookie was admitted as user 1",
        rf"Origin {re.escape(site)} is allowed, http://evil\.example is not",
        rf"nginx at {re.escape(site)} upgrades /ws/orders/<int:id>/, /ws/prices/<slug:symbol>/, /ws/news/ to the node",
        r"The node can ask Django: who_am_i answered 401 in \d+ ms",
        r"Clocks differ by 0\.\d s",
        r"channels_redis \d+\.\d+\.\d+, redis \d+\.\d+\.\d+: no known trouble",
        r"3 consumers in channelgate\.toml, 4 in routing\.py",
        r"Daphne still serves /ws/chat/",
    ]
    found = good(said)
    assert len(found) == len(expected), said.out
    for line, pattern in zip(found, expected, strict=True):
        assert re.fullmatch(pattern, line), (line, pattern)
    assert not [line for line in said.lines if line.startswith("warn")], said.out


def test_json_has_the_same_results(world):
    said = world.doctor("--json")
    found = said.json()
    assert {one["status"] for one in found} <= {"ok", "skip"} and said.code == 0
    assert {"layer", "redis", "node", "same_redis", "secret_key", "clocks"} <= {one["check"] for one in found}


@pytest.mark.parametrize(
    "different",
    [
        {"prefix": "shop"},
        {"host": "database 1"},
        {"host": "other Redis"},
        {"symmetric_encryption_keys": ["a key of Django alone"]},
        {"kind": "pubsub.RedisPubSubChannelLayer"},
    ],
    ids=["prefix", "database", "redis", "keys", "kind"],
)
@pytest.mark.usefixtures("impatient")
def test_a_node_that_reads_elsewhere_is_found(world, different):
    hosts = {
        "database 1": world.redis_url.removesuffix("/0") + "/1",
        "other Redis": f"redis://{stack.LOOPBACK}:{world.other_redis.port}/0",
    }
    settings = layer(world, **{**different, "host": hosts.get(different.get("host"))})
    said = world.doctor(**settings)
    assert failures(said) == [DEAF]
    assert "not looked at: A group_send to a socket: the same Redis first" in said.out


def test_what_the_node_publishes_must_reach_django_too(world):
    """The pub/sub layer has its prefix in the names of groups alone."""
    options = {"kind": "pubsub.RedisPubSubChannelLayer", "symmetric_encryption_keys": ["a key"]}
    node = world.node(
        "pubsub", CHANNELGATE_LAYER="pubsub", CHANNELGATE_LAYER_KEYS="a key", CHANNELGATE_LAYER_PREFIX="shop"
    ).wait()
    assert failures(world.doctor(node=node, **layer(world, prefix="shop", **options))) == []
    world.commands.run(code=IMPATIENT)
    said = world.doctor(node=node, **layer(world, prefix="other", **options))
    world.commands.run(code=PATIENT)
    assert failures(said) == [DEAF]
    assert "what it publishes does not reach Django" in said.out
    node.stop()


def test_a_redis_that_is_away_is_named_without_its_password(world):
    where = f"redis://{stack.LOOPBACK}:{world.closed}/0"
    said = world.doctor(**layer(world, host=where.replace("//", f"//shop:{PASSWORD}@")))
    [line] = failures(said)
    assert line.startswith(f"Redis {where} does not answer: Error 111 connecting to {stack.LOOPBACK}:{world.closed}")


def test_a_node_that_is_away_is_named_and_what_needs_it_is_not_asked(world):
    where = f"http://{stack.LOOPBACK}:{world.closed}"
    said = world.doctor(node=where)
    assert failures(said) == [f"The node at {where} does not answer: Connection refused"]
    assert "python manage.py channelgate run" in said.out
    assert "not looked at: A token of Django: the node first" in said.out


def test_a_node_that_is_not_ready_says_why(world):
    [line] = failures(world.doctor(node=world.away))
    assert line.startswith(f"The node at {world.url(world.away)} says: Redis {stack.LOOPBACK}:{world.closed}")


def test_another_server_is_not_taken_for_a_node(world):
    where = world.url(world.django)
    assert failures(world.doctor(node=where)) == [
        f"The node at {where} says: 404 Not Found, which is not the answer of a node"
    ]


def of_the_wrong_node(world, **more) -> dict:
    """The settings of a project whose channelgate.toml is the wrong node's."""
    config = str(world.directory / "wrong.toml")
    return {"CHANNELGATE": {"SECRET": stack.BACKEND_SECRET, "API_KEY": API_KEY, "CONFIG": config, **more}}


def test_every_difference_of_a_wrong_node_has_its_line(world):
    said = world.doctor(node=world.wrong, **of_the_wrong_node(world))
    token, *rest = failures(said)
    assert token.startswith("A token of Django was refused: "), said.out
    # The client is accepted, and closed with the code that stands for 503.
    assert rest == [
        "A session cookie was refused: closed with 1013",
        "The node cannot ask Django: 403: SECRET differs",
    ]
    assert "The node's is not that of Django: CHANNELGATE_BACKEND_SECRET of the node is" in said.out


def test_a_node_that_has_read_another_file_is_found(world):
    assert f"The node at {world.url(world.wrong)} does not serve /ws/news/" in failures(world.doctor(node=world.wrong))


def test_a_node_with_another_api_key_or_with_every_origin_has_its_line(world):
    found = failures(world.doctor(node=world.strange))
    assert f'The node at {world.url(world.strange)} does not accept CHANNELGATE["API_KEY"]' in found
    assert "http://evil.example is allowed: a page of any site may open sockets of your visitors" in found


def test_another_cache_refuses_a_ws_token(world):
    caches = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    [line] = failures(world.doctor(CACHES=caches))
    assert line.startswith("A ws-token of the cache was refused: ")


def test_a_secret_of_django_that_has_changed_is_told_from_one_of_the_node(world):
    said = world.doctor(node=world.wrong, **of_the_wrong_node(world, SECRET="a third secret"))
    assert "The node cannot ask Django: 403: SECRET differs" in failures(said)
    assert "Django runs with another one than these settings" in said.out


NGINX = {
    "plain": "answered 426: the location lacks the Upgrade headers",
    "old": "answered 426: the location lacks proxy_http_version 1.1",
    "page": "answered 200: the location lacks the Upgrade headers",
    "dead": "answered 502: no node listens where the location sends it",
    "without": "answered 404: the path does not reach the node",
}


@pytest.mark.parametrize("site", NGINX)
def test_a_site_whose_nginx_does_not_pass_sockets_is_found(world, site):
    said = world.doctor("--site", world.sites[site])
    assert f"nginx at {world.sites[site]} {NGINX[site]}" in failures(said), said.out


def test_a_location_that_takes_more_than_has_moved_is_found(world):
    where = world.sites["all"]
    said = world.doctor("--site", where)
    assert failures(said) == [f"nginx at {where} sends /ws/chat/ to the node, which has no consumer for it"]


def test_an_nginx_that_changes_the_host_is_found(world):
    said = world.doctor("--site", world.sites["host"])
    where = f"{stack.LOOPBACK}:{world.good.port}"
    line = f"nginx at {world.sites['host']} passes on the Host {where}, so each page's origin is refused"
    assert line in failures(said), said.out


def test_a_site_that_is_away_is_one_line(world):
    where = f"http://{stack.LOOPBACK}:{world.closed}"
    assert f"nginx at {where} does not answer: Connection refused" in failures(world.doctor("--site", where))


def test_clocks_that_differ_are_warned_of_and_fail_when_calls_would(world):
    code = """
import time
from channelgate.doctor import Context
from channelgate.doctor.clocks import clocks
for apart in (0, 10, 400):
    [one] = clocks(Context(node={node!r}), now=lambda: time.time() + apart)
    print(one.status, one.text)
"""
    lines = world.commands.run(code=code.format(node=world.url(world.good))).lines
    said = [re.match(r"(\w+) Clocks differ by (\d+\.\d) s", line).groups() for line in lines]
    assert [status for status, _ in said] == ["ok", "warn", "FAIL"], lines
    # The answer of a busy node takes its time.
    assert all(abs(float(seconds) - apart) < 2 for (_, seconds), apart in zip(said, (0, 10, 400), strict=True)), lines


def test_without_an_api_key_doctor_says_what_it_cannot_see(world):
    said = world.doctor(CHANNELGATE={"SECRET": stack.BACKEND_SECRET})
    assert failures(said) == []
    assert 'warn  CHANNELGATE["API_KEY"] is not set: doctor and tail cannot look into the node' in said.lines
    assert "not looked at: Whether the node reads the same Redis: the API key first" in said.out


def test_a_page_that_the_node_does_not_know_is_named_with_what_to_change(world):
    where = f"http://127.0.0.2:{world.closed}"
    said = world.doctor("--site", where, node=world.wrong)
    assert [line for line in failures(said) if line.startswith(f"Origin {where} is refused: ")], said.out
    assert "CHANNELGATE_ALLOWED_ORIGINS" in said.out


@pytest.mark.parametrize(
    ("publishing", "line"),
    [
        ({"VIA": "redis"}, "ok    publish() inside a rolled-back transaction sent nothing"),
        ({"ON_COMMIT": False}, "FAIL  publish() inside a rolled-back transaction sent its event"),
    ],
)
def test_publish_keeps_to_the_transaction_unless_the_settings_say_otherwise(world, publishing, line):
    settings = {"SECRET": stack.BACKEND_SECRET, "API_KEY": API_KEY, "PUBLISH": publishing}
    said = world.doctor(CHANNELGATE=settings)
    assert line in said.lines and len(failures(said)) == line.startswith("FAIL"), said.out


STAFF = """
[backend]
url = "{backend}"

[[consumer]]
path = "/ws/orders/<int:id>/"
auth = ["django"]
groups = ["order_{{{{ route.id }}}}"]
on_admit.require = "user.is_staff"
"""
BRIDGED = """
[backend]
url = "{backend}"

[[consumer]]
path = "/ws/orders/<int:id>/"
django = true
[consumer.on_event."order.status"]
send = "{{'type': 'order.status', 'status': event.status}}"
"""


def of_a_bridged_project(world, port=None, **more) -> dict:
    """The settings of a project whose consumers all do something at a connect."""
    config = world.directory / "bridged.toml"
    config.write_text(BRIDGED.format(backend=f"http://{stack.LOOPBACK}:{port or world.port}/channelgate"))
    return {"CHANNELGATE": {"SECRET": stack.BACKEND_SECRET, "API_KEY": API_KEY, "CONFIG": str(config), **more}}


def test_where_every_consumer_runs_in_django_what_has_no_effect_is_asked(world):
    said = world.doctor(**of_a_bridged_project(world))
    assert failures(said) == []
    page = f"http://{stack.LOOPBACK}"
    assert f"Origin {page} is allowed, http://evil.example is not" in good(said)
    backend = f"{page}:{world.port}/channelgate"
    [line] = [line for line in good(said) if line.startswith("Django at ")]
    assert re.fullmatch(
        rf"Django at {re.escape(backend)} answers: who_am_i answered 401 in \d+ ms \(asked from here\)", line
    )
    assert "not looked at: A group_send to a socket: no consumer of channelgate.toml has a group" in said.out

    where = f"http://127.0.0.2:{world.closed}"
    found = failures(world.doctor("--site", where, node=world.wrong, **of_a_bridged_project(world)))
    assert f"Origin {where} is refused: the origin is not allowed" in found


async def test_a_socket_of_a_consumer_in_django_is_reached_at_a_path_that_is_named(world):
    settings = of_a_bridged_project(world)
    config = (world.directory / "bridged.toml").read_text()
    node = world.node("in_django", config, CHANNELGATE_BACKEND_URL=f"http://{stack.LOOPBACK}:{world.port}/channelgate")
    node.wait()
    said = world.doctor("--path", "/ws/orders/7/", node=node, **settings)
    assert failures(said) == []
    assert [line for line in good(said) if re.fullmatch(r"A group_send reached a socket in \d+ ms", line)], said.out

    assert "The node can ask Django: /ws/orders/<int:id>/ has accepted a socket" in good(said)

    # While others connect there, it is not known for certain which connection is doctor's: nothing is sent.
    words = ("doctor", "--node", world.url(node), "--path", "/ws/orders/7/")
    running = asyncio.ensure_future(asyncio.to_thread(world.commands.run, *words, **settings))
    while not running.done():
        assert await refusal(node.port, "/ws/orders/7/") == 403
    said = running.result()
    assert failures(said) == []
    assert "not looked at: A group_send to a socket: others connect at /ws/orders/7/ at the same time" in said.out
    node.stop()


ALONE = {
    "anonymous": ["room_{{ route.room }}"],
    "jwt": ["everybody", "user_{{ user.id }}"],
    "ws_token": ["user_{{ user.id }}"],
}


def test_a_socket_is_reached_in_a_group_of_its_own_with_every_credential_of_a_node(world):
    texts = {
        auth: f"""
[[consumer]]
path = "/ws/{auth}/<str:room>/"
auth = ["{auth}"]
groups = {json.dumps(groups)}
on_event."*".send = "event"
"""
        for auth, groups in ALONE.items()
    }
    node = world.node("alone", "".join(texts.values())).wait()
    for auth, text in texts.items():
        config = world.directory / f"{auth}.toml"
        config.write_text(text)
        settings = {"SECRET": stack.BACKEND_SECRET, "API_KEY": API_KEY, "CONFIG": str(config)}
        said = world.doctor(node=node, CHANNELGATE=settings)
        assert failures(said) == []
        assert [line for line in good(said) if line.startswith("A group_send reached a socket")], (auth, said.out)
    node.stop()


def test_a_user_whom_a_consumer_does_not_admit_is_known_all_the_same(world):
    node = world.node("staff", STAFF.format(backend=f"http://{stack.LOOPBACK}:{world.port}/channelgate")).wait()
    config = {"SECRET": stack.BACKEND_SECRET, "API_KEY": API_KEY, "CONFIG": str(world.directory / "staff.toml")}
    said = world.doctor(node=node, CHANNELGATE=config)
    assert failures(said) == []
    assert "A session cookie was known as user 1, whom /ws/orders/<int:id>/ does not admit" in good(said)
    node.stop()


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"SECRET": "another"}, "Django at {} answers 403: SECRET differs"),
        ({"port": "closed"}, "Django at {} does not answer: Connection refused"),
        (
            {"SECRET": None},
            'CHANNELGATE["SECRET"] is not set: /channelgate/ answers 404, and nodes get no answers from Django.',
        ),
    ],
)
def test_a_django_that_does_not_answer_nodes_is_found_from_here(world, more, line):
    port = world.closed if "port" in more else world.port
    said = world.doctor(**of_a_bridged_project(world, **{**more, "port": port}))
    assert failures(said) == [line.format(f"http://{stack.LOOPBACK}:{port}/channelgate")]


def test_code_is_looked_at_on_demand(world):
    said = world.doctor("--code")
    place = f"{stack.ROOT / 'tests' / 'django' / 'checked' / 'moves.py'}:12"
    early = f"group_send in {place} is inside a transaction and not in on_commit"
    assert [line[6:] for line in said.lines if line.startswith("warn")] == [
        f"{early}: clients may receive events that are rolled back.",
        f'Group name "orders_{{order.email}}" in {place} can hold characters that Channels refuses.',
    ], said.out
    assert said.code == 0 and "→ Use channelgate.publish()" in said.out


async def test_a_token_of_the_command_is_admitted(world):
    token = world.commands.run("token", "--user", "7", "--lifetime", "1m", "--claim", "role=admin").out.strip()
    path = f"/ws/prices/abc/?token={token}"
    assert await refusal(world.good.port, path) == 101
    assert await refusal(world.wrong.port, path) == 403
    ws = world.commands.run("token", "--user", "7", "--kind", "ws", "--lifetime", "1m").out.strip()
    try:
        assert await refusal(world.good.port, f"/ws/news/?token={ws}") == 101
    finally:
        world.commands.run(code=f"from django.core.cache import cache; cache.delete({'ws_token_' + ws!r})")


async def test_an_event_of_the_command_reaches_a_socket_through_nginx(world):
    token = world.commands.run("token", "--user", "7").out.strip()
    port = int(world.sites["good"].rpartition(":")[2])
    client = await Client.open(port, f"/ws/prices/abc/?token={token}")
    event = '{"type": "price", "price": 1.4}'
    said = await asyncio.to_thread(world.commands.run, "publish", "prices", event)
    assert said.out == "Sent price to prices through RedisChannelLayer.\n"
    assert (await client.count(1))[0] | {"at": 0} == {"type": "price", "price": 1.0, "at": 0}
    await client.close()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("prices", "{"), "The event is not JSON"),
        (("prices", "[1]"), 'The event is an object with "type"'),
        (("a group", '{"type": "x"}'), "The event was not sent: TypeError: "),
        (("prices", '{"type": "x"}', "--layer", "other"), 'CHANNEL_LAYERS has no "other"'),
    ],
)
def test_an_event_that_cannot_be_sent_is_an_error(world, words, error):
    said = world.commands.run("publish", *words)
    assert said.code == 1 and said.err.startswith(error) and not said.out


def test_the_locations_are_those_of_the_paths_and_of_no_others(world):
    text = world.commands.run("nginx").out
    assert [line for line in text.splitlines() if line.startswith("location")] == [
        'location ~ "^/ws/orders/[0-9]+/?$" {',
        'location ~ "^/ws/prices/[-a-zA-Z0-9_]+/?$" {',
        'location ~ "^/ws/news/?$" {',
    ]
    assert "proxy_pass http://127.0.0.1:8001;" in text


def manage(world, *words: str, **env: str) -> subprocess.Popen:
    """A command in a process of its own."""
    code = """
import atexit, sys, time
from django.core.management import execute_from_command_line as run
began = time.monotonic()
if "--traceback" in sys.argv:
    atexit.register(lambda: print("took", time.monotonic() - began))
run(["manage.py", *sys.argv[1:]])
"""
    return subprocess.Popen(
        [stack.PYTHON, "-c", code, "channelgate", *words],
        cwd=world.directory,
        env={**os.environ, **world.env, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_tail_becomes_the_programs_own_with_the_key_of_the_settings(world):
    tail = manage(
        world,
        "tail",
        "--url",
        world.url(world.good),
        "--json",
        "--payload",
        "--group",
        "prices",
        CHANNELGATE_BIN=str(stack.binary()),
    )
    try:
        token = world.commands.run("token", "--user", "7").out.strip()
        client = await Client.open(world.good.port, f"/ws/prices/abc/?token={token}")
        reading = asyncio.ensure_future(asyncio.to_thread(tail.stdout.readline))
        while not reading.done():
            # It watches from some time on.
            await asyncio.to_thread(world.commands.run, "publish", "prices", '{"type": "price", "price": 3}')
            await asyncio.wait({reading}, timeout=0.2)
        assert json.loads(reading.result())["groups"] == ["prices"]
        # The key is not among the arguments, which others can see.
        arguments = stack.Path(f"/proc/{tail.pid}/cmdline").read_bytes().split(b"\0")
        assert arguments[1] == b"tail" and API_KEY.encode() not in arguments
        await client.close()
    finally:
        tail.terminate()
        tail.communicate(timeout=30)


def test_servers_that_accept_and_never_answer_do_not_hang_it(world, hanging):
    """In a process of its own, as a user runs it: its exit status, and its time."""
    out, err = world.stuck.communicate(timeout=90)
    took = float(out.rpartition("took ")[2])
    assert world.stuck.returncode == 1 and "Traceback" not in err, err
    where = f"http://{stack.LOOPBACK}:{hanging}"
    for text in [
        f"Redis redis://{stack.LOOPBACK}:{hanging}/0 does not answer: ",
        f"The node at {where} does not answer: no answer in time",
        f"nginx at {where} does not answer: no answer in time",
    ]:
        assert f"FAIL  {text}" in out, out
    assert not [secret for secret in SECRETS if secret in out + err]
    print(f"took {took:.1f} s")
    assert took < 60


def test_django_that_has_ended_is_named(world):
    """The last one: it ends Django."""
    world.django.stop()
    found = failures(world.doctor())
    assert "The node cannot ask Django: Connection refused" in found
