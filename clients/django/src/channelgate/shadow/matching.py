"""Which frame of the left is which of the right, and whether they came in the same order."""

import dataclasses
from collections.abc import Container, Iterable, Sequence
from typing import Any

from channelgate.shadow import values
from channelgate.shadow.recorded import Frame


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A frame, decoded."""

    at: float
    turn: int
    value: Any
    kind: str

    @classmethod
    def of(cls, frame: Frame, value: Any) -> "Kept":
        """From a recording."""
        return cls(frame.at, frame.turn, value, values.kind(value))


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """A frame of both sides."""

    left: Kept
    right: Kept


Matched = tuple[list[Pair], list[Kept], list[Kept]]


def live(left: Sequence[Kept], right: Sequence[Kept], tolerance: float) -> Matched:
    """Pairs what came to both at about the same time, and the rest of each side."""
    pairs: list[Pair] = []
    lost: list[Kept] = []
    extra: list[Kept] = []
    ours, theirs = _by_key(left, False), _by_key(right, False)
    for key in ours.keys() | theirs.keys():
        one, two = ours.get(key, []), theirs.get(key, [])
        i = j = 0
        while i < len(one) and j < len(two):
            apart = one[i].at - two[j].at
            if abs(apart) <= tolerance:
                pairs.append(Pair(one[i], two[j]))
                i, j = i + 1, j + 1
            elif apart < 0:
                lost.append(one[i])
                i += 1
            else:
                extra.append(two[j])
                j += 1
        lost += one[i:]
        extra += two[j:]
    return _sorted(pairs, lost, extra)


def fresh(left: Sequence[Kept], right: Sequence[Kept]) -> Matched:
    """Pairs what each side got in its own turn: the same frames, with ids of their own."""
    pairs: list[Pair] = []
    lost: list[Kept] = []
    extra: list[Kept] = []
    ours, theirs = _by_key(left, True), _by_key(right, True)
    for key in ours.keys() | theirs.keys():
        one, two = ours.get(key, []), theirs.get(key, [])
        pairs += [Pair(*both) for both in zip(one, two, strict=False)]
        lost += one[len(two) :]
        extra += two[len(one) :]
    return _sorted(pairs, lost, extra)


def _by_key(frames: Iterable[Kept], made: bool) -> dict[str, list[Kept]]:
    found: dict[str, list[Kept]] = {}
    for frame in frames:
        found.setdefault(values.find_key(frame.value, made), []).append(frame)
    return found


def _sorted(pairs: list[Pair], left: list[Kept], right: list[Kept]) -> Matched:
    pairs.sort(key=lambda pair: pair.left.at)
    return pairs, sorted(left, key=_at), sorted(right, key=_at)


def _at(frame: Kept) -> float:
    return frame.at


def order(pairs: Sequence[Pair], tolerance: float, own: Container[Kept]) -> tuple[list[tuple[Pair, Pair]], int]:
    """Pairs that come in another order on the right, and how many of them may.

    A client sees no groups. Frames of one kind keep their order, and so does the answer to a message: `own` has the
    left's frames of it. Frames of different kinds may be of different groups, whose order Channels does not promise.
    """
    wrong: list[tuple[Pair, Pair]] = []
    swapped = 0
    latest: Pair | None = None
    latest_of: dict[str, Pair] = {}
    for pair in pairs:
        same = latest_of.get(pair.left.kind)
        if same is not None and pair.right.at < same.right.at:
            wrong.append((same, pair))
        elif latest is not None and pair.right.at < latest.right.at:
            strict = pair.left in own or latest.left in own
            if strict or pair.left.at - latest.left.at > tolerance:
                wrong.append((latest, pair))
            else:
                swapped += 1
        if same is None or pair.right.at > same.right.at:
            latest_of[pair.left.kind] = pair
        if latest is None or pair.right.at > latest.right.at:
            latest = pair
    return wrong, swapped


def pair_up(
    left: list[Kept], right: list[Kept], tolerance: float | None
) -> tuple[list[Pair], list[Pair], list[Kept], list[Kept]]:
    """Of what is left over: the same frame too late, and frames of one kind that differ; then the rest of each side.

    `tolerance` limits how far apart the latter come; None is for frames of different turns.
    """
    late: list[Pair] = []
    similar: list[Pair] = []
    lost, extra = list(left), list(right)
    if tolerance is not None:
        for one in left:
            key = values.find_key(one.value, False)
            for two in extra:
                if values.find_key(two.value, False) == key:
                    late.append(Pair(one, two))
                    lost.remove(one)
                    extra.remove(two)
                    break
    for one in list(lost):
        for two in extra:
            near = tolerance is None or abs(one.at - two.at) <= tolerance
            if near and one.kind == two.kind:
                similar.append(Pair(one, two))
                lost.remove(one)
                extra.remove(two)
                break
    return late, similar, lost, extra
