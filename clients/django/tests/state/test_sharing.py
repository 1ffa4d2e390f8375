"""What modules, classes and other objects of the process hold as well: by its name, or refused."""

import collections
import functools
import weakref

import pytest
from harness.keeping import captured, made, next_call
from library import consumers as c

from channelgate.bridge.refusals import Refused, Restart
from channelgate.bridge.state import Baseline, restore, sharing


@functools.lru_cache
def remembered(name):
    return {"name": name}


WEAK = weakref.WeakValueDictionary()
QUEUES = collections.defaultdict(collections.deque)


def closure():
    table = {"inner": {}}

    def get():
        return table

    return get


get_table = closure()


# The first consumer of the process: what is in the constants now was there before.
Baseline(c.Keeper())


def refusal(**attributes):
    with pytest.raises(Refused) as refused:
        captured(*made(**attributes))
    return refused.value.kind, refused.value.text


@pytest.fixture(autouse=True)
def clean():
    yield
    c.ROOMS.clear()
    c.Game.rooms.clear()
    c.manager.games.clear()
    QUEUES.clear()


def test_the_text_of_the_contract_for_a_class_attribute():
    c.Game.rooms["r"] = state = {"ball": [0, 0]}
    assert refusal(game_state=state) == (
        "shared",
        "library.Keeper: self.game_state is shared with Game of this process: "
        "kept between calls it would become a copy",
    )


def test_what_is_inside_a_global_is_refused_wherever_the_consumer_has_it():
    c.ROOMS["r"] = room = c.Plain(players=[])
    assert "self.room is shared with library.consumers.ROOMS of this process" in refusal(room=room)[1]
    assert "self.players is shared with library.consumers.ROOMS" in refusal(players=room.players)[1]
    assert "self.seat['room'] is shared with" in refusal(seat={"room": room})[1]
    c.manager.games[1] = game = c.Player("a")
    assert "self.game is shared with library.consumers.manager" in refusal(game=game)[1]
    assert "self.queue is shared with" in refusal(queue=QUEUES["a"])[1]
    assert "self.entry is shared with" in refusal(entry=remembered("x"))[1]
    assert "self.inner is shared with" in refusal(inner=get_table()["inner"])[1]
    WEAK["w"] = kept = c.Plain(value=1)
    assert "self.weak is shared with" in refusal(weak=kept)[1]


def test_a_global_itself_is_kept_by_its_name():
    consumer, baseline = made(rooms=c.ROOMS, config=c.SETTINGS, games=c.Game.rooms, manager=c.manager)
    again, fresh = next_call(consumer, baseline)
    assert again.rooms is c.ROOMS
    assert again.config is c.SETTINGS
    assert again.games is c.Game.rooms
    assert again.manager is c.manager
    assert next_call(again, fresh)[0].rooms is c.ROOMS


def test_a_part_of_a_constant_is_kept_by_its_place():
    consumer, baseline = made(limits=c.LIMITS["chat"], tags=c.LIMITS["tags"])
    again, _ = next_call(consumer, baseline)
    assert again.limits is c.LIMITS["chat"]
    assert again.tags is c.LIMITS["tags"]
    payload = captured(*made(limits=c.LIMITS["chat"]))
    gone = c.LIMITS.pop("chat")
    try:
        with pytest.raises(Restart, match=r"library\.consumers\.LIMITS does not have this part any more"):
            restore(c.Keeper(), payload, scope={})
    finally:
        c.LIMITS["chat"] = gone


def test_an_attribute_that_a_class_gets_later_counts():
    c.Game.current = {"a": [c.Plain()]}
    try:
        assert "self.now is shared with Game of" in refusal(now=c.Game.current["a"])[1]
        assert next_call(*made(current=c.Game.current))[0].current is c.Game.current
    finally:
        del c.Game.current


def test_a_consumer_in_a_registry_owns_its_attributes():
    consumer, baseline = made(own=[1])
    c.ROOMS["all"] = [consumer]
    held = consumer.own
    assert next_call(consumer, baseline)[0].own == held


def test_an_object_of_its_own_is_not_refused_however_often_it_is_met():
    own = {"a": [1]}
    consumer, baseline = made(own=own, again=own, parts=[own["a"]], plain=c.Plain(value=own))
    c.ROOMS["r"] = {"a": [1]}
    again, _ = next_call(consumer, baseline)
    assert again.own is again.again is again.plain.value
    frozen = c.Frozen(1)
    c.ROOMS["f"] = frozen
    assert next_call(*made(frozen=frozen))[0].frozen == frozen


def test_the_search_is_left_out_where_the_counts_say_so(monkeypatch):
    searched = []
    monkeypatch.setattr(sharing, "search", lambda wanted: searched.append(wanted) or {})
    consumer, baseline = made(c.Maker, a=[1], b={"x": [2]}, p=c.Plain(value={1}), q=c.Player("x"))
    again, fresh = next_call(consumer, baseline)
    next_call(again, fresh)
    assert searched == []
