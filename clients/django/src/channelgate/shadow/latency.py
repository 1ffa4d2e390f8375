"""Percentiles of what was timed, in milliseconds."""

import dataclasses
import math
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, slots=True)
class Latency:
    """Half of the values are below p50, all but one of a hundred below p99."""

    count: int
    p50: float
    p99: float


def latency(seconds: Sequence[float]) -> Latency | None:
    """By the nearest rank; None if nothing was timed."""
    if not seconds:
        return None
    values = sorted(seconds)
    p50, p99 = (values[math.ceil(part * len(values)) - 1] * 1000 for part in (0.5, 0.99))
    return Latency(len(values), round(p50, 1), round(p99, 1))
