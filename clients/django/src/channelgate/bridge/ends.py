"""The last line of a call that went well: whether the connection goes on, with which state, user and values."""

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from channelgate.bridge import notes, people, protocol, state
from channelgate.bridge.call import Call
from channelgate.bridge.exports import exported
from channelgate.bridge.reply import encode
from channelgate.bridge.tree import Tree
from channelgate.conf import conf

#: Where a payload keeps what is the runtime's: `i` route, `w` wrapped, `s` status, `u` user.
META = "cg"
#: Types that are JSON as they are.
ATOMS = frozenset({str, int, bool, type(None)})


async def open_end(call: Call, tree: Tree) -> dict[str, Any]:
    """The end line of a call whose handler came back."""
    if call.finished or call.item.kind == "websocket.disconnect":
        return {"end": "stopped"}
    if call.consumer is None:
        return _unreached(call)
    if call.payload is None:
        note = notes.shared_note(type(call.consumer))
        if note is not None:
            call.reply.write(note)
    if call.item.is_connect and call.status == protocol.CLOSED and not _hears_disconnect(call.consumer):
        return {"end": "stopped"}
    settings = conf()
    payload = state.capture(
        call.consumer,
        scope=call.consumer.scope,
        baseline=call.baseline,
        models=settings.models,
        who=call.who,
        received=call.received_scope,
        contexts=(call.before, call.after),
        given=call.payload.get(state.GIVEN) if call.payload is not None else None,
    )
    before = call.payload[META] if call.payload is not None else None
    meta: dict[str, Any] = {
        "s": protocol.CLOSED if call.status == protocol.CLOSING else call.status,
        "i": tree.index(call.initkwargs) if call.initkwargs is not None else None,
    }
    if before is not None and call.initkwargs is None:
        meta["i"] = before["i"]
    if call.wrapped:
        meta["w"] = 1
    end: dict[str, Any] = {"end": "open"}
    await _user(call, meta, before, end)
    if call.item.is_connect:
        end["class"] = _class(call, tree)
    if call.item.export:
        end["vars"] = exported(call.consumer, call.item.export, call.who)
    payload[META] = meta
    payload[state.HANDSHAKE] = encode(call.item.handshake) if call.payload is None else call.payload[state.HANDSHAKE]
    end["state"] = state.seal(payload, connection=call.item.connection, seq=call.item.seq, limit=settings.max_state)
    return end


def _class(call: Call, tree: Tree) -> str:
    """Connections of the same class, made with the same arguments, may share calls."""
    if call.initkwargs is None:
        return f"{call.who}?{call.scope['path']}"
    number = tree.alike(type(call.consumer), call.initkwargs)
    return f"{call.who}#{number}" if number else call.who


def _unreached(call: Call) -> dict[str, Any]:
    """Middleware has ended the connection: its consumer, as it was, still hears of that."""
    if call.payload is None:
        return {"end": "stopped"}
    call.payload[META]["s"] = protocol.CLOSED
    sealed = state.seal(call.payload, connection=call.item.connection, seq=call.item.seq, limit=conf().max_state)
    return {"end": "open", "state": sealed}


async def _user(call: Call, meta: dict[str, Any], before: dict[str, Any] | None, end: dict[str, Any]) -> None:
    """Tells the user and the expiry after connect, and when they have changed."""
    scope = call.consumer.scope
    described = plain(await people.describe(scope.get("user")))
    meta["u"] = described
    if before is None or before["u"] != described:
        end["user"] = described
        end["expires"] = people.expiry(scope)


def plain(value: Any) -> Any:
    """A value as JSON: a UUID or a date becomes text."""
    if type(value) is dict and all(type(key) is str and type(one) in ATOMS for key, one in value.items()):
        return value
    return json.loads(json.dumps(value, cls=DjangoJSONEncoder, allow_nan=False)) if value is not None else None


def _hears_disconnect(consumer: Any) -> bool:
    """Whether `disconnect` does anything: a refused handshake is followed by one, as with Daphne."""
    from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

    kind = type(consumer)
    for stock in (AsyncWebsocketConsumer, WebsocketConsumer):
        if isinstance(consumer, stock):
            return bool(
                consumer.groups
                or kind.disconnect is not stock.disconnect
                or kind.websocket_disconnect is not stock.websocket_disconnect
                or kind.dispatch is not stock.dispatch
            )
    return True
