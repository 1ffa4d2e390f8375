"""The channel layers: in a call, what a consumer does to groups becomes a command, in its place among the others.

The methods are set on the project's own layer object, so that it keeps its type and its identity. Outside of a call,
for another alias, and once the call has ended, they are the layer's own.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from channelgate.bridge.context import CALL
from channelgate.bridge.diverted import DIVERSIONS
from channelgate.bridge.values import UnfitKey, unwire, wire

MARK = "_channelgate_alias"
#: The channel of a connection that a node holds.
OF_A_NODE = re.compile(r"specific\.[0-9a-f]{32}r!c\.[A-Za-z0-9_-]+")


def dress(alias: str, layer: Any) -> None:
    """Sets the methods on a layer, once."""
    try:
        marked = layer.__dict__.get(MARK)
    except AttributeError:
        return
    if marked == alias:
        return
    real = {
        name: getattr(layer, name)
        for name in ("group_add", "group_discard", "group_send", "send", "receive")
        if callable(getattr(layer, name, None))
    }
    if "send" not in real or "receive" not in real:
        return
    for name in ("group_send", "send"):
        if name in real:
            real[name] = _divertible(layer, name, real[name])
    setattr(layer, MARK, alias)
    layer.send = _sender(alias, layer, real["send"])
    layer.receive = _receiver(alias, real["receive"])
    if "group_send" in real:
        layer.group_send = _group_sender(alias, layer, real["group_send"])
    for name in ("group_add", "group_discard"):
        if name in real:
            setattr(layer, name, _member(alias, layer, name, real[name], real["send"]))


def _check(layer: Any, what: str, name: str) -> None:
    """The layer's own rule for names, and its own error."""
    check = getattr(layer, f"require_valid_{what}_name", None) or getattr(layer, f"valid_{what}_name", None)
    if check is not None:
        check(name)


def _divertible(layer: Any, name: str, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The layer's own method, or what a test of the project has put in its place."""

    async def reach(target: str, message: dict[str, Any]) -> Any:
        if DIVERSIONS:
            return await getattr(DIVERSIONS[-1], name)(layer, target, message)
        return await real(target, message)

    return reach


def _member(
    alias: str, layer: Any, name: str, real: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    # In the pub/sub layer a membership belongs to the process that made it: nobody changes that of another.
    tells = hasattr(type(layer), "_group_key")

    async def member(group: str, channel: str) -> Any:
        call = CALL.get()
        if call is None or channel != call.channel_name or not call.serves(alias):
            done = await real(group, channel)
            if tells and OF_A_NODE.fullmatch(channel):
                # The node may have joined the group for the connection: a membership counts once, and ends whole.
                await send(channel, {"type": f"channelgate.{name}", "group": str.__str__(group)})
            return done
        _check(layer, "group", group)
        call.command({"do": name, "group": str.__str__(group)})
        return None

    member.__name__ = name
    return member


def _group_sender(alias: str, layer: Any, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def group_send(group: str, message: dict[str, Any]) -> Any:
        call = CALL.get()
        if call is None or not call.serves(alias):
            return await real(group, message)
        _check(layer, "group", group)
        assert isinstance(message, dict), "message is not a dict"
        ready = _wire(call, message)
        await call.publish(
            {"do": "group_send", "group": str.__str__(group), "message": ready}, lambda: real(group, unwire(ready))
        )
        return None

    return group_send


def _sender(alias: str, layer: Any, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def send(channel: str, message: dict[str, Any]) -> Any:
        call = CALL.get()
        if call is None or not call.serves(alias):
            return await real(channel, message)
        assert isinstance(message, dict), "message is not a dict"
        _check(layer, "channel", channel)
        ready = _wire(call, message)
        await call.publish(
            {"do": "send_channel", "channel": str.__str__(channel), "message": ready},
            lambda: real(channel, unwire(ready)),
        )
        return None

    return send


def _receiver(alias: str, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def receive(channel: str) -> Any:
        call = CALL.get()
        if call is not None and call.serves(alias):
            raise call.refuse(
                "receive", f"{call.who} waits for messages of a channel inside a handler (channel_layer.receive)"
            )
        return await real(channel)

    return receive


def _wire(call: Any, message: dict[str, Any]) -> dict[str, Any]:
    try:
        ready: dict[str, Any] = wire(message)
    except UnfitKey as unfit:
        raise call.refuse(
            "message", f"{call.who} sends a message of the layer with {unfit}: keys have to be text to pass the node"
        ) from None
    return ready
