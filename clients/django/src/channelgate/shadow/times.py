"""Times in frames: the forms in which projects write them, and whether two of them are the same moment."""

import dataclasses
import datetime
import re
from typing import Any

#: A date with a time, anywhere in a text.
ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?(?: ?([AaPp])\.?[Mm]\.?)?")
_EPOCH = re.compile(r"1\d{9}(?:\.\d+)?|1\d{12}")
#: Numbers that are a time of our days in seconds, and in milliseconds.
_SECONDS, _MILLISECONDS = (1_200_000_000, 2_200_000_000), (1_200_000_000_000, 2_200_000_000_000)
_DAY = 86_400.0


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """A time, in seconds; `form` is what two times must share, `step` how exactly it is written."""

    form: str
    seconds: float
    step: float

    def is_near(self, other: "Moment", tolerance: float) -> bool:
        """Whether both can be the same moment."""
        if self.form != other.form:
            return False
        apart = abs(self.seconds - other.seconds)
        if self.form == "clock":
            apart = min(apart, _DAY - apart)
        return apart <= tolerance + max(self.step, other.step)


def moment(value: Any) -> Moment | None:
    """The time that a value is, if it is one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _number(float(value))
    if not isinstance(value, str):
        return None
    if ISO.fullmatch(value):
        return iso(value)
    if found := _CLOCK.fullmatch(value):
        return _clock(found)
    return _number(float(value)) if _EPOCH.fullmatch(value) else None


def iso(text: str) -> Moment | None:
    """A date with a time. With a zone it is another form than without: a browser reads them differently."""
    try:
        # Python 3.10 reads neither `Z` nor six-digit zones without a colon, nor fractions of other lengths.
        body, zone = re.fullmatch(r"(.*?)(Z|[+-]\d\d:?\d\d)?", text).groups()  # type: ignore[union-attr]
        whole, _, fraction = body.replace(" ", "T").partition(".")
        at = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return None
    seconds = at.timestamp() + (float(f"0.{fraction}") if fraction else 0.0)
    if zone and zone != "Z":
        sign = -1 if zone[0] == "-" else 1
        seconds -= sign * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)
    step = 0.0 if fraction else 1.0 if whole.count(":") == 2 else 60.0
    return Moment("zoned" if zone else "naive", seconds, step)


def _clock(found: "re.Match[str]") -> Moment | None:
    hour, minute, second, half = found.groups()
    hours = int(hour) % 12 + (12 if half in "pP" else 0) if half else int(hour)
    if hours > 23 or int(minute) > 59 or int(second or 0) > 59:
        return None
    return Moment("clock", hours * 3600.0 + int(minute) * 60 + int(second or 0), 1.0 if second else 60.0)


def _number(value: float) -> Moment | None:
    if _SECONDS[0] <= value <= _SECONDS[1]:
        return Moment("seconds", value, 0.0 if value % 1 else 1.0)
    if _MILLISECONDS[0] <= value <= _MILLISECONDS[1]:
        return Moment("milliseconds", value / 1000, 0.0)
    return None


def same_text(left: str, right: str, tolerance: float) -> bool:
    """Whether two texts differ only by times in them that are the same moment."""
    if ISO.split(left) != ISO.split(right):
        return False
    pairs = zip(ISO.findall(left), ISO.findall(right), strict=True)
    for one, two in pairs:
        first, second = iso(one), iso(two)
        if one != two and (first is None or second is None or not first.is_near(second, tolerance)):
            return False
    return True
