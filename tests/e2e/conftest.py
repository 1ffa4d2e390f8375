"""Fixtures: a database made once, a whole stack per layer, and small systems for single tests."""

import os
import socket
from pathlib import Path

import pytest
import stack
from rig.driver import Driver
from rig.everyday.stage import Everyday, configurations
from rig.sio import KINDS, Sockets
from rig.system import GATES, LAYERS, ORACLE_ONLY, System

# Each process that pytest-xdist starts uses its own ports.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    share = len(stack.PORTS) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    stack.PORTS = stack.PORTS[int(worker.removeprefix("gw")) * share :][:share]

#: The longest tests start first, so that the others do not wait for them at the end.
LONGEST = (
    "corpus",
    "everyday",
    "link",
    "test_revoke.py",
    "test_a_failover_of_sentinel",
    "test_joins_and_leaves_of_others",
    "test_sio_clients.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups tests that share servers, so that they run in one process (`--dist loadgroup`)."""

    def group(item: pytest.Item) -> str:
        if own := item.get_closest_marker("xdist_group"):
            return own.args[0]
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        for name in ("whole", "gate"):
            if name in parameters:
                return f"{name}-{parameters[name]}"
        if "everyday" in parameters:
            return "everyday"
        scopes = {fixtures[-1].scope for fixtures in item._fixtureinfo.name2fixturedefs.values()}
        return item.path.name if "module" in scopes else item.name

    groups = {item: group(item) for item in items}
    for item, name in groups.items():
        item.add_marker(pytest.mark.xdist_group(name))
    first = {name: rank for rank, name in enumerate(dict.fromkeys(groups.values()))}

    def rank(item: pytest.Item) -> tuple[int, int]:
        long = (rank for rank, name in enumerate(LONGEST) if groups[item].startswith(name))
        return next(long, len(LONGEST)), first[groups[item]]

    items.sort(key=rank)


@pytest.fixture(scope="session")
def database(tmp_path_factory) -> Path:
    """The demo project's empty database."""
    directory = tmp_path_factory.mktemp("database")
    stack.migrate(directory, stack.django_env(directory, "redis://127.0.0.1:1/0"))
    return directory / "db.sqlite3"


@pytest.fixture(scope="session", params=LAYERS)
def whole(request, tmp_path_factory, database):
    """Redis, the demo project under Daphne, three nodes and nginx, for each way to set the channel layer.

    Nodes have the rights in Redis that the manual lists, and no others.
    """
    system = System(tmp_path_factory.mktemp(request.param), LAYERS[request.param])
    try:
        system.least_rights()
        system.start_django(database, wait=False)
        for _ in range(0 if ORACLE_ONLY else 3):
            system.start_node(wait=False, CHANNELGATE_ALLOWED_ORIGINS="127.0.0.1,localhost")
        system.wait()
        if system.nodes:
            system.start_nginx()
        yield system
    finally:
        system.stop()


@pytest.fixture(params=["core", "pubsub"])
def bus(request, tmp_path):
    """A separate Redis, for each of the two layers; the test starts nodes itself."""
    system = System(tmp_path, LAYERS[request.param])
    yield system
    system.stop()


@pytest.fixture
def system(tmp_path):
    """A separate Redis and the core layer; the test starts nodes itself."""
    system = System(tmp_path, LAYERS["core"])
    yield system
    system.stop()


@pytest.fixture(scope="module")
def module_system(tmp_path_factory):
    """The same for the tests of one file."""
    system = System(tmp_path_factory.mktemp("module"), LAYERS["core"])
    yield system
    system.stop()


@pytest.fixture
def site(system, database):
    """Django, two nodes and nginx, like a small site."""
    system.start_django(database, wait=False)
    for _ in range(2):
        system.start_node(wait=False)
    system.wait()
    system.start_nginx()
    return system


@pytest.fixture(scope="session", params=["one", "three"])
def gate(request, tmp_path_factory, database):
    """The built-in configuration with the demo project as its backend, on one node and on three behind nginx.

    Like `whole`, with least rights in Redis.
    """
    nodes, layer, backend = GATES[request.param]
    system = System(tmp_path_factory.mktemp(request.param), LAYERS[layer])
    try:
        system.least_rights()
        yield system.start_gate(nodes, database, backend)
    finally:
        system.stop()


@pytest.fixture(scope="session")
def everyday_configurations(tmp_path_factory):
    """What `init` writes for the ten everyday projects, without an edit."""
    return configurations(tmp_path_factory.mktemp("init"))


@pytest.fixture(scope="session", params=["core", "pubsub"])
def everyday(request, tmp_path_factory, everyday_configurations):
    """The ten everyday projects under Daphne, and behind a node each."""
    everyday = Everyday(tmp_path_factory.mktemp(request.param), request.param)
    try:
        everyday.start_nodes(everyday_configurations)
        yield everyday.wait()
    finally:
        everyday.stop()


@pytest.fixture(scope="session")
def driver():
    """The process of socket.io-client."""
    driver = Driver()
    yield driver
    driver.stop()


@pytest.fixture
async def sockets(driver):
    """Opens Socket.IO sockets by WebSocket."""
    sockets = Sockets(driver, "js-websocket")
    yield sockets
    await sockets.close_all()


@pytest.fixture(params=KINDS)
async def clients(request, driver):
    """Opens Socket.IO sockets of every kind: both clients, each of the transports, and the upgrade."""
    sockets = Sockets(driver, request.param)
    yield sockets
    await sockets.close_all()


@pytest.fixture(scope="module")
def hanging():
    """The port of a backend that accepts calls and never answers: only the kernel accepts them."""
    with socket.create_server((stack.LOOPBACK, 0), backlog=4096) as listener:
        yield listener.getsockname()[1]
