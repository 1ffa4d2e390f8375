"""Carries an action out and makes the answer: status and JSON."""

import asyncio
import dataclasses
import json
import logging
from collections.abc import Mapping
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.core.cache import cache
from django.core.serializers.json import DjangoJSONEncoder

from channelgate.registry import Call, Refused, Registered, actions, built_in

logger = logging.getLogger("channelgate.actions")

#: How long an idempotent action's answer is kept, in seconds.
KEPT = 300
FIELDS = [field.name for field in dataclasses.fields(Call)]

Answer = tuple[int, Any]


def dumps(value: Any) -> bytes:
    """JSON as Django writes it: times become `2026-03-02T09:31:07.123Z`."""
    return json.dumps(value, cls=DjangoJSONEncoder, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "replace"
    )


def _read(name: str, body: bytes) -> tuple[dict[str, Any] | None, Answer]:
    """The question, or the answer to a body that is not one."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None, (400, {"message": "The body is not JSON"})
    # The signature covers the body and not the path, so the body decides.
    if not isinstance(message, dict) or message.get("action") != name:
        return None, (400, {"message": "The body is not a call of this action"})
    return message, (200, None)


async def aanswer_body(name: str, body: bytes, key: str = "") -> Answer:
    """The answer to a request's body, on an event loop."""
    message, refusal = _read(name, body)
    return refusal if message is None else await aanswer(message, key)


def answer_body(name: str, body: bytes, key: str = "") -> Answer:
    """The answer to a request's body, in a thread."""
    message, refusal = _read(name, body)
    return refusal if message is None else answer(message, key)


def answer(message: Mapping[str, Any], key: str = "") -> Answer:
    """Status and body of the answer to a question. An async action runs on a loop of its own."""
    found = _find(message)
    if found is None:
        # Not 404: that means that an action did not find an object.
        return 501, {"message": f"Unknown action: {message.get('action')}"}
    call, registered = found
    kept = _kept(registered, key)
    if kept is not None:
        return kept
    try:
        result = async_to_sync(registered.function)(call) if _is_async(registered) else run(registered, call)
        return _keep(registered, key, (200, json.loads(dumps(result))))
    except Exception as error:
        return _failed(registered, error)


async def aanswer(message: Mapping[str, Any], key: str = "") -> Answer:
    """The same on an event loop. A sync action runs in a thread with the database connections of one."""
    found = _find(message)
    if found is None:
        # Not 404: that means that an action did not find an object.
        return 501, {"message": f"Unknown action: {message.get('action')}"}
    call, registered = found
    if not _is_async(registered):
        return await _in_thread(message, key)
    kept = await _in_thread_kept(registered, key) if registered.idempotent and key else None
    if kept is not None:
        return kept
    try:
        result = (200, json.loads(dumps(await registered.function(call))))
    except asyncio.CancelledError:
        raise
    except Exception as error:
        return _failed(registered, error)
    if registered.idempotent and key:
        await _threaded(_keep)(registered, key, result)
    return result


def _threaded(function: Any) -> Any:
    from asgiref.sync import sync_to_async
    from django.db import close_old_connections

    def run(*args: Any) -> Any:
        close_old_connections()
        try:
            return function(*args)
        finally:
            close_old_connections()

    return sync_to_async(run)


async def _in_thread(message: Mapping[str, Any], key: str) -> Answer:
    result: Answer = await _threaded(answer)(message, key)
    return result


async def _in_thread_kept(registered: Registered, key: str) -> Answer | None:
    result: Answer | None = await _threaded(_kept)(registered, key)
    return result


def _find(message: Mapping[str, Any]) -> tuple[Call, Registered] | None:
    fields: dict[str, Any] = {name: message.get(name) for name in FIELDS}
    call = Call(**fields)
    registered = built_in.get(call.action) or actions.get(call.action)
    return None if registered is None else (call, registered)


def _is_async(registered: Registered) -> bool:
    return bool(iscoroutinefunction(registered.function))


def run(registered: Registered, call: Call) -> Any:
    if not registered.atomic:
        return registered.function(call)
    from django.db import transaction

    with transaction.atomic():
        return registered.function(call)


def _kept(registered: Registered, key: str) -> Answer | None:
    if not registered.idempotent or not key:
        return None
    found = cache.get(_cache_key(registered, key))
    return None if found is None else (found[0], found[1])


def _keep(registered: Registered, key: str, result: Answer) -> Answer:
    if registered.idempotent and key:
        cache.set(_cache_key(registered, key), list(result), KEPT)
    return result


def _cache_key(registered: Registered, key: str) -> str:
    return f"channelgate:answer:{registered.name}:{key[:100]}"


def _failed(registered: Registered, error: Exception) -> Answer:
    if isinstance(error, Refused):
        return error.status, {"message": error.message}
    logger.error("The action %s failed", registered.name, exc_info=error)
    return 500, {"message": "Internal error"}
