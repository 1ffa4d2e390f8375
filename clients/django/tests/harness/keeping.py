"""One consumer, one call after the other: what the next call's consumer finds, and whether that is the same."""

import collections
import copyreg
import types

from library.consumers import Keeper

from channelgate.bridge.state import Baseline, capture, restore, seal, unseal

LIMIT = 65536


def made(kind=Keeper, **attributes):
    """A consumer as __init__ leaves it, and then with attributes of its own."""
    consumer = kind()
    baseline = Baseline(consumer)
    consumer.scope = {}
    vars(consumer).update(attributes)
    return consumer, baseline


def captured(consumer, baseline, **options):
    return capture(consumer, scope=consumer.scope, baseline=baseline, who="library.Keeper", **options)


def next_call(consumer, baseline, **options):
    """The consumer of the next call, through a sealed blob; and its baseline."""
    blob = seal(captured(consumer, baseline, **options), connection="c", seq=3, limit=1 << 30)
    again = type(consumer)()
    fresh = Baseline(again)
    again.scope = {}
    restore(again, unseal(blob, connection="c", seq=4), scope=again.scope)
    return again, fresh


def kept(value, **options):
    """A value after a call: of the attribute `value` of a consumer."""
    consumer, baseline = made(value=value)
    return next_call(consumer, baseline, **options)[0].value


def same(a, b, pairs=None):
    """Whether two values are of the same type, equal, and of the same graph of objects."""
    pairs = {} if pairs is None else pairs
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return repr(a) == repr(b)
    if isinstance(a, (str, int, bytes, type(None), type, types.FunctionType, types.ModuleType)):
        plain = isinstance(a, (type, types.FunctionType, types.ModuleType)) or not hasattr(a, "__dict__")
        return a == b and (plain or vars(a) == vars(b))
    if id(a) in pairs:
        return pairs[id(a)] == id(b)
    if isinstance(a, (list, dict, set, bytearray, collections.deque)) or type(a).__module__.startswith("library."):
        # What can be changed is one object where it was one, and two where it was two.
        if id(b) in pairs.values():
            return False
        pairs[id(a)] = id(b)
    if isinstance(a, dict):
        if len(a) != len(b):
            return False
        items = zip(a.items(), b.items(), strict=True)
        if not all(same(k, m, pairs) and same(x, y, pairs) for (k, x), (m, y) in items):
            return False
    elif isinstance(a, (list, tuple, collections.deque)):
        if len(a) != len(b) or not all(same(x, y, pairs) for x, y in zip(a, b, strict=True)):
            return False
    elif isinstance(a, (set, frozenset)):
        return sorted(map(repr, a)) == sorted(map(repr, b))
    elif names := copyreg._slotnames(type(a)) if type(a).__module__.startswith("library.") else ():
        if not all(same(getattr(a, name, None), getattr(b, name, None), pairs) for name in names):
            return False
    elif not hasattr(a, "__dict__"):
        return repr(a) == repr(b)
    return same(vars(a), vars(b), pairs) if hasattr(a, "__dict__") else True
