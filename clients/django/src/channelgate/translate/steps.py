"""Effects of a path as the steps of a handler, in an order in which the node carries out the same."""

from collections.abc import Sequence
from typing import Any

from channelgate.translate import effects
from channelgate.translate.paths import Effect
from channelgate.translate.values import NotUnderstood

#: The order in which the node carries out the keys of a step.
_ORDER = ["leave", "join", "reply", "reply_raw", "publish", "close"]
_KEYS = {"send": "reply", "send_text": "reply_raw", "send_raw": "reply_raw"}


def steps(found: Sequence[Effect], condition: str | None = None) -> list[dict[str, Any]]:
    """The steps of these effects; none of them without effects."""
    made: list[dict[str, Any]] = []
    step: dict[str, Any] = {}
    for effect in found:
        key = _KEYS.get(effect.what, effect.what)
        latest = max((_ORDER.index(one) for one in step if one in _ORDER), default=-1)
        is_late = _ORDER.index(key) < latest and not _may_swap(step, key)
        if is_late or (key in step and key in ("reply_raw", "close")):
            made.append(step)
            step = {}
        if key == "close" and made and "close" in made[-1]:
            raise NotUnderstood("it closes twice")
        _add(step, key, effect)
    if step:
        made.append(step)
    closes = [index for index, one in enumerate(made) if "close" in one]
    if closes and closes[0] != len(made) - 1:
        raise NotUnderstood("it does something after close()")
    return [{**({"when": condition} if condition else {}), **one} for one in made]


def _may_swap(step: dict[str, Any], key: str) -> bool:
    """An event goes through the channel layer, so an answer after it comes before it in any case."""
    return key in ("reply", "reply_raw") and "close" not in step and set(step) <= {"reply", "publish", "when"}


def _add(step: dict[str, Any], key: str, effect: Effect) -> None:
    if key == "publish":
        assert effect.group is not None and effect.value is not None
        one: Any = {"group": effects.template(effect.group), "event": effect.value.text}
    elif key in ("join", "leave"):
        assert effect.group is not None
        one = effects.template(effect.group)
    elif key == "close":
        assert effect.value is not None
        if not effect.value.is_known:
            raise NotUnderstood("a close code that is not a constant")
        one = effect.value.const
    else:
        assert effect.value is not None
        one = effect.value.text
    if key in step:
        step[key] = [*(step[key] if isinstance(step[key], list) else [step[key]]), one]
    else:
        step[key] = one
