"""The sections of the document, whose Python the test writes as a package `sections`, with a list of them."""

import importlib
import inspect
import json
import os
from collections import Counter
from pathlib import Path
from types import ModuleType

from channelgate.users import describe as usual
from channels.consumer import AsyncConsumer
from django.urls import path


def listed() -> list[dict]:
    return json.loads((Path(os.environ["PROJECT"]) / "sections" / "list.json").read_text())


def module(number: int, name: str) -> ModuleType:
    """`consumers`, the first block of Python of a section; `beside`, all others."""
    return importlib.import_module(f"sections.n{number:02}.{name}")


def routes() -> list:
    """What a section's `websocket_urlpatterns` say; else its one consumer, at the paths of its configuration."""
    found = []
    for section in listed():
        consumers = module(section["number"], "consumers")
        if hasattr(consumers, "websocket_urlpatterns"):
            found += consumers.websocket_urlpatterns
            continue
        classes = [
            one
            for _, one in inspect.getmembers(consumers, inspect.isclass)
            if issubclass(one, AsyncConsumer) and one.__module__ == consumers.__name__
        ]
        if len(classes) != 1:
            raise ValueError(f"section {section['number']} has {len(classes)} consumers and no websocket_urlpatterns")
        found += [path(one.removeprefix("/"), classes[0].as_asgi()) for one in section["paths"]]
    return found


def load_actions() -> None:
    for section in listed():
        if section["has_actions"]:
            module(section["number"], "beside")


def describe(user):
    """What the node knows of a user: the section about that says it."""
    for section in listed():
        if section["describes"]:
            return module(section["number"], "beside").describe(user)
    return usual(user)


#: How often methods of consumers have run in this process: `OrderConsumer.order_status`.
handled: Counter[str] = Counter()


def count_handlers() -> None:
    dispatch = AsyncConsumer.dispatch

    async def counting(self, message):
        handled[f"{type(self).__name__}.{message['type'].replace('.', '_')}"] += 1
        await dispatch(self, message)

    AsyncConsumer.dispatch = counting


def function(number: int, name: str, *modules: str):
    """The function of this name in the first of these modules that has it."""
    for one in modules:
        try:
            found = getattr(module(number, one), name, None)
        except ModuleNotFoundError:
            continue
        if found is not None:
            return found
    raise LookupError(f"section {number} has no function {name}")
