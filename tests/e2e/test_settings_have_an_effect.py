"""A setting that is accepted has an effect: for each key of the configuration two values, and what is observed."""

import asyncio
import re

import pytest
import settings
from rig import answers
from rig.bridged import Faults
from settings import OfConsumer, OfNode, bridge, consumers, redis_and_django, server, steps, tokens, world

#: Many rows measure how long something takes.
pytestmark = pytest.mark.alone("bounds times, and starts many nodes")

TABLES = (server.TABLE, tokens.TABLE, redis_and_django.TABLE, bridge.TABLE, consumers.TABLE, steps.TABLE)
ROWS: dict[str, OfNode | OfConsumer] = {key: row for table in TABLES for key, row in table.items()}
#: Number of rows tested at the same time.
AT_ONCE = 8


def test_every_key_has_a_row_and_every_row_a_key():
    """A key without a row could be without any effect."""
    keys = settings.keys()
    assert len(keys) > 150
    assert [key for key in keys if key not in ROWS] == []
    assert [key for key in ROWS if key not in keys] == []
    assert sum(len(table) for table in TABLES) == len(ROWS), "a key that is in two tables"


def filled(text: str | None, site: world.Site) -> str | None:
    """A value with the addresses of this run in it."""
    if text is None:
        return None
    known = {
        "redis": site.redis_url,
        "second": redis_and_django.other_redis(site),
        "backend": site.backend.url.rpartition("/")[0],
        "bridge": bridge.PROJECT[0].url if bridge.PROJECT else "",
    }
    if text == "{door}":
        return bridge.door(site)
    return re.sub(r"\{(redis|second|backend|bridge)\}", lambda found: known[found[1]], text)


#: Keys with a named variable, whose value is taken as text.
NAMED = {
    "server.listen": "CHANNELGATE_LISTEN",
    "layer.url": "REDIS_URL",
    "cache.url": "CHANNELGATE_CACHE_URL",
    "auth.secret_key": "DJANGO_SECRET_KEY",
    "api.key": "CHANNELGATE_API_KEY",
    "backend.url": "CHANNELGATE_BACKEND_URL",
    "backend.secret": "CHANNELGATE_BACKEND_SECRET",
}


def environment(key: str, row: OfNode, value: str | None, site: world.Site) -> dict[str, str]:
    beside = {name: filled(text, site) for name, text in row.beside.items()}
    env = {f"CHANNELGATE__{name.replace('.', '__').upper()}": text for name, text in beside.items()}
    value = filled(value, site)
    name = row.variable or key
    if value is not None and not row.in_file:
        named = NAMED.get(key)
        env[named or f"CHANNELGATE__{name.replace('.', '__').upper()}"] = value.strip('"') if named else value
    return env


class Looked:
    """The result of both values of each key, or the error."""

    def __init__(self, directory, backend: answers.Backend):
        self.redises = world.Redises(directory)
        redis_and_django.SECOND.port = self.redises.alone().port
        self.backend = backend
        self.directory = directory
        self.found: dict[str, list] = {}
        self.turns = asyncio.Semaphore(AT_ONCE)

    async def all(self, keys: list[str]) -> None:
        of_consumers = [key for key in keys if isinstance(ROWS[key], OfConsumer)]
        of_nodes = [key for key in keys if isinstance(ROWS[key], OfNode)]
        if any(key in bridge.TABLE for key in keys):
            project = Faults(self.directory / "bridge")
            bridge.PROJECT[:] = [project]
            project.django.start()
            await asyncio.to_thread(project.django.wait)
        try:
            await asyncio.gather(*(self._of_node(key) for key in of_nodes), self._of_consumers(of_consumers))
        finally:
            self.redises.stop()
            for project in bridge.PROJECT:
                await asyncio.to_thread(project.stop)

    async def _look(self, key: str, look, where) -> object:
        try:
            # A row waits for several things; this is for one that waits for ever.
            async with asyncio.timeout(90):
                return await look(where)
        except Exception as error:
            return error

    async def _of_node(self, key: str) -> None:
        row: OfNode = ROWS[key]
        self.found[key] = []
        for number, value in enumerate((row.one, row.two)):
            async with self.turns:
                name = re.sub(r"[^a-z0-9]+", "-", f"{key}-{number}")
                expected = None if callable(row.seen) else row.seen[number]
                site = await asyncio.to_thread(world.Site, self.redises, self.backend, name, row.alone, expected)
                # Redis sends a publish to clients of all databases: groups are unique per row.
                config = (row.config + (value if row.in_file else "")).replace("SITE", name)
                env = environment(key, row, value, site)
                if key == "server.listen":
                    env["CHANNELGATE_LISTEN"] = f"{value}:{{port}}"
                try:
                    await site.start(config, **env)
                    seen = await self._look(key, row.look, site)
                except Exception as error:
                    seen = error
                finally:
                    await asyncio.to_thread(site.stop)
                self.found[key].append(seen)

    async def _of_consumers(self, keys: list[str]) -> None:
        if not keys:
            return
        site = await asyncio.to_thread(world.Site, self.redises, self.backend, "consumers", alone=True)
        texts, places = [consumers.BESIDE], {}
        for key in keys:
            row: OfConsumer = ROWS[key]
            for number, value in enumerate((row.one, row.two)):
                name = re.sub(r"[^a-z0-9]+", "-", f"{key}-{number}".replace("<name>", "name"))
                texts.append(consumers.written(row, name, value))
                expected = None if callable(row.seen) else row.seen[number]
                places[key, number] = world.Place(site, name, expected)
        try:
            await site.start("\n".join(texts), CHANNELGATE__PAGE__ENABLED="true")
        except Exception as error:
            self.found.update({key: [error, error] for key in keys})
            return
        try:
            await asyncio.gather(*(self._of_consumer(key, places) for key in keys if key not in consumers.LAST))
            # These disturb the others.
            for key in keys:
                if key in consumers.LAST:
                    await self._of_consumer(key, places)
        finally:
            await asyncio.to_thread(site.stop)

    async def _of_consumer(self, key: str, places) -> None:
        async with self.turns:
            self.found[key] = [await self._look(key, ROWS[key].look, places[key, number]) for number in (0, 1)]


@pytest.fixture(scope="module")
def looked(request, tmp_path_factory):
    """Tests all requested keys, several at a time."""
    mine = [
        item for item in request.session.items if getattr(item, "originalname", "") == "test_a_setting_has_an_effect"
    ]
    wanted = [item.callspec.params["key"] for item in mine]
    keys = [key for key in ROWS if key in wanted]
    with answers.backend() as backend:
        backend.answers.update(consumers.ANSWERS)
        one = Looked(tmp_path_factory.mktemp("settings"), backend)
        asyncio.run(one.all(keys))
    return one.found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("key", ROWS)
def test_a_setting_has_an_effect(looked, key):
    first, second = looked[key]
    for seen in (first, second):
        if isinstance(seen, Exception):
            raise AssertionError(f"{key} cannot be tested") from seen
    assert (wrong := settings.differ(ROWS[key], first, second)) is None, f"{key}: {wrong}"
