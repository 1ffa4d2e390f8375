"""Why a consumer stays with Daphne: it has work of its own that no call of Django can hold."""

import ast
from collections.abc import Iterator

from channelgate.translate.paths import Problem
from channelgate.translate.source import Class, Source, is_library

_TASKS = frozenset(
    {"create_task", "ensure_future", "run_coroutine_threadsafe", "call_later", "call_soon", "start_soon"}
)
_THREADS = frozenset({"Thread", "Timer", "run_in_executor", "start_new_thread", "submit"})
_PROCESSES = frozenset({"create_subprocess_exec", "create_subprocess_shell", "Popen", "fork", "openpty", "spawn"})
_SLEEPS = frozenset({"sleep", "wait_for", "wait", "recv", "receive", "get_message", "listen"})
_WS = frozenset({"websocket_connect", "websocket_receive", "websocket_disconnect"})


def reason(cls: Class) -> Problem | None:
    """What keeps the consumer with Daphne; None if nothing does."""
    from channels.consumer import AsyncConsumer

    if not issubclass(cls.cls, AsyncConsumer):
        return Problem(f"{cls.label} is not a consumer of Channels", cls.place, "")
    if not any(is_library(one) and "Websocket" in one.__name__ for one in cls.cls.__mro__) and not _WS & set(cls.own):
        return Problem(f"{cls.label} is not a consumer of WebSockets", cls.place, "")
    for source in cls.methods.values():
        for found in _of_method(source):
            return found
    return None


def _of_method(source: Source) -> Iterator[Problem]:
    for node in source.nodes:
        if isinstance(node, ast.Call):
            name = _last(node.func)
            if name in _TASKS | _THREADS and _holds_self(node):
                yield _problem(source, node, f"{source.name}() leaves {name}() running, which sends on its own")
            elif name in _PROCESSES:
                yield _problem(source, node, f"{source.name}() runs a process")
            elif name == "receive" and _owner(node.func) == "channel_layer":
                yield _problem(source, node, f"{source.name}() waits for messages of a channel")
        elif isinstance(node, ast.While) and source.name not in ("disconnect",) and _sleeps(node):
            yield _problem(source, node, f"{source.name}() is a loop that waits")


def _problem(source: Source, node: ast.AST, text: str) -> Problem:
    return Problem(text, source.place(node), source.quote(node))


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _owner(node: ast.expr) -> str:
    return _last(node.value) if isinstance(node, ast.Attribute) else ""


def _holds_self(node: ast.Call) -> bool:
    arguments = [*node.args, *(one.value for one in node.keywords)]
    return any(isinstance(one, ast.Name) and one.id == "self" for part in arguments for one in ast.walk(part))


def _sleeps(node: ast.While) -> bool:
    return any(isinstance(one, ast.Call) and _last(one.func) in _SLEEPS for part in node.body for one in ast.walk(part))
