"""From a consumer to a payload of JSON values, and from a payload to a consumer of the same class."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping, MutableMapping
from typing import Any

from channelgate.bridge.refusals import Refused, Restart

from . import models as model_codec
from . import scopes, sharing, surroundings
from .baseline import Baseline
from .given import Given
from .layout import layout
from .names import resolve, spoken
from .sealing import GIVEN, GIVEN_TEXT
from .tree import ATOMS, DEPTH, Decoder, Encoder, Unkept, Unreadable

# What Channels sets for each call.
FRAMEWORK = frozenset({"scope", "channel_layer", "channel_name", "channel_receive", "base_send"})

# Payload: `c` class, `s` scope, `a` attributes, `g` attributes of __init__ that are gone, `m` shapes of models and
# classes, `k` whether instances are read by key, `v` language, time zone and context variables. GIVEN is what the
# middleware of Channels put in the scope, GIVEN_TEXT the same as JSON text.

Contexts = tuple[contextvars.Context, contextvars.Context]


def capture(
    consumer: Any,
    *,
    scope: Mapping[str, Any],
    baseline: Baseline,
    models: str = "snapshot",
    who: str,
    received: Mapping[str, Any] | None = None,
    contexts: Contexts | None = None,
    given: Given | None = None,
) -> dict[str, Any]:
    """The payload of a consumer after a handler.

    `received` is the scope as the server made it: entries of the handshake that are still the same are left out.
    `contexts` are those before the call and after its handler. `given` is of `restore()`.
    """
    try:
        if models == "pk" or baseline.large:
            given = None
        encoder, payload = _walk(consumer, scope, baseline, models == "pk", received, None, contexts, given)
        held = sharing.suspects(encoder)
        if held:
            shared = sharing.search(held)
            if shared:
                encoder, payload = _walk(consumer, scope, baseline, models == "pk", received, shared, contexts)
    except Unkept as unkept:
        raise Refused(unkept.kind, f"{who}: {unkept.sentence()}") from None
    except RecursionError:
        raise Refused("state", f"{who}: its state is nested more than {DEPTH} levels deep") from None
    gone = [name for name in baseline.names if name not in vars(consumer)]
    if gone:
        payload["g"] = gone
    if encoder.models:
        payload["m"] = encoder.models
    if encoder.pk:
        payload["k"] = 1
    return payload


def _walk(
    consumer: Any,
    scope: Any,
    baseline: Baseline,
    pk: bool,
    received: Any,
    shared: Any,
    contexts: Contexts | None,
    given: Given | None = None,
) -> tuple[Encoder, dict[str, Any]]:
    encoder = Encoder(consumer, baseline=baseline, pk=pk, shared=shared)
    payload: dict[str, Any] = {"c": _name(type(consumer))}
    if given is not None and given.is_left(scope):
        given.meet(encoder)
        payload[GIVEN_TEXT] = given.text
    elif tree := scopes.given(encoder, scope):
        payload[GIVEN] = tree
    # Each byte counts: nodes keep a state as long as its connection.
    if others := scopes.encode(encoder, scope, received):
        payload["s"] = others
    payload["a"] = _attributes(encoder, consumer, baseline)
    if contexts is not None and (kept := surroundings.encode(encoder, *contexts)):
        payload["v"] = kept
    return encoder, payload


_NAMES: dict[type, str] = {}


def _name(kind: type) -> str:
    name = _NAMES.get(kind)
    if name is None:
        name = f"{kind.__module__}:{kind.__qualname__}"
        if "<locals>" not in name:
            _NAMES[kind] = name
    return name


def _attributes(encoder: Encoder, consumer: Any, baseline: Baseline) -> dict[str, Any]:
    out: dict[str, Any] = {}
    name = ""
    try:
        for name, value in vars(consumer).items():
            if name in FRAMEWORK:
                continue
            if type(value) in ATOMS:
                out[name] = value
                if encoder.large is not None and id(value) in encoder.large:
                    out[name] = baseline.untouched(value, consumer) or value
                continue
            number, alive = len(encoder.kept), len(encoder.alive)
            tree = encoder.encode(value)
            if type(tree) is dict and (tree.get("$h") == [name] or tree.get("$hf") == [name]):
                # The next __init__ puts it there by itself.
                encoder.back_to(number, alive)
                continue
            if name == "groups" and tree == [] and name in baseline.names:
                encoder.back_to(number, alive)
                continue
            out[name] = tree
    except Unkept as unkept:
        unkept.path.append(f"self.{name}")
        raise
    return out


def restore_needs_database(payload: Mapping[str, Any]) -> bool:
    """Whether restore() reads instances by their keys: the caller runs it in a thread."""
    if payload.get("k"):
        return True
    signs = _signs(payload)
    if not signs:
        return False
    try:
        return bool(model_codec.changed(signs))
    except Unreadable:
        return False


def restore(consumer: Any, payload: dict[str, Any], *, scope: MutableMapping[str, Any]) -> dict[str, Any]:
    """Gives a new consumer its attributes and the scope its entries: all of them, or none and Restart.

    Returns what the context of its handler has to have. The payload is used up: lists and dictionaries of it become
    those of the consumer, and under GIVEN is what `capture()` takes as `given`.
    """
    if payload["c"] != _name(type(consumer)):
        raise Restart(f"the state is of {spoken(payload['c'])}, the route leads to "
                      f"{spoken(_name(type(consumer)))} now")  # fmt: skip
    try:
        decoder = Decoder(consumer, reread=_reread(_signs(payload)))
        given = payload.get(GIVEN) or {}
        given.pop("m", None)
        entries = decoder.members(given)
        objects = decoder.memo.copy()
        added = decoder.members(payload.get("s") or {})
        attributes = decoder.members(payload["a"])
        context = decoder.members(payload.get("v") or {})
    except Unreadable as error:
        raise Restart(f"{spoken(payload['c'])}: {error}") from error
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        text = f"{spoken(payload['c'])}: its state cannot be read ({type(error).__name__}: {error})"
        raise Restart(text) from error
    scope.update(entries)
    scope.update(added)
    own = consumer.__dict__
    for name in payload.get("g", ()):
        own.pop(name, None)
    own.update(attributes)
    # Who else holds an object is counted: the payload does not.
    payload["s"], payload["a"], payload["v"] = {}, {}, {}
    text = payload.pop(GIVEN_TEXT, None)
    # Models that are read again have other values than the text.
    kept = text is not None and not decoder.reread and not payload.get("k")
    payload[GIVEN] = Given.of(text, entries, objects) if kept else None
    return context


def _signs(payload: Mapping[str, Any]) -> dict[str, list[Any]]:
    given = (payload.get(GIVEN) or {}).get("m")
    own = payload.get("m") or {}
    return {**given, **own} if given else own


def _reread(signs: dict[str, list[Any]]) -> dict[str, int]:
    """Models with other fields than at the call before, and where their key is; a class with other fields ends it."""
    out: dict[str, int] = {}
    for name, sign in signs.items():
        if len(sign) == 2:
            if model_codec.shape_of(model_codec.model_of(name)).sign != sign[0]:
                out[name] = sign[1]
            continue
        form = layout(resolve(name))
        if form is None or form.shape != sign[0]:
            raise Unreadable(f"{spoken(name)} has other fields now")
    return out
