"""Code that is not the code of the state: Restart in plain words, and never half a consumer."""

import dataclasses
import enum
import sys
import types
import typing

import pytest
from harness.keeping import captured, made
from library import consumers as c

from channelgate.bridge.refusals import Restart
from channelgate.bridge.state import restore

MODULE = "library.deployed"

BEFORE = {
    "Record": dataclasses.make_dataclass("Record", ["a", "b"]),
    "Mode": enum.Enum("Mode", ["ON", "OFF"]),
    "Spot": typing.NamedTuple("Spot", [("x", int), ("y", int)]),
    "Thing": type("Thing", (), {}),
    "act": lambda: None,
    "Words": type("Words", (list,), {}),
    "Bits": enum.Flag("Bits", ["A", "B"]),
    "Trouble": type("Trouble", (Exception,), {}),
}
AFTER = {
    "Record": dataclasses.make_dataclass("Record", ["a", "c"]),
    "Mode": enum.Enum("Mode", ["ON"]),
    "Spot": typing.NamedTuple("Spot", [("x", int), ("z", int)]),
    "Words": type("Words", (dict,), {}),
    "Bits": enum.Flag("Bits", ["A"]),
    "Trouble": type("Trouble", (), {}),
}


def deploy(things):
    module = sys.modules[MODULE] = types.ModuleType(MODULE)
    for name, thing in things.items():
        thing.__module__, thing.__qualname__ = MODULE, name
        setattr(module, name, thing)
    return module


VALUES = {
    "Record": lambda m: m.Record(1, 2),
    "Mode": lambda m: m.Mode.OFF,
    "Spot": lambda m: m.Spot(1, 2),
    "Thing": lambda m: m.Thing(),
    "act": lambda m: m.act,
    "Words": lambda m: m.Words([1]),
    "Bits": lambda m: m.Bits.A | m.Bits.B,
    "Trouble": lambda m: m.Trouble("x"),
}


@pytest.mark.parametrize("name", VALUES)
def test_what_the_new_code_does_not_have_restarts_the_connection(name):
    consumer, baseline = made(first=1, value=VALUES[name](deploy(BEFORE)))
    payload = captured(consumer, baseline)
    deploy(AFTER)
    again, scope = c.Keeper(), {}
    before = dict(vars(again))
    with pytest.raises(Restart) as restart:
        restore(again, payload, scope=scope)
    assert f"{MODULE}.{name}" in restart.value.text
    assert vars(again) == before
    assert scope == {}
    del sys.modules[MODULE]


def test_another_class_at_the_route_restarts():
    payload = captured(*made())
    with pytest.raises(Restart) as restart:
        restore(c.Maker(), payload, scope={})
    assert restart.value.text == (
        "the state is of library.consumers.Keeper, the route leads to library.consumers.Maker now"
    )


def test_what_init_no_longer_makes_restarts():
    consumer, baseline = made(c.Maker)
    consumer.again = consumer.lock
    payload = captured(consumer, baseline)
    fresh = c.Maker()
    del fresh.lock
    with pytest.raises(Restart, match=r"__init__ does not make self\.lock any more"):
        restore(fresh, payload, scope={})


def test_an_unknown_kind_of_value_restarts():
    payload = captured(*made(value=1))
    payload["a"]["value"] = {"$later": 1}
    with pytest.raises(Restart, match="the state has a value of the unknown kind"):
        restore(c.Keeper(), payload, scope={})
