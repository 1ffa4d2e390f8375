"""Publishes through python-socketio's RedisManager; run with the wanted version first on PYTHONPATH.

Argument: the Redis URL. Standard input: a JSON list of emits, `{"event", "data", "room", "skip_sid", "namespace"}`;
bytes are `{"$bytes": base64}`, a tuple `{"$tuple": [...]}`. Prints the version.
"""

import base64
import json
import sys
from importlib.metadata import version

import socketio


def value_of(value):
    if isinstance(value, dict):
        if set(value) == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        if set(value) == {"$tuple"}:
            return tuple(value_of(inner) for inner in value["$tuple"])
        return {key: value_of(inner) for key, inner in value.items()}
    return [value_of(inner) for inner in value] if isinstance(value, list) else value


def main() -> None:
    manager = socketio.RedisManager(sys.argv[1], write_only=True)
    for emit in json.load(sys.stdin):
        emit = {key: value_of(value) for key, value in emit.items()}
        manager.emit(emit.pop("event"), emit.pop("data"), namespace=emit.pop("namespace", "/"), **emit)
    print(version("python-socketio"))


if __name__ == "__main__":
    main()
