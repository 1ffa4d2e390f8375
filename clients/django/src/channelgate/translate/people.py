"""Which attributes of a user the node knows, and under which name: `DESCRIBE` is asked about made-up users."""

import dataclasses
from typing import Any

_TEXTS = ("username", "email", "first_name", "last_name", "role")
_FLAGS = ("is_staff", "is_superuser", "is_active")


@dataclasses.dataclass(slots=True)
class People:
    """What the node knows of a user."""

    #: Attribute of the user → name in the node, and its kind.
    attributes: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    #: Why `DESCRIBE` could not be asked.
    problem: str = ""


def known() -> People:
    """Asks `DESCRIBE`."""
    try:
        from channelgate.bridge import people

        probes = [_probe(number) for number in range(8)]
        described = [people.function()(one) for one in probes]
    except Exception as error:
        return People(problem=f"DESCRIBE cannot be asked about a made-up user: {type(error).__name__}: {error}")
    if not all(isinstance(one, dict) for one in described):
        return People(problem="DESCRIBE does not return a dictionary for a made-up user")
    found: dict[str, tuple[str, str]] = {}
    for name in ("pk", "id", *_TEXTS, *_FLAGS):
        values = [getattr(one, name, None) for one in probes]
        # Users that share a value do not tell two attributes apart.
        if len(set(map(repr, values))) < (2 if name in _FLAGS else len(values)):
            continue
        for key in dict.fromkeys((name, "id", "name", *described[0])):
            if [one.get(key) for one in described] == values:
                found[name] = (key, _kind(values[0]))
                break
    return People(found)


def _probe(number: int) -> Any:
    """A user that is not in the database: of eight, each has other texts, and another set of flags."""
    from django.contrib.auth import get_user_model
    from django.db import models

    model = get_user_model()
    key = model._meta.pk
    values: dict[str, Any] = {}
    if isinstance(key, models.UUIDField):
        import uuid

        values[key.attname] = uuid.UUID(int=0x1234_5678_0000 + number)
    elif isinstance(key, models.AutoField | models.IntegerField):
        values[key.attname] = 918_273_640 + number
    else:
        values[key.attname] = f"probe{number}"
    names = {field.attname for field in model._meta.concrete_fields}
    values |= {name: f"probe-{name}-{number}" for name in (*_TEXTS, model.USERNAME_FIELD) if name in names}
    values |= {name: bool(number >> bit & 1) for bit, name in enumerate(_FLAGS) if name in names}
    return model(**values)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "str" if isinstance(value, str) else "uuid"
