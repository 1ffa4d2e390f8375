"""Who is online: reported once per user, for any number of tabs on any nodes, and when the last one has left."""

import asyncio

import pytest
from rig.demo import mint_person
from rig.shop import stranger, user_ids
from rig.times import timed

#: A user is gone after the preset's grace.
GRACE = 2.0


def tab_ports(gate) -> list[int]:
    """Two nodes if there are as many, past the balancer, so that the tabs are not on the same."""
    return [gate.nodes[0].port, gate.nodes[-1].port]


async def colleague(gate, sockets, role: str):
    """A person of the same role, who is notified."""
    watcher = await sockets.open(gate.port, mint_person(stranger().id, role))
    await watcher.wait(lambda: user_ids(watcher, "user_online"), "its own user to be reported online")
    return watcher


async def passer_by(sockets, watcher, port: int, role: str) -> None:
    """A person of this role comes and goes: all reports about earlier visits have been sent by then."""
    person = mint_person(stranger().id, role)
    await sockets.close(await sockets.open(port, person))
    await watcher.wait(lambda: person.id in user_ids(watcher, "user_offline"), "the passer-by to be missed")


async def test_two_tabs_are_online_once_and_offline_once(gate, sockets):
    person = stranger()
    watcher = await colleague(gate, sockets, person.role)
    tabs = [await sockets.open(port, person) for port in tab_ports(gate)]
    await sockets.close(tabs[0])
    await passer_by(sockets, watcher, gate.nodes[0].port, person.role)
    (online,) = [args[0] for args in watcher.all("user_online") if args[0]["userId"] == person.id]
    assert timed(online) == {"userId": person.id, "userName": person.name}
    assert person.id not in user_ids(watcher, "user_offline")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await sockets.close(tabs[1])
    await watcher.wait(lambda: person.id in user_ids(watcher, "user_offline"), "the last tab to be missed")
    assert loop.time() - began > GRACE * 0.8, "reported before the grace was over"
    (offline,) = [args[0] for args in watcher.all("user_offline") if args[0]["userId"] == person.id]
    assert timed(offline) == {"userId": person.id, "userName": person.name}
    assert user_ids(watcher, "user_online").count(person.id) == 1


async def test_a_reloaded_page_was_never_away(gate, sockets):
    # Somebody who was away for longer than the grace was away: then another person tries.
    for _ in range(5):
        slowest, told = await reload(gate, sockets)
        if told == {"user_online": 1, "user_offline": 0}:
            return
        assert slowest > GRACE / 4, told
    raise AssertionError(f"always away, {slowest:.1f} s the last time: {told}")


async def reload(gate, sockets) -> tuple[float, dict[str, int]]:
    """A page that is loaded four times: the longest time without a tab, and how often others hear of its user."""
    person = stranger()
    watcher = await colleague(gate, sockets, person.role)
    tab = await sockets.open(gate.nodes[0].port, person)
    slowest, loop = 0.0, asyncio.get_running_loop()
    for number in range(4):
        began = loop.time()
        await sockets.close(tab)
        tab = await sockets.open(tab_ports(gate)[number % 2], person)
        slowest = max(slowest, loop.time() - began)
    for port in tab_ports(gate):
        await passer_by(sockets, watcher, port, person.role)
    return slowest, {event: user_ids(watcher, event).count(person.id) for event in ("user_online", "user_offline")}


async def test_the_room_of_admins_and_managers_is_notified_too(gate, sockets):
    admin = await sockets.open(gate.port, stranger("admin"))
    person = stranger()
    await sockets.close(await sockets.open(gate.port, person))

    def states() -> list[str]:
        return [args[0]["status"] for args in admin.all("user_activity_update") if args[0]["userId"] == person.id]

    await admin.wait(lambda: states() == ["online", "offline"], "online, then offline")


@pytest.mark.parametrize("people", [30])
async def test_many_concurrent_arrivals_and_departures_are_each_reported_once(gate, sockets, people):
    role = stranger().role
    watcher = await colleague(gate, sockets, role)
    crowd = [mint_person(stranger().id, role) for _ in range(people)]

    async def visit(person) -> None:
        tabs = await asyncio.gather(*(sockets.open(port, person) for port in tab_ports(gate)))
        await asyncio.gather(*(sockets.close(tab) for tab in tabs))

    await asyncio.gather(*(visit(person) for person in crowd))
    ids = sorted(person.id for person in crowd)
    await watcher.wait(lambda: len(user_ids(watcher, "user_offline")) >= people, "everybody to be gone")
    assert sorted(user_ids(watcher, "user_offline")) == ids
    assert sorted(set(user_ids(watcher, "user_online")) & set(ids)) == ids
    assert len([who for who in user_ids(watcher, "user_online") if who in set(ids)]) == people
