"""Model instances: the fields as they are in memory, the cached relations, what the project hung on; or the key alone.

A snapshot is the list of the concrete fields' values in the model's order, and the model's shape once per state. With
other fields after a deployment the instance is read again by its key. A password hash stays at home: the restored
instance defers the field, as `defer()` does, and reads it when it is asked for.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist
from django.core.files.base import File
from django.db import models
from django.db.models.base import ModelState

from .layout import digest
from .objects import without_cached
from .tree import ATOMS, Decoder, Encode, Encoder, Unkept, Unreadable, reads

# Fields that do not leave, and what AbstractBaseUser keeps beside them until save().
WITHHELD = frozenset({"password", "_password"})
DEFERRED = {"$-": 0}
_INNER = frozenset({"_state", "_prefetched_objects_cache", *WITHHELD})
_ABSENT = object()


class Shape:
    """What does not change about a model."""

    __slots__ = ("byname", "default", "fields", "label", "names", "pk", "sign")

    def __init__(self, model: type[models.Model]) -> None:
        meta = model._meta
        self.fields = tuple(meta.concrete_fields)
        self.names = tuple(field.attname for field in self.fields)
        self.byname = frozenset(self.names)
        self.label = meta.label
        self.pk = self.names.index(meta.pk.attname) if meta.pk is not None and meta.pk.attname in self.byname else -1
        self.sign = digest(",".join(f"{f.attname}:{f.get_internal_type()}:{type(f).__name__}" for f in self.fields))


_SHAPES: dict[type, Shape] = {}


def shape_of(model: type[models.Model]) -> Shape:
    shape = _SHAPES.get(model)
    if shape is None:
        shape = _SHAPES[model] = Shape(model)
    return shape


def _encode(encoder: Encoder, v: Any) -> Any:
    kind = type(v)
    shape = _SHAPES.get(kind) or shape_of(kind)
    attributes, state = v.__dict__, v._state
    if encoder.pk and not state.adding and v.pk is not None:
        extras = _extras(encoder, v, shape)
        out = [shape.label, encoder.encode(v.pk), *([extras] if extras or state.db != "default" else ())]
        return {"$k": [*out, state.db] if state.db != "default" else out}
    encoder.models[shape.label] = [shape.sign, shape.pk]
    values: list[Any] = []
    name, there = "", 1
    try:
        for name in shape.names:
            part = attributes.get(name, _ABSENT)
            there += 1
            if type(part) in ATOMS and name != "password":
                values.append(part)
            elif part is _ABSENT:
                there -= 1
                values.append(DEFERRED)
            elif name in WITHHELD:
                if state.adding and part:
                    raise Unkept("is the password of an object that is not saved: it is not kept between calls")
                values.append(DEFERRED)
            else:
                values.append(_field(encoder, v, shape.fields[len(values)], part))
    except Unkept as unkept:
        unkept.path.append(f".{name}")
        raise
    rest: list[Any] = [0, 0, 0, "default", 0]
    if len(attributes) != there:
        rest[0] = _extras(encoder, v, shape) or 0
    cached = state.__dict__.get("fields_cache")
    if cached and not encoder.bare:
        rest[1] = encoder.members(cached)
    fetched = attributes.get("_prefetched_objects_cache")
    if fetched and not encoder.bare:
        rest[2] = _fetched(encoder, v, fetched)
    rest[3], rest[4] = state.db, int(state.adding)
    for default in (0, "default", 0, 0, 0):
        if rest[-1] != default:
            break
        rest.pop()
    return {"$m": [shape.label, values, *rest]}


def _field(encoder: Encoder, v: Any, field: Any, part: Any) -> Any:
    if issubclass(type(part), File):
        if not getattr(part, "_committed", False):
            raise Unkept("is a file that is not saved yet, which cannot be kept from one call to the next")
        # The descriptor makes the file anew from its name.
        return part.name
    number, alive = len(encoder.kept), len(encoder.alive)
    try:
        return encoder.encode(part)
    except Unkept as unkept:
        # A type of an installed package (a point, money): as fixtures write it, if that reads back as the same.
        encoder.back_to(number, alive)
        try:
            text = field.value_to_string(v)
            same = field.to_python(text) == part
        except Exception:  # the field's own code, which may raise anything
            raise unkept from None
        if not same or type(text) is not str:
            raise
        return {"$fv": [v._meta.label, field.attname, text]}


@reads("$fv")
def _field_value(_: Decoder, x: list[str]) -> Any:
    model = model_of(x[0])
    field = next((f for f in model._meta.concrete_fields if f.attname == x[1]), None)
    if field is None:
        raise Unreadable(f"{x[0]} has no field {x[1]} any more")
    return field.to_python(x[2])


def _extras(encoder: Encoder, v: Any, shape: Shape) -> dict[str, Any]:
    """What the project and other packages hung on the instance."""
    extras = {k: part for k, part in v.__dict__.items() if k not in shape.byname and k not in _INNER}
    if encoder.bare:
        extras = without_cached(v, extras)
    if not extras:
        return {}
    out = encoder.members(extras)
    secret = v.__dict__.get("password")
    if secret and type(secret) is str and any(type(part) not in ATOMS or part == secret for part in extras.values()):
        # A copy of the fields, as trackers of changes hold it.
        for name, part in out.items():
            if secret in json.dumps(part, ensure_ascii=False):
                raise Unkept(f"has the password hash in its attribute {name}, which is not kept between calls")
    return out


def _fetched(encoder: Encoder, v: Any, fetched: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, rows in fetched.items():
        cached = getattr(rows, "_result_cache", None)
        if cached is None or not hasattr(getattr(v, name, None), "get_queryset"):
            raise Unkept(f"has the prefetched objects {name}, which cannot be kept from one call to the next")
        try:
            out[name] = encoder.items(cached)
        except Unkept as unkept:
            unkept.path.append(f".{name}.all()")
            raise
    return out


@functools.cache
def model_of(label: str) -> type[models.Model]:
    """The model, which stays the same as long as the process runs."""
    try:
        model: type[models.Model] = apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise Unreadable(f"the model {label} is not there any more") from error
    return model


def changed(signs: dict[str, list[Any]]) -> set[str]:
    """The labels of a state's models whose fields are others now."""
    return {label for label, sign in signs.items() if len(sign) == 2 and shape_of(model_of(label)).sign != sign[0]}


def _read_again(model: type[models.Model], db: str, pk: Any) -> Any:
    try:
        return model._base_manager.using(db).get(pk=pk)
    except ObjectDoesNotExist as error:
        raise Unreadable(f"{model._meta.label} {pk!r} is not there any more") from error


@reads("$m")
def _decode(decoder: Decoder, x: list[Any]) -> Any:
    label, values = x[0], x[1]
    model = model_of(label)
    if label in decoder.reread:
        return _replaced(decoder, model, x)
    shape = _SHAPES.get(model) or shape_of(model)
    out: Any = object.__new__(model)
    decoder.memo.append(out)
    state = out._state = ModelState()
    attributes = out.__dict__
    for name, part in zip(shape.names, values, strict=False):
        kind = type(part)
        if kind is dict:
            if part != DEFERRED:
                attributes[name] = decoder.decode(part)
        else:
            attributes[name] = decoder.decode(part) if kind is list else part
    count = len(x)
    state.db = x[5] if count > 5 else "default"
    state.adding = bool(x[6]) if count > 6 else False
    if count > 2 and x[2]:
        attributes.update(decoder.members(x[2]))
    if count > 3 and x[3]:
        state.fields_cache = decoder.members(x[3])
    if count > 4 and x[4]:
        _prefetch(decoder, out, x[4])
    return out


def _prefetch(decoder: Decoder, out: Any, fetched: dict[str, Any]) -> None:
    cache: dict[str, Any] = {}
    for name, rows in fetched.items():
        manager = getattr(out, name, None)
        if not hasattr(manager, "get_queryset"):
            raise Unreadable(f"{out._meta.label} has no related objects {name} any more")
        queryset = manager.get_queryset()  # type: ignore[union-attr]
        queryset._result_cache = decoder.fill(rows)
        queryset._prefetch_done = True
        cache[name] = queryset
    out.__dict__["_prefetched_objects_cache"] = cache


def _replaced(decoder: Decoder, model: type[models.Model], x: list[Any]) -> Any:
    """The instance as it is in the database now: its fields are others since the last call."""
    number = decoder.reserve()
    key = decoder.reread[x[0]]
    values = decoder.fill(x[1])
    pk = values[key] if 0 <= key < len(values) else None
    if pk is None or (len(x) > 6 and x[6]):
        raise Unreadable(f"the model {x[0]} has other fields now, and the object was not saved")
    out = decoder.memo[number] = _read_again(model, x[5] if len(x) > 5 else "default", pk)
    if len(x) > 2 and x[2]:
        out.__dict__.update(decoder.members(x[2]))
    # The numbers of what follows go on.
    if len(x) > 3 and x[3]:
        decoder.members(x[3])
    for rows in x[4].values() if len(x) > 4 and x[4] else ():
        decoder.fill(rows)
    return out


@reads("$-")
def _deferred(_: Decoder, __: Any) -> Any:
    return None


@reads("$k")
def _by_key(decoder: Decoder, x: list[Any]) -> Any:
    number = decoder.reserve()
    # The key comes after the extras on the way in: numbers are given in this order.
    extras = decoder.members(x[2]) if len(x) > 2 and x[2] else None
    out = _read_again(model_of(x[0]), x[3] if len(x) > 3 else "default", decoder.decode(x[1]))
    decoder.memo[number] = out
    if extras:
        out.__dict__.update(extras)
    return out


def instances(kind: type) -> tuple[bool, Encode] | None:
    return (True, _encode) if issubclass(kind, models.Model) else None


def _encode_queryset(_: Encoder, v: Any) -> Any:
    raise Unkept(f"is a QuerySet of {v.model._meta.label}, which cannot be kept from one call to the next: "
                 "keep a list of it, or ask again in each handler")  # fmt: skip


def querysets(kind: type) -> tuple[bool, Encode] | None:
    return (False, _encode_queryset) if issubclass(kind, models.QuerySet) else None


def _encode_manager(_: Encoder, v: Any) -> Any:
    raise Unkept(f"is a manager of {v.model._meta.label}, which cannot be kept from one call to the next: "
                 "take it from its object in each handler")  # fmt: skip


def managers(kind: type) -> tuple[bool, Encode] | None:
    return (False, _encode_manager) if issubclass(kind, models.Manager) else None
