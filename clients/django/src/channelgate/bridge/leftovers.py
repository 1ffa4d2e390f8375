"""What a handler leaves running. A task or thread that has the consumer in its hands would act for a connection that
this process does not know any more; others, such as a mail that is being sent, are left alone."""

import asyncio
import sys
import threading
import types
from collections.abc import Iterable
from concurrent.futures.thread import _worker
from pathlib import PurePath
from typing import Any

from channelgate.bridge.call import Call

#: How long a task may go on after the handler: the connection's next message waits for it.
LINGER = 1.0
DEPTH = 30


async def settle(call: Call) -> None:
    """Waits a moment for what holds the consumer, and refuses what then still runs.

    After `disconnect` it may go on, as with Daphne: what it publishes goes to the layer itself.
    """
    if call.consumer is None or call.item.kind == "websocket.disconnect":
        return
    if call.tasks:
        running = holders(call)
        if running:
            await asyncio.wait(running, timeout=LINGER)
            running = holders(call)
        if running:
            names = "; ".join(describe(task) for task in running[:3])
            for task in running:
                task.cancel()
            raise call.refuse("background", _text(call, "a task", names))
    thread = holding_thread(call.consumer)
    if thread is not None:
        raise call.refuse("background", _text(call, "a thread", thread))
    timer = holding_timer(call)
    if timer is not None:
        raise call.refuse("background", _text(call, "a timer", timer))


def _text(call: Call, what: str, names: str) -> str:
    return (
        f"{call.who} leaves {what} running after {call.handler}() ({names}): a consumer that sends on its own has to"
        " stay with Daphne, or its loop has to become a worker's that calls group_send"
    )


def holders(call: Call) -> list[asyncio.Task[Any]]:
    """Tasks of the call that run and hold the consumer."""
    own = asyncio.current_task()
    return [task for task in call.tasks if not task.done() and task is not own and _task_holds(task, call.consumer)]


def _task_holds(task: asyncio.Task[Any], consumer: Any) -> bool:
    """Whether the coroutine, or what it awaits, has the consumer among its variables."""
    coro: Any = task.get_coro()
    for _ in range(DEPTH):
        frame = _frame(coro)
        if frame is not None and _among(frame.f_locals.values(), consumer):
            return True
        coro = getattr(coro, "cr_await", None) or getattr(coro, "gi_yieldfrom", None) or getattr(coro, "ag_await", None)
        if coro is None:
            return False
    return False


def _frame(coro: Any) -> types.FrameType | None:
    """The frame of a coroutine, a generator or an asynchronous generator."""
    if isinstance(coro, types.CoroutineType):
        return coro.cr_frame
    if isinstance(coro, types.GeneratorType):
        return coro.gi_frame
    return coro.ag_frame if isinstance(coro, types.AsyncGeneratorType) else None


def _among(values: Iterable[Any], consumer: Any) -> bool:
    return any(binds(value, consumer) for value in values)


def binds(value: Any, consumer: Any, depth: int = 3) -> bool:
    """The consumer itself, a method of it, a partial or a closure over it, or a small container with it."""
    if value is consumer:
        return True
    if depth == 0 or value is None or isinstance(value, str | bytes | int | float):
        return False
    if isinstance(value, types.MethodType):
        return value.__self__ is consumer
    if isinstance(value, types.FunctionType):
        return any(binds(_content(cell), consumer, depth - 1) for cell in value.__closure__ or ())
    frame = _frame(value)
    if frame is not None:
        # A coroutine that a wrapper has not awaited yet.
        return any(binds(local, consumer, depth - 1) for local in frame.f_locals.values())
    if isinstance(value, tuple | list) and len(value) <= 8:
        return any(binds(item, consumer, depth - 1) for item in value)
    if isinstance(value, dict) and len(value) <= 8:
        return any(binds(item, consumer, depth - 1) for item in value.values())
    func = getattr(value, "func", None) if type(value).__name__ == "partial" else None
    if func is not None:
        parts = [func, *value.args, *value.keywords.values()]
        return any(binds(part, consumer, depth - 1) for part in parts)
    return False


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def describe(task: asyncio.Task[Any]) -> str:
    """`Chat.heartbeat, consumers.py:203`."""
    coro: Any = task.get_coro()
    code = getattr(coro, "cr_code", None) or getattr(coro, "gi_code", None)
    if code is None:
        return task.get_name()
    return f"{coro.__qualname__}, {PurePath(code.co_filename).name}:{code.co_firstlineno}"


def _describe_function(function: Any, name: str) -> str:
    function = getattr(function, "func", function)
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return name
    return f"{function.__qualname__}, {PurePath(code.co_filename).name}:{code.co_firstlineno}"


def holding_thread(consumer: Any) -> str | None:
    """A thread that was started with the consumer, or runs a method of it, by the name of what it runs."""
    own = threading.get_ident()
    for thread in threading.enumerate():
        if thread.ident == own:
            continue
        attributes = vars(thread)
        if attributes.get("_target") is _worker:
            # An executor's thread has its work elsewhere; that of the event loop may still run a method.
            running = _running(thread, consumer) if thread.name.startswith("asyncio_") else None
            if running is not None:
                return running
        elif any(binds(value, consumer) for value in attributes.values()):
            target = attributes.get("function") or attributes.get("_target") or type(thread).run
            return _describe_function(target, thread.name)
    return None


def _running(thread: threading.Thread, consumer: Any) -> str | None:
    frame = _frame_of(sys._current_frames().get(thread.ident or 0), consumer)
    if frame is None:
        return None
    code = frame.f_code
    name = getattr(code, "co_qualname", f"{type(consumer).__name__}.{code.co_name}")
    return f"{name}, {PurePath(code.co_filename).name}:{code.co_firstlineno}"


def _frame_of(frame: types.FrameType | None, consumer: Any) -> types.FrameType | None:
    """The outermost frame of a thread that runs a method of the consumer. An executor's idle thread costs one look."""
    found = None
    while frame is not None:
        code = frame.f_code
        if code.co_name == "_worker" and code.co_filename.endswith("thread.py"):
            break
        if code.co_argcount and frame.f_locals.get(code.co_varnames[0]) is consumer:
            found = frame
        frame = frame.f_back
    return found


def holding_timer(call: Call) -> str | None:
    """A timer of the event loop (`call_later`) that has the consumer, by the name of what it calls."""
    loop = asyncio.get_running_loop()
    for handle in getattr(loop, "_scheduled", ()):
        callback = getattr(handle, "_callback", None)
        if callback is None or handle.cancelled():
            continue
        if binds(callback, call.consumer) or _among(getattr(handle, "_args", None) or (), call.consumer):
            return _describe_function(callback, "call_later")
    return None
