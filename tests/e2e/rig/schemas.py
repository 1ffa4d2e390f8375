"""The JSON Schemas of clients/schemas, which frames were checked with them, and frames that they must reject."""

import copy
import functools
import json
from collections.abc import Iterator
from pathlib import Path

import stack
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

FOLDER = stack.ROOT / "clients" / "schemas"
BASE = "file:///"
TO_CLIENT, TO_SERVER = "to-client", "to-server"
#: Takes the place of a value in a frame: no value of an event has this form. An object is replaced by a list.
WRONG, WRONG_OBJECT = {"of another type": [True]}, [True]


@functools.cache
def registry() -> Registry:
    """All schemas, under addresses in which relative references work."""
    resources = [(BASE + name, Resource.from_contents(schema)) for name, schema in schemas().items()]
    return Registry().with_resources(resources)


@functools.cache
def schemas() -> dict[str, dict]:
    """Every file, by its path in the folder."""
    return {
        path.relative_to(FOLDER).as_posix(): json.loads(path.read_text()) for path in sorted(FOLDER.rglob("*.json"))
    }


def systems() -> list[str]:
    """The folders: names of presets."""
    return sorted({name.split("/")[0] for name in schemas() if "/" in name})


@functools.cache
def validator(name: str) -> Draft202012Validator:
    """Checks frames with the schema of this file."""
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator({"$ref": BASE + name}, registry=registry(), format_checker=checker)


def accepts(name: str, frame) -> bool:
    return validator(name).is_valid(frame)


def event_of(frame) -> str:
    """The name of a frame: text, the array of Socket.IO, or an object with `event` or `type`."""
    match frame:
        case str():
            return f"{frame}.text"
        case [str(name), *_]:
            return name
        case {"event": str(name)} | {"type": str(name)}:
            return name
    raise AssertionError(f"a frame without a name: {frame}")


class Frames:
    """The frames of one system, by the schema that accepts them. A frame that none accepts is an error."""

    def __init__(self, system: str):
        self.system = system
        self.by_schema: dict[str, list] = {
            name: [] for name in schemas() if Path(name).parent.parent.as_posix() == system
        }
        assert self.by_schema, f"{system} has no schemas"

    def sent(self, frame):
        """A frame that a client sends."""
        return self._add(TO_SERVER, frame)

    def received(self, frame):
        """A frame that a client has received."""
        return self._add(TO_CLIENT, frame)

    def _add(self, direction: str, frame):
        name = f"{self.system}/{direction}/{event_of(frame)}.json"
        assert name in self.by_schema, f"no schema for {frame}"
        errors = [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(frame)]
        assert not errors, f"{name} rejects {frame}: {errors}"
        self.by_schema[name].append(frame)
        return frame

    def of_clients(self, *clients) -> None:
        """All frames that these have received: sockets of Socket.IO, or WebSockets."""
        for client in clients:
            if hasattr(client, "events"):
                received = [[event.name, *event.args] for event in client.events]
            else:
                received = [frame if frame == "pong" else json.loads(frame) for frame in client.frames]
            for frame in received:
                self.received(frame)

    def unused(self) -> list[str]:
        """The schemas that no frame was checked with."""
        return [name for name, frames in self.by_schema.items() if not frames]

    def accepted_faults(self) -> set[str]:
        """What may change in the frames without a schema noticing it, each as `event: change at path`."""
        found = set()
        for name, frames in self.by_schema.items():
            for frame in frames:
                for change, mutated in mutations(frame):
                    if accepts(name, mutated):
                        found.add(f"{Path(name).stem}: {change}")
        return found


def mutations(frame) -> Iterator[tuple[str, object]]:
    """The frame with one fault: a field missing, one too many, or a value of another type; each with its name."""
    for path, value in _values(frame):
        where = ".".join("*" if isinstance(key, int) and at > 1 else str(key) for at, key in enumerate(path))
        yield f"another type at {where}", _changed(frame, path, WRONG_OBJECT if isinstance(value, dict) else WRONG)
        # An element of a list may be missing; an argument of an event may not.
        if path and (isinstance(path[-1], str) or len(path) == 1):
            yield f"missing {where}", _changed(frame, path, None, remove=True)
        if isinstance(value, dict):
            yield f"one more at {where}", _changed(frame, path, {**value, "oneMore": 1})
    if isinstance(frame, list):
        yield "one more argument", [*frame, 1]


def _values(value, path: tuple = ()) -> Iterator[tuple[tuple, object]]:
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _values(one, (*path, key))


def _changed(frame, path: tuple, value, remove: bool = False):
    if not path:
        return value
    frame = copy.deepcopy(frame)
    target = frame
    for key in path[:-1]:
        target = target[key]
    if remove:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return frame
