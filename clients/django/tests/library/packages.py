"""Classes that attrs and pydantic make."""

import typing

import attrs
import pydantic


@attrs.define
class Seat:
    row: int
    taken: list = attrs.field(factory=list)


@attrs.frozen
class Ticket:
    seat: Seat
    code: str = "x"


class Order(pydantic.BaseModel):
    id: int
    lines: list[dict[str, int]] = []
    note: str | None = None
    _seen: typing.Any = pydantic.PrivateAttr(default=None)
