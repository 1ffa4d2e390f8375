"""Dates, times and their zones: UTC and fixed offsets as ISO text, ZoneInfo and pytz zones by name, with the fold."""

from __future__ import annotations

import datetime
import sys
import zoneinfo
from typing import Any

from .tree import Decoder, Encode, Encoder, Unkept, Unreadable, cannot, reads, value

UTC = datetime.timezone.utc


def _zone(encoder: Encoder, zone: Any) -> Any:
    try:
        return encoder.encode(zone)
    except Unkept as unkept:
        unkept.path.append(".tzinfo")
        raise


@value(datetime.datetime)
def _datetime(encoder: Encoder, v: datetime.datetime) -> Any:
    zone = v.tzinfo
    if (zone is None or zone is UTC) and not v.fold:
        return {"$dt": v.isoformat()}
    if _is_pytz(type(zone)):
        name = _pytz(encoder, zone, anyhow=True)
        return {"$dz": [v.replace(tzinfo=None).isoformat(), v.fold, name, str(v.utcoffset())]}
    return {"$dz": [v.replace(tzinfo=None).isoformat(), v.fold, _zone(encoder, zone)]}


@reads("$dt")
def _read_datetime(_: Decoder, x: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(x)


@reads("$dz")
def _read_zoned(decoder: Decoder, x: list[Any]) -> datetime.datetime:
    plain = datetime.datetime.fromisoformat(x[0])
    zone = decoder.decode(x[2])
    if len(x) == 4 and hasattr(zone, "localize"):
        # pytz has an object per offset of a zone. An hour that comes twice says by is_dst which one it is.
        for daylight in (False, True):
            local: datetime.datetime = zone.localize(plain, is_dst=daylight)
            if str(local.utcoffset()) == x[3]:
                return local.replace(fold=x[1])
        return plain.replace(tzinfo=zone, fold=x[1])
    return plain.replace(tzinfo=zone, fold=x[1])


@value(datetime.date)
def _date(_: Encoder, v: datetime.date) -> Any:
    return {"$da": v.isoformat()}


@reads("$da")
def _read_date(_: Decoder, x: str) -> datetime.date:
    return datetime.date.fromisoformat(x)


@value(datetime.time)
def _time(encoder: Encoder, v: datetime.time) -> Any:
    plain = v.replace(tzinfo=None).isoformat()
    return {"$ti": [plain, v.fold, _zone(encoder, v.tzinfo)] if v.fold or v.tzinfo is not None else [plain]}


@reads("$ti")
def _read_time(decoder: Decoder, x: list[Any]) -> datetime.time:
    plain = datetime.time.fromisoformat(x[0])
    return plain if len(x) == 1 else plain.replace(fold=x[1], tzinfo=decoder.decode(x[2]))


@value(datetime.timedelta)
def _delta(_: Encoder, v: datetime.timedelta) -> Any:
    return {"$td": [v.days, v.seconds, v.microseconds]}


@reads("$td")
def _read_delta(_: Decoder, x: list[int]) -> datetime.timedelta:
    return datetime.timedelta(*x)


@value(datetime.timezone)
def _fixed(_: Encoder, v: datetime.timezone) -> Any:
    if v is UTC:
        return {"$tz": []}
    offset = v.utcoffset(None)
    parts: list[Any] = [offset.days, offset.seconds, offset.microseconds]
    name = v.tzname(None)
    # Without a name, a timezone names itself by its offset.
    return {"$tz": parts if name == datetime.timezone(offset).tzname(None) else [*parts, name]}


@reads("$tz")
def _read_fixed(_: Decoder, x: list[Any]) -> datetime.timezone:
    return datetime.timezone(datetime.timedelta(*x[:3]), *x[3:]) if x else UTC


@value(zoneinfo.ZoneInfo)
def _named(_: Encoder, v: zoneinfo.ZoneInfo) -> Any:
    if v.key is None:
        raise cannot(type(v))
    return {"$zi": v.key}


@reads("$zi")
def _read_named(_: Decoder, x: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(x)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise Unreadable(f"there is no time zone {x} here") from error


def _is_pytz(kind: type) -> bool:
    return kind.__module__.split(".")[0] == "pytz"


def _pytz(_: Encoder, v: Any, *, anyhow: bool = False) -> Any:
    """A zone by its name. A date's own zone object is that of an offset: the date says which (`anyhow`)."""
    name, minutes = getattr(v, "zone", None), getattr(v, "_minutes", None)
    if name is None and type(minutes) is int:
        return {"$pz": minutes}
    if name is None or not (anyhow or sys.modules["pytz"].timezone(name) is v):
        raise cannot(type(v))
    return {"$pz": name}


@reads("$pz")
def _read_pytz(_: Decoder, x: Any) -> Any:
    import pytz  # type: ignore[import-untyped, unused-ignore]

    try:
        return pytz.timezone(x) if type(x) is str else pytz.FixedOffset(x)
    except pytz.UnknownTimeZoneError as error:
        raise Unreadable(f"there is no time zone {x} here") from error


def zones(kind: type) -> tuple[bool, Encode] | None:
    return (False, _pytz) if issubclass(kind, datetime.tzinfo) and _is_pytz(kind) else None
