"""Memory returns: many rounds of connecting, traffic and leaving end where the first one did.

`SOAK=10000` makes it ten thousand connections per round; that needs files: `ulimit -n`.
"""

import asyncio
import os
import resource

import pytest
from rig.client import until
from rig.memory import private
from rig.raw import PING, TEXT, Raw

ROUNDS = 10
CONNECTIONS = int(os.environ.get("SOAK", "500"))
#: Seconds within which free memory is returned.
BACK = 30
#: Concurrent handshakes.
AT_ONCE = 100
CONFIG = """
[[consumer]]
path = "/ws/"
groups = ["broadcast"]
[consumer.on_raw.hello]
reply_raw = "'welcome'"
[consumer.on_event."*"]
send = "event"
"""


def allowed(first: int) -> int:
    """What may be left after a round, with this much after the first: the allocator keeps some pages of its own."""
    return first + max(first // 10, 2**20)


async def one_round(system, node, number: int, enough: int) -> tuple[int, int]:
    """All clients connect, send, receive published events, and leave; returns the memory with them and without."""
    raws: list[Raw] = []
    for start in range(0, CONNECTIONS, AT_ONCE):
        some = range(start, min(start + AT_ONCE, CONNECTIONS))
        raws += await asyncio.gather(*(Raw.open(node.port, "/ws/", limit=2**16) for _ in some))
    for raw in raws:
        await raw.frame(TEXT, b"hello")
        await raw.frame(PING, b"")
    async with system.publisher() as publisher:
        for size in (10, 1_000, 20_000):
            await publisher.group_send("broadcast", {"type": "tick", "round": number, "text": "x" * size})
    # The answers to itself, and three events, complete.
    for raw in raws:
        frames = [await raw.read(60) for _ in range(5)]
        assert sorted(len(payload) > 15_000 for _, payload in frames) == [False] * 4 + [True]
    full = private(node)
    for raw in raws:
        raw.abort()
    gone = lambda: system.metric(node, "channelgate_connections") == 0  # noqa: E731
    await until(gone, "all clients to be gone", 60)
    await until(lambda: system.metric(node, "channelgate_outbox_bytes") == 0, "nothing to wait", 60)
    return full, await settled(node, enough)


async def settled(node, enough: int) -> int:
    """Memory when it is low enough, or after the time in which the allocator returns free memory."""
    end = asyncio.get_running_loop().time() + BACK
    lowest = private(node)
    while lowest > enough and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.5)
        lowest = min(lowest, private(node))
    return lowest


@pytest.mark.alone("measures memory, and needs the cores for many connections")
@pytest.mark.timeout(420 + CONNECTIONS // 5)
async def test_memory_comes_back_after_every_round(system):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 1000  # of each, the test and the node
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"only {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    # No pings: while ten thousand others connect, these clients neither send nor answer. On a busy machine many that
    # connect at once send their requests late.
    patient = {"CHANNELGATE__SOCKET__PING_INTERVAL": "0s", "CHANNELGATE__SERVER__HANDSHAKE_TIMEOUT": "60s"}
    node = system.start_node(config=CONFIG, **patient)
    start = private(node)
    after = []
    for number in range(ROUNDS):
        # The first round shows how much it is.
        enough = allowed(after[0]) if after else 0
        full, left = await one_round(system, node, number, enough)
        after.append(left)
        print(
            f"round {number + 1}: {full / 2**20:.1f} MiB with {CONNECTIONS}, {left / 2**20:.1f} MiB without", flush=True
        )
    print(f"before the first: {start / 2**20:.1f} MiB")
    assert max(after[1:]) <= allowed(after[0]), after
